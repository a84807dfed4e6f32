/**
 * Death certificates while a run goes on: one row a thread, in columns of typed arrays, because a run may create a
 * hundred thousand threads and a report must not cost more than the run.
 *
 * Invariants: a row is written once per fact and never removed; -1 in a column of ids, and NaN in a column of times, say
 * that the fact is not known. What few threads have (a name, things held) lies beside the columns, keyed by row.
 */
import type { DeathRoute, HeldResource, KillRequest, WaitedFor } from "../sim/record.ts";
import type { ImageLocation } from "./images.ts";
import type { ReportDeath, ReportThread } from "./report.ts";
import { hex } from "./words.ts";

/** Things held that one certificate lists. */
const MAXIMUM_HELD = 32;

const ROUTES: readonly DeathRoute[] = [
  ...(["returned", "exited", "killed", "process-exit", "process-kill"] as const),
  ...(["job", "debugger", "shutdown", "exception", "critical"] as const),
];

/** Times of a thread, by column. */
export const TIME = { created: 0, requested: 1, delivered: 2, exited: 3, signaled: 4, reaped: 5, deleted: 6 } as const;
export type Time = (typeof TIME)[keyof typeof TIME];
const TIMES = 7;

const FIELD = {
  ...{ tid: 0, startImage: 1, start: 2, exitStatus: 3, route: 4, killerPid: 5, killerTid: 6 },
  ...{ requestStatus: 7, via: 8, api: 9, fromImage: 10, from: 11, job: 12 },
} as const;
const FIELDS = 13;

const FIRST_ROWS = 64;

export class CertificateTable {
  private rows = 0;
  private fields: Int32Array = new Int32Array(FIRST_ROWS * FIELDS);
  private times: Float64Array = new Float64Array(FIRST_ROWS * TIMES);
  private readonly words: string[] = [];
  private readonly wordNumbers: Map<string, number> = new Map<string, number>();
  private readonly names: Map<number, string> = new Map<number, string>();
  private readonly held: Map<number, { readonly list: HeldResource[]; omitted: number }> = new Map();
  private readonly waiting: Map<number, readonly WaitedFor[]> = new Map<number, readonly WaitedFor[]>();

  get length(): number {
    return this.rows;
  }

  /** Adds a thread. @returns its row */
  add(tid: number, time: number, start: number, startsIn: ImageLocation | null): number {
    const row = this.rows++;
    if (this.rows * FIELDS > this.fields.length) this.grow();
    this.fields.fill(-1, row * FIELDS, (row + 1) * FIELDS);
    this.times.fill(NaN, row * TIMES, (row + 1) * TIMES);
    this.set(row, FIELD.tid, tid);
    this.setPlace(row, FIELD.startImage, FIELD.start, start, startsIn);
    this.stamp(row, TIME.created, time);
    return row;
  }

  stamp(row: number, time: Time, value: number): void {
    this.times[row * TIMES + time] = value;
  }

  rename(row: number, name: string): void {
    this.names.set(row, name.slice(0, 64));
  }

  /** The first decision that a thread dies is the one that counts. */
  request(row: number, time: number, request: KillRequest, calledFrom: ImageLocation | null): void {
    if (this.get(row, FIELD.route) >= 0) return;
    this.stamp(row, TIME.requested, time);
    this.set(row, FIELD.route, ROUTES.indexOf(request.route));
    this.set(row, FIELD.requestStatus, request.status);
    this.set(row, FIELD.via, this.wordNumber(request.via));
    if (request.job !== undefined) this.set(row, FIELD.job, request.job);
    if (request.api !== undefined) this.set(row, FIELD.api, this.wordNumber(request.api));
    this.setPlace(row, FIELD.fromImage, FIELD.from, request.from, calledFrom);
    if (request.killer === null) return;
    this.set(row, FIELD.killerPid, request.killer.pid);
    this.set(row, FIELD.killerTid, request.killer.tid);
  }

