/**
 * Numbers of a report in words, and text of the guest made safe to print.
 *
 * Invariant: nothing that a guest chose reaches the terminal with a control character in it.
 */

/** Names of the statuses that programs really end with. */
const STATUS_NAMES: ReadonlyMap<number, string> = new Map([
  [0x40010004, "DBG_TERMINATE_PROCESS"],
  [0x40010005, "DBG_CONTROL_C"],
  [0x80000001, "STATUS_GUARD_PAGE_VIOLATION"],
  [0x80000002, "STATUS_DATATYPE_MISALIGNMENT"],
  [0x80000003, "STATUS_BREAKPOINT"],
  [0x80000004, "STATUS_SINGLE_STEP"],
  [0xc0000001, "STATUS_UNSUCCESSFUL"],
  [0xc0000002, "STATUS_NOT_IMPLEMENTED"],
  [0xc0000005, "STATUS_ACCESS_VIOLATION"],
  [0xc0000006, "STATUS_IN_PAGE_ERROR"],
  [0xc0000008, "STATUS_INVALID_HANDLE"],
  [0xc000000d, "STATUS_INVALID_PARAMETER"],
  [0xc0000017, "STATUS_NO_MEMORY"],
  [0xc000001d, "STATUS_ILLEGAL_INSTRUCTION"],
  [0xc0000022, "STATUS_ACCESS_DENIED"],
  [0xc0000025, "STATUS_NONCONTINUABLE_EXCEPTION"],
  [0xc0000026, "STATUS_INVALID_DISPOSITION"],
  [0xc000004b, "STATUS_THREAD_IS_TERMINATING"],
  [0xc000007b, "STATUS_INVALID_IMAGE_FORMAT"],
  [0xc000008c, "STATUS_ARRAY_BOUNDS_EXCEEDED"],
  [0xc000008e, "STATUS_FLOAT_DIVIDE_BY_ZERO"],
  [0xc0000094, "STATUS_INTEGER_DIVIDE_BY_ZERO"],
  [0xc0000095, "STATUS_INTEGER_OVERFLOW"],
  [0xc0000096, "STATUS_PRIVILEGED_INSTRUCTION"],
  [0xc000009a, "STATUS_INSUFFICIENT_RESOURCES"],
  [0xc00000fd, "STATUS_STACK_OVERFLOW"],
  [0xc000010a, "STATUS_PROCESS_IS_TERMINATING"],
  [0xc0000135, "STATUS_DLL_NOT_FOUND"],
  [0xc0000138, "STATUS_ORDINAL_NOT_FOUND"],
  [0xc0000139, "STATUS_ENTRYPOINT_NOT_FOUND"],
  [0xc000013a, "STATUS_CONTROL_C_EXIT"],
  [0xc0000142, "STATUS_DLL_INIT_FAILED"],
  [0xc0000194, "STATUS_POSSIBLE_DEADLOCK"],
  [0xc00002eb, "STATUS_SYSTEM_SHUTDOWN"],
  [0xc0000354, "STATUS_DEBUGGER_INACTIVE"],
  [0xc0000374, "STATUS_HEAP_CORRUPTION"],
  [0xc0000409, "STATUS_STACK_BUFFER_OVERRUN"],
  [0xc0000420, "STATUS_ASSERTION_FAILURE"],
]);

export function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}

/** A status in a table: small ones as the program wrote them, others as NT writes them. */
export function shortStatus(status: number): string {
  return status < 0x10000 ? String(status) : hex(status);
}

/** A status in a sentence, with its name if it has one: `41 (0x29)`, `0xc0000005 (STATUS_ACCESS_VIOLATION)`. */
export function longStatus(status: number): string {
  const name = STATUS_NAMES.get(status);
  if (name !== undefined) return `${hex(status)} (${name})`;
  if (status < 10) return String(status);
  return status < 0x80000000 ? `${status} (${hex(status)})` : `${hex(status)} (${status | 0})`;
}

/** Virtual time: `0.35 s`, `12 ms`, `600 s`. */
export function duration100ns(time: number): string {
  return durationOf(time / 10_000);
}

/** Milliseconds in the unit in which a person would say them. */
export function durationOf(milliseconds: number): string {
  if (milliseconds < 0.0001) return "0 s";
  if (milliseconds < 1) return `${trim(milliseconds * 1000)} µs`;
  if (milliseconds < 100) return `${trim(milliseconds)} ms`;
  return `${trim(milliseconds / 1000)} s`;
}

/** `812`, `45.3 k`, `1.09 M`, `3.2 G`. */
export function quantity(count: number): string {
  if (count < 10_000) return String(count);
  if (count < 1e6) return `${trim(count / 1e3)} k`;
  if (count < 1e9) return `${trim(count / 1e6)} M`;
  return `${trim(count / 1e9)} G`;
}

/** `one thread`, `2 threads`. */
export function counted(count: number, noun: string): string {
  const plural = noun.endsWith("s") ? `${noun}es` : `${noun}s`;
  return count === 1 ? `1 ${noun}` : `${count} ${plural}`;
}

/** Three significant digits, without trailing zeros. */
function trim(value: number): string {
  if (value >= 100) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}

/** Text of the guest without anything that a terminal would obey, and not longer than a line bears. */
export function plain(text: string): string {
  const cut = text.length > 200 ? `${text.slice(0, 199)}…` : text;
  return cut.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
}
