/**
 * The kernel debugger of `rundown run --kernel-debugger`: what is asked when something dies that the machine cannot do
 * without. It answers by itself, or asks whoever sits at the terminal; the program's own input is not touched.
 */
import { closeSync, openSync, readSync } from "node:fs";
import type { KdState } from "../../src/ke/state.ts";
import { ExitStatus } from "./exitstatus.ts";
import { CliFailure } from "./failure.ts";

/** Who answers: somebody at the terminal, always the same, or nobody although the kernel waits for a debugger. */
export const KERNEL_DEBUGGERS = ["ask", "ignore", "break", "absent"] as const;
export type KernelDebugger = (typeof KERNEL_DEBUGGERS)[number];

const TERMINAL = process.platform === "win32" ? "\\\\.\\CONIN$" : "/dev/tty";
const BREAKPOINT = "Break instruction exception - code 80000003 (first chance)\n";

/**
 * @param write where messages and questions go
 * @param readLine what somebody answers, without the end of the line; empty at the end of the input
 */
export function kernelDebugger(
  kind: KernelDebugger,
  write: (text: string) => void,
  readLine: () => string = readTerminal,
): Partial<KdState> {
  const ask = (question: string): string => {
    write(question);
    return readLine().trim();
  };
  return {
    enabled: true,
    notPresent: kind === "absent",
    print: (text) => {
      write(`KD: ${text}\n`);
    },
    prompt: (question) => {
      if (kind === "ask") return ask(`KD: ${question}`);
      write(`KD: ${question}${kind}\n`);
      return kind;
    },
    breakpoint: () => {
      write(`KD: ${BREAKPOINT}`);
      if (kind === "ask") ask("KD: the machine stands still; press Enter to let it go on: ");
    },
  };
}

/** Refuses to begin a run that would have nobody to ask. */
export function requireTerminal(): void {
  closeSync(openTerminal());
}

function openTerminal(): number {
  try {
    return openSync(TERMINAL, "r");
  } catch {
    throw new CliFailure(
      ExitStatus.OwnFailure,
      "--kernel-debugger ask needs a terminal; without one use --kernel-debugger ignore or break",
    );
  }
}

/** Reads one line from the terminal, whatever standard input is. */
function readTerminal(): string {
  const terminal = openTerminal();
  const byte = new Uint8Array(1);
  let line = "";
  while (readSync(terminal, byte) === 1 && byte[0] !== 10) line += String.fromCharCode(byte[0] ?? 0);
  closeSync(terminal);
  return line;
}