  setWaiting(row: number, waiting: readonly WaitedFor[]): void {
    if (!this.waiting.has(row)) this.waiting.set(row, waiting);
  }

  hold(row: number, resource: HeldResource): void {
    const held = this.held.get(row);
    if (held === undefined) this.held.set(row, { list: [resource], omitted: 0 });
    else if (held.list.length < MAXIMUM_HELD) held.list.push(resource);
    else held.omitted++;
  }

  exit(row: number, time: number, status: number): void {
    this.stamp(row, TIME.exited, time);
    this.set(row, FIELD.exitStatus, status);
  }

  thread(row: number): ReportThread {
    const exited = this.time(row, TIME.exited);
    return {
      tid: this.get(row, FIELD.tid),
      name: this.names.get(row) ?? null,
      start: this.place(row, FIELD.startImage, FIELD.start),
      createTime: this.time(row, TIME.created) ?? 0,
      exitStatus: exited === null ? null : this.get(row, FIELD.exitStatus) >>> 0,
      death: this.death(row),
    };
  }

  private death(row: number): ReportDeath | null {
    const requested = this.time(row, TIME.requested);
    const deleted = this.time(row, TIME.deleted);
    const exited = this.time(row, TIME.exited);
    if (requested === null && exited === null && deleted === null) return null;
    const killer = { pid: this.get(row, FIELD.killerPid), tid: this.get(row, FIELD.killerTid) };
    const held = this.held.get(row);
    const fromNowhere = this.get(row, FIELD.fromImage) < 0 && this.get(row, FIELD.from) === 0;
    return {
      route: ROUTES[this.get(row, FIELD.route)] ?? null,
      killer: killer.tid < 0 ? null : killer,
      job: this.get(row, FIELD.job) < 0 ? null : this.get(row, FIELD.job),
      status: requested === null ? null : this.get(row, FIELD.requestStatus) >>> 0,
      requested:
        requested === null
          ? null
          : {
              time: requested,
              via: this.words[this.get(row, FIELD.via)] ?? "",
              api: this.words[this.get(row, FIELD.api)] ?? null,
              from: fromNowhere ? null : this.place(row, FIELD.fromImage, FIELD.from),
            },
      waiting: this.waiting.get(row) ?? [],
      delivered: this.time(row, TIME.delivered),
      exited,
      signaled: this.time(row, TIME.signaled),
      reaped: this.time(row, TIME.reaped),
      deleted,
      held: held?.list ?? [],
      heldOmitted: held?.omitted ?? 0,
    };
  }

  private set(row: number, field: number, value: number): void {
    this.fields[row * FIELDS + field] = value;
  }

  private get(row: number, field: number): number {
    return this.fields[row * FIELDS + field] ?? -1;
  }

  private time(row: number, time: Time): number | null {
    const value = this.times[row * TIMES + time] ?? NaN;
    return Number.isNaN(value) ? null : value;
  }

  /** An address inside an image is kept as its offset, so that it stays right after the image is gone. */
  private setPlace(row: number, imageField: number, field: number, address: number, at: ImageLocation | null): void {
    if (at !== null) this.set(row, imageField, this.wordNumber(at.image));
    this.set(row, field, at?.offset ?? address);
  }

  private place(row: number, imageField: number, field: number): string {
    const image = this.words[this.get(row, imageField)];
    const offset = hex(this.get(row, field));
    return image === undefined ? offset : `${image}+${offset}`;
  }

  private wordNumber(word: string): number {
    const known = this.wordNumbers.get(word);
    if (known !== undefined) return known;
    this.wordNumbers.set(word, this.words.length);
    return this.words.push(word) - 1;
  }

  private grow(): void {
    const fields = new Int32Array(this.fields.length * 2);
    fields.set(this.fields);
    this.fields = fields;
    const times = new Float64Array(this.times.length * 2);
    times.set(this.times);
    this.times = times;
  }
}
