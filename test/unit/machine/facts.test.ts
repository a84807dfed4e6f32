/** Facts about system services that only a program with real pointers can show. */
import { expect, test } from "vitest";
import { Teb } from "../../../src/abi/teb.ts";
import {
  STATUS_ACCESS_VIOLATION,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_HANDLE,
  STATUS_MUTANT_NOT_OWNED,
  STATUS_SUCCESS,
} from "../../../src/abi/status.ts";
import { nt } from "../../../src/guest/script/services.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { BUFFER, endless, OUT, service } from "../../support/endless.ts";
import { runHostile } from "../../support/hostile.ts";
import { runSample } from "../../support/machine.ts";
import { must, play, threadById } from "../../support/scene.ts";

const UNMAPPED = 0x30000000;
const NO_HANDLE = 0x7ff0;
const CURRENT_PROCESS = 0xffffffff;

/** The status that the first failure of a service gives, and how many threads there ever were. */
function failureOf(name: string, ...args: readonly number[]): { readonly status: number; readonly threads: number } {
  let threads = 0;
  const record = ({ kind }: { readonly kind: string }): void => {
    if (kind === "thread-created") threads++;
  };
  const program = endless((code) => code.call(service(name), ...args));
  const { end } = runHostile(program, { limits: { instructions: 1_000_000 }, record });
  expect(end?.outcome).toMatch(/exited|crashed/);
  return { status: end?.exitStatus ?? 0, threads };
}

test("T-WAI1: a wait for several objects whose handles cannot be read answers ACCESS_VIOLATION", () => {
  expect(failureOf("NtWaitForMultipleObjects", 2, UNMAPPED, 1, 0, 0).status).toBe(STATUS_ACCESS_VIOLATION);
});

test("T-NT1: no thread is created if the place for its handle, or its attributes, cannot be reached", () => {
  const creation = (out: number, attributes: number): readonly number[] => [
    out,
    0x1fffff,
    0,
    CURRENT_PROCESS,
    BUFFER,
    0,
    1,
    0,
    0,
    0,
    attributes,
  ];
  const refused = { status: STATUS_ACCESS_VIOLATION, threads: 1 };
  expect(failureOf("NtCreateThreadEx", ...creation(UNMAPPED, 0))).toEqual(refused);
  expect(failureOf("NtCreateThreadEx", ...creation(OUT, UNMAPPED))).toEqual(refused);
});

const QUERIES = [
  ["NtQueryInformationThread", 28],
  ["NtQueryInformationProcess", 24],
] as const;

test.each(QUERIES)("T-NT2: %s looks at the length, then at the pointer, then at the handle", (name, bytes) => {
  expect(failureOf(name, NO_HANDLE, 0, UNMAPPED, bytes + 1, 0).status).toBe(STATUS_INFO_LENGTH_MISMATCH);
  expect(failureOf(name, NO_HANDLE, 0, UNMAPPED, bytes, 0).status).toBe(STATUS_ACCESS_VIOLATION);
  expect(failureOf(name, NO_HANDLE, 0, BUFFER, bytes, 0).status).toBe(STATUS_INVALID_HANDLE);
});

test("T-WN3: threads that exist together have environment blocks of their own", () => {
  let kernel: Kernel | null = null;
  const blocks: number[] = [];
  const { end } = runSample("samples/native/fork-threads.exe", {
    limits: { threads: 12 },
    observe: (k) => (kernel = k),
    record: (event) => {
      if (event.kind !== "thread-created" || kernel === null) return;
      const { teb } = threadById(kernel, event.tid);
      if (teb !== 0) blocks.push(teb);
    },
  });
  expect(end.outcome).toBe("exited");
  expect(blocks.length).toBeGreaterThan(8);
  expect(new Set(blocks).size).toBe(blocks.length);
  expect(blocks.every((teb) => (teb & 0xfff) === 0 && teb > Teb.Self)).toBe(true);
});

test("T-NT4: releasing a mutant answers the count before the release", () => {
  play(function* () {
    const mutant = must(yield* nt.NtCreateMutant(true));
    expect(yield* nt.NtWaitForSingleObject(mutant)).toBe(STATUS_SUCCESS);
    expect(must(yield* nt.NtReleaseMutant(mutant))).toBe(-1);
    expect(must(yield* nt.NtReleaseMutant(mutant))).toBe(0);
    expect(yield* nt.NtReleaseMutant(mutant)).toEqual({ ok: false, status: STATUS_MUTANT_NOT_OWNED });
  });
});
