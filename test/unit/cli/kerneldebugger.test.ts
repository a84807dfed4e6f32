/** `--kernel-debugger`: who answers, and what is said. */
import { expect, test } from "vitest";
import { KERNEL_DEBUGGERS, kernelDebugger } from "../../../apps/cli/kerneldebugger.ts";
import { parsePlainRun } from "../../../apps/cli/runoptions.ts";

const QUESTION = "Break, or Ignore (bi)? ";

function said(kind: (typeof KERNEL_DEBUGGERS)[number], lines: string[] = []) {
  let text = "";
  const kd = kernelDebugger(
    kind,
    (piece) => {
      text += piece;
    },
    () => lines.shift() ?? "",
  );
  return { kd, text: () => text };
}

test("the option names who answers", () => {
  for (const kind of KERNEL_DEBUGGERS) {
    expect(parsePlainRun([`--kernel-debugger=${kind}`, "app.exe"])?.kernelDebugger).toBe(kind);
  }
  expect(parsePlainRun(["app.exe"])?.kernelDebugger).toBe(null);
  expect(parsePlainRun(["--kernel-debugger", "nobody", "app.exe"])).toBe(null);
});

test.each(["ignore", "break"] as const)("%s answers by itself, and shows what it was asked", (kind) => {
  const { kd, text } = said(kind);
  expect([kd.enabled, kd.notPresent]).toEqual([true, false]);
  expect(kd.prompt?.(QUESTION)).toBe(kind);
  kd.breakpoint?.();
  expect(text()).toBe(`KD: ${QUESTION}${kind}\nKD: Break instruction exception - code 80000003 (first chance)\n`);
});

test("ask takes the answer from the terminal, and stands still at a breakpoint", () => {
  const { kd, text } = said("ask", ["  b  ", ""]);
  kd.print?.("Critical process 0x1 (app.exe) exited");
  expect(kd.prompt?.(QUESTION)).toBe("b");
  kd.breakpoint?.();
  expect(text()).toMatch(
    /^KD: Critical process 0x1 \(app\.exe\) exited\nKD: Break, or Ignore \(bi\)\? KD: Break instruction/,
  );
  expect(text()).toMatch(/press Enter to let it go on: $/);
});

test("absent is waited for and never there", () => {
  expect(said("absent").kd).toMatchObject({ enabled: true, notPresent: true });
});
