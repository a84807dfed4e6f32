/** Whoever drives a machine can stop any guest, soon, whatever it does. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { drive } from "../../../apps/cli/drive.ts";
import { createMachine } from "../../../src/machine/machine.ts";
import { BUFFER, endless, OUT, service } from "../../support/endless.ts";
import { builtinEnvironment } from "../../support/machine.ts";
import { newCpu } from "../../support/processor.ts";

const TIMEOUT_MS = 200;
/** Far more than it takes, far less than the program would. */
const PATIENCE_MS = 10_000;
const OWN_PROCESS = 0xffffffff;
const REGION = 0x10000000;
const REGION_BYTES = 0x4000000;

async function stop(bytes: Uint8Array, processors: number): Promise<{ outcome: string; stopped: unknown; ms: number }> {
  const cpu = newCpu({ ramBytes: 128 << 20 });
  const machine = createMachine({ processor: cpu, environment: builtinEnvironment(), processors });
  expect(machine.start({ name: "endless.exe", bytes })).toEqual({ ok: true });
  const begin = performance.now();
  const { end, stopped } = await drive(machine, {
    timeoutMilliseconds: TIMEOUT_MS,
    interruption: { listen: () => undefined, ignore: () => undefined, status: null },
    clock: () => performance.now(),
    pause: () => new Promise((resolve) => setImmediate(resolve)),
    afterSlice: () => false,
  });
  return { outcome: end.outcome, stopped, ms: performance.now() - begin };
}

/** Copies 64 MiB with each call; its own memory to itself will do. */
const copier = endless((code) => {
  // A region for NtAllocateVirtualMemory, which later rounds refuse: that does not matter.
  code
    .bytes(0xc7, 0x05)
    .word(OUT)
    .word(REGION)
    .bytes(0xc7, 0x05)
    .word(OUT + 4)
    .word(REGION_BYTES);
  code.call(service("NtAllocateVirtualMemory"), OWN_PROCESS, OUT, 0, OUT + 4, 0x3000, 4);
  code.call(service("NtReadVirtualMemory"), OWN_PROCESS, REGION, REGION, REGION_BYTES, 0);
});

/** The same, but only after many calls that cost nothing, so that its driver has come to look up rarely. */
const lateCopier = endless((code) => {
  code.bytes(0xbd).word(8_000).place("light").call(service("NtTestAlert"));
  // dec ebp; jnz light
  code.bytes(0x4d, 0x0f, 0x85).distance("light");
  code
    .bytes(0xc7, 0x05)
    .word(OUT)
    .word(REGION)
    .bytes(0xc7, 0x05)
    .word(OUT + 4)
    .word(REGION_BYTES);
  code.call(service("NtAllocateVirtualMemory"), OWN_PROCESS, OUT, 0, OUT + 4, 0x3000, 4);
  code.place("heavy").call(service("NtReadVirtualMemory"), OWN_PROCESS, REGION, REGION, REGION_BYTES, 0);
  code.bytes(0xe9).distance("heavy");
});

/** Waits for ever while twenty timers go off every millisecond, for nobody. */
const ticker = endless((code) => {
  code
    .bytes(0xc7, 0x05)
    .word(BUFFER)
    .word(-10_000)
    .bytes(0xc7, 0x05)
    .word(BUFFER + 4)
    .word(-1);
  for (let timer = 0; timer < 20; timer++) {
    code.call(service("NtCreateTimer"), OUT, 0x1f0003, 0, 0);
    code.push(0).push(1).push(0).push(0).push(0).push(BUFFER).bytes(0xff, 0x35).word(OUT);
    code.trap(service("NtSetTimer"), 7);
    // The next timer goes off a little later.
    code.bytes(0x81, 0x2d).word(BUFFER).word(13);
  }
  code.call(service("NtCreateEvent"), OUT, 0x1f0003, 0, 0, 0);
  code.push(0).push(0).bytes(0xff, 0x35).word(OUT).trap(service("NtWaitForSingleObject"), 3);
});

const spinner = new Uint8Array(readFileSync("samples/native/spin-forever.exe"));

test.each([
  ["spins", spinner, 1],
  ["spins beside idle processors", spinner, 4],
  ["makes system calls that copy a lot", copier, 1],
  ["makes such calls after many short ones", lateCopier, 1],
  ["waits while timers go off for nobody", ticker, 1],
  ["waits while timers go off for nobody, on four processors", ticker, 4],
] as const)("a program that %s is stopped by a time limit", async (_what, bytes, processors) => {
  const { outcome, stopped, ms } = await stop(bytes, processors);
  expect([outcome, stopped]).toEqual(["limit", "timeout"]);
  expect(ms).toBeLessThan(PATIENCE_MS);
});
