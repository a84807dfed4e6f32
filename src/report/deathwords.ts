/** A death certificate in plain words: who ended the thread, along which path, what it was doing and what it held. */
import type { HeldResource, WaitedFor } from "../sim/record.ts";
import type { ReportDeath, ReportProcess, ReportThread } from "./report.ts";
import { duration100ns, hex, plain } from "./words.ts";

/** A thread without a name is called by its start routine; the first one of a process is its main thread. */
export function threadName(thread: ReportThread, first: boolean): string {
  return plain(thread.name ?? (first ? "main" : thread.start));
}

/** The whole sentence after a thread's status. */
export function deathSentence(process: ReportProcess, thread: ReportThread): string {
  const { death } = thread;
  if (death === null) return "still alive when the run ended";
  const during = death.waiting.length === 0 ? "" : ` while ${waitingWords(death.waiting)}`;
  return `${causeWords(process, thread, death)}${during}${unfinishedWords(death)}${heldWords(death)}`;
}

/** The same in the past, for a sentence about another thread: `was killed by thread 12 with … at 0.35 s`. */
export function deathClause(process: ReportProcess, thread: ReportThread): string {
  const { death } = thread;
  if (death === null) return "is still alive";
  const words = causeWords(process, thread, death);
  const verb = /^(killed|ended by)/u.test(words) ? "was " : "";
  const time = death.exited ?? death.requested?.time ?? null;
  return `${verb}${words}${time === null ? "" : ` at ${duration100ns(time)}`}`;
}

function causeWords(process: ReportProcess, thread: ReportThread, death: ReportDeath): string {
  const itself = death.killer !== null && death.killer.pid === process.pid && death.killer.tid === thread.tid;
  const killer = killerWords(process, death);
  const how = howWords(death);
  switch (death.route) {
    case null:
      return "went away before it ran: its creation failed";
    case "returned":
      return "returned from its start routine";
    case "exception":
      return `ended by an unhandled exception${placeOf(death)}`;
    case "job":
      return `${jobWords(death)}${killer}${reasonWords(death)}`;
    case "debugger":
      return `killed because its debugger let go of it${killer}${reasonWords(death)}`;
    case "shutdown":
      return `killed by the shutdown of the system${killer}`;
    case "critical":
      return `ended by the death of a critical thread or process${killer}`;
    default:
      return itself ? `ended itself: ${calledFrom(death)}` : `killed${killer || " by the kernel"}${how}`;
  }
}

/** A job ends its members when somebody says so, when nobody has a handle to it any more, or over a limit. */
function jobWords(death: ReportDeath): string {
  const job = death.job === null ? "its job" : `job ${death.job}`;
  const via = death.requested?.via ?? "";
  if (via === "PspCloseJob") return `killed because ${job} was closed`;
  if (via === "NtAssignProcessToJobObject") return `killed because ${job} had no room for it`;
  return via.startsWith("limit ") ? `killed for a limit of ${job}` : `killed with ${job}`;
}

function killerWords(process: ReportProcess, death: ReportDeath): string {
  if (death.killer === null) return "";
  const elsewhere = death.killer.pid === process.pid ? "" : ` of process ${death.killer.pid}`;
  return ` by thread ${death.killer.tid}${elsewhere}`;
}

function howWords(death: ReportDeath): string {
  return death.requested === null ? "" : ` with ${plain(death.requested.api ?? death.requested.via)}`;
}

function reasonWords(death: ReportDeath): string {
  return death.requested === null ? "" : ` (${plain(death.requested.api ?? death.requested.via)})`;
}

/** The library routine is what the program's author wrote; the system service is what it came to. */
function calledFrom(death: ReportDeath): string {
  if (death.requested === null) return "no call is known";
  return `${plain(death.requested.api ?? death.requested.via)}${placeOf(death)}`;
}

function placeOf(death: ReportDeath): string {
  const from = death.requested?.from ?? null;
  return from === null ? "" : `, ${plain(from)}`;
}

function waitingWords(waiting: readonly WaitedFor[]): string {
  const [first] = waiting;
  if (first === undefined) return "";
  if (first.kind === "delay") return "sleeping";
  if (first.kind === "suspension") return "suspended";
  const named = waiting
    .slice(0, 4)
    .map((object) => `${plain(object.kind)}${object.id === 0 ? "" : ` ${hex(object.id)}`}`);
  const more = waiting.length > 4 ? ` and ${waiting.length - 4} more` : "";
  return `waiting for ${named.join(", ")}${more}`;
}

/** Where a death stopped, if it never came to its end. */
function unfinishedWords(death: ReportDeath): string {
  if (death.exited !== null || death.route === null) return "";
  if (death.delivered !== null) return ", and was on its way out when the run ended";
  return ", but was still alive when the run ended";
}

function heldWords(death: ReportDeath): string {
  if (death.held.length === 0) return "";
  const more = death.held.length + death.heldOmitted - Math.min(death.held.length, 4);
  const named = death.held.slice(0, 4).map(heldResourceWords);
  return `; held ${named.join(", ")}${more === 0 ? "" : ` and ${more} more`}`;
}

function heldResourceWords(held: HeldResource): string {
  const kind = held.kind === "apc" || held.kind === "irp" ? held.kind.toUpperCase() : held.kind.replaceAll("-", " ");
  return `${kind}${held.id === 0 ? "" : ` ${hex(held.id)}`}${held.note === "" ? "" : ` (${plain(held.note)})`}`;
}
