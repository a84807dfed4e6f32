/** Synthetic records: the events of runs that the tests tell of, as the kernel would emit them. */
import type { HeldResource, KernelEvent, KillRequest } from "../../../src/sim/record.ts";
import { type ReportBuilderOptions, type RunFacts, ReportBuilder } from "../../../src/report/builder.ts";
import type { Report } from "../../../src/report/report.ts";

export const PID = 8;
const SECOND = 10_000_000;

export function facts(changes: Partial<RunFacts> = {}): RunFacts {
  return {
    program: "exit-while-waiting.exe",
    arguments: [],
    end: { outcome: "exited", exitStatus: 41, detail: "" },
    statistics: { instructions: 1_091_234, systemCalls: 171, virtualTime100ns: 3_500_000, contextSwitches: 9 },
    replay: null,
    notImplemented: [],
    leaks: [],
    waitGraph: null,
    ...changes,
  };
}

export function build(
  events: readonly KernelEvent[],
  changes: Partial<RunFacts> = {},
  options: ReportBuilderOptions = {},
): Report {
  const builder = new ReportBuilder(options);
  for (const event of events) builder.sink(event);
  return builder.finish(facts(changes));
}

export function processCreated(pid: number, image: string, time = 0): KernelEvent[] {
  return [{ kind: "process-created", time, pid, parentPid: 4, image }];
}

export function imageMapped(pid: number, name: string, base = 0x400000): KernelEvent {
  return { kind: "image-mapped", pid, base, size: 0x10000, name };
}

export function threadCreated(
  tid: number,
  options: { pid?: number; start?: number; name?: string } = {},
): KernelEvent[] {
  const pid = options.pid ?? PID;
  const created: KernelEvent = { kind: "thread-created", time: 1000, pid, tid, start: options.start ?? 0x401000 };
  if (options.name === undefined) return [created];
  return [created, { kind: "thread-named", pid, tid, name: options.name }];
}

export function marked(tid: number, request: Partial<KillRequest>, time = 0.3 * SECOND, pid = PID): KernelEvent {
  const whole: KillRequest = {
    route: "exited",
    killer: { pid, tid },
    via: "NtTerminateThread",
    from: 0,
    status: 0,
    ...request,
  };
  return { kind: "thread-marked", time, pid, tid, request: whole };
}

export function held(tid: number, resource: Partial<HeldResource>, pid = PID): KernelEvent {
  return { kind: "thread-held", pid, tid, held: { kind: "mutant", id: 0x30, note: "abandoned", ...resource } };
}

/** Everything from the exit to the deletion of the object. */
export function died(tid: number, status: number, time = 0.35 * SECOND, pid = PID): KernelEvent[] {
  return [
    { kind: "thread-exited", time, pid, tid, status },
    { kind: "thread-signaled", time: time + 1, pid, tid },
    { kind: "thread-reaped", time: time + 2, pid, tid },
    { kind: "thread-deleted", time: time + 3, pid, tid },
  ];
}

export function processDied(pid: number, status: number, time = 0.35 * SECOND): KernelEvent[] {
  return [
    { kind: "process-exiting", time, pid, status },
    { kind: "process-signaled", time: time + 1, pid },
    { kind: "process-deleted", time: time + 4, pid },
  ];
}

/** A program that calls ExitProcess(41) while its second thread waits for an event and owns a mutant. */
export function exitWhileWaiting(): KernelEvent[] {
  const image = "\\??\\C:\\app\\exit-while-waiting.exe";
  const exit: Partial<KillRequest> = { via: "NtTerminateProcess", api: "ExitProcess", from: 0x4014f2, status: 41 };
  const kill: Partial<KillRequest> = {
    route: "process-exit",
    killer: { pid: PID, tid: 12 },
    via: "NtTerminateProcess(NULL)",
    from: 0x7b001234,
    status: 41,
  };
  return [
    ...processCreated(PID, image),
    imageMapped(PID, image),
    ...threadCreated(12),
    ...threadCreated(16, { name: "worker", start: 0x401230 }),
    { ...marked(16, kill), waiting: [{ kind: "event", id: 0x2c }] } as KernelEvent,
    { kind: "thread-delivered", time: 3_000_100, pid: PID, tid: 16 },
    held(16, {}),
    ...died(16, 41, 3_000_200),
    marked(12, exit, 3_400_000),
    ...died(12, 41, 3_500_000).slice(0, 1),
    ...processDied(PID, 41, 3_500_000).slice(0, 2),
    ...died(12, 41, 3_500_000).slice(1),
    ...processDied(PID, 41, 3_500_000).slice(2),
  ];
}
