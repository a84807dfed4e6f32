/**
 * The entry points of the system services in the built-in ntdll: `mov eax,N; int 2Eh; ret 4n`. At the trap the first
 * argument lies at ESP + 4.
 */
import { assert } from "../../rtl/assert.ts";
import type { NtdllCode } from "./code.ts";

/** A system service; its number is its place in the table. */
export interface ServiceDescription {
  /** `Nt…` */
  readonly name: string;
  readonly argumentBytes: number;
}

const SYSTEM_CALL_VECTOR = 0x2e;
const MAXIMUM_SERVICES = 0x1000;

/** The services that the routines of this image call, with the bytes of arguments that they push. */
export const REQUIRED_SERVICES: readonly ServiceDescription[] = [
  { name: "NtAllocateVirtualMemory", argumentBytes: 24 },
  { name: "NtClose", argumentBytes: 4 },
  { name: "NtContinue", argumentBytes: 8 },
  { name: "NtCreateEvent", argumentBytes: 20 },
  { name: "NtCreateThreadEx", argumentBytes: 44 },
  { name: "NtFreeVirtualMemory", argumentBytes: 16 },
  { name: "NtQueryInformationThread", argumentBytes: 20 },
  { name: "NtRaiseException", argumentBytes: 12 },
  { name: "NtSetEvent", argumentBytes: 8 },
  { name: "NtTerminateProcess", argumentBytes: 8 },
  { name: "NtTerminateThread", argumentBytes: 8 },
  { name: "NtWaitForSingleObject", argumentBytes: 12 },
];

const THUNK_BYTES = 16;
const BREAKPOINT = 0xcc;

/** Written byte by byte, not instruction by instruction: a process pays for this each time it starts, before any of it is compiled. */
export function emitServices(code: NtdllCode, services: readonly ServiceDescription[]): void {
  assert(services.length <= MAXIMUM_SERVICES, "the table of services is addressed with twelve bits");
  const thunks = new Uint8Array(THUNK_BYTES * services.length).fill(BREAKPOINT);
  const numbers = new Map<string, number>();
  for (const [number, { name, argumentBytes }] of services.entries()) {
    assert(name.startsWith("Nt"), "a system service is named Nt…");
    assert(argumentBytes >= 0 && argumentBytes % 4 === 0, "arguments are dwords");
    const at = THUNK_BYTES * number;
    const thunk = [
      0xb8,
      number,
      number >>> 8,
      0,
      0,
      0xcd,
      SYSTEM_CALL_VECTOR,
      0xc2,
      argumentBytes,
      argumentBytes >>> 8,
    ];
    thunks.set(thunk, at);
    numbers.set(name, number);
    code.exportAt(name, code.length + at);
    code.exportAt(`Zw${name.slice(2)}`, code.length + at);
  }
  for (const { name, argumentBytes } of REQUIRED_SERVICES) {
    const number = numbers.get(name);
    assert(number !== undefined, `the table of services holds ${name}`);
    assert(services[number]?.argumentBytes === argumentBytes, `${name} takes the arguments that the routines push`);
    code.bindAt(code.entry(name), code.length + THUNK_BYTES * number);
  }
  code.append(thunks);
}
