/**
 * Runs the machine's own tools (the package client, the unpacker) for `rundown setup`.
 *
 * A tool's failure is an ordinary answer and never throws. Once the given signal is aborted every running tool is ended
 * and no new one starts, so that an interrupted set-up leaves no process behind.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { pipeline } from "node:stream/promises";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ToolRun {
  readonly tool: string;
  readonly arguments: readonly string[];
  readonly directory: string;
  readonly environment: Environment;
  readonly signal: AbortSignal;
  /** Receives each line that the tool writes to descriptor 3. */
  readonly onStatus?: (line: string) => void;
}

export interface ToolResult {
  /** The exit code; null when the tool could not be started or a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The full path of `tool` on the search path of `environment`, or null. */
export function findTool(tool: string, environment: Environment): string | null {
  for (const directory of (environment["PATH"] ?? "").split(delimiter)) {
    if (directory === "") continue;
    const path = join(directory, tool);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      continue;
    }
  }
  return null;
}

/** Runs one tool to its end. */
export async function runTool(run: ToolRun): Promise<ToolResult> {
  if (run.signal.aborted) return { code: null, stdout: "", stderr: "" };
  const child = spawn(run.tool, [...run.arguments], {
    cwd: run.directory,
    env: { ...run.environment, LC_ALL: "C" },
    stdio: ["ignore", "pipe", "pipe", run.onStatus === undefined ? "ignore" : "pipe"],
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  if (run.onStatus !== undefined) eachLine(child.stdio[3], run.onStatus);
  const code = await ended(child, run.signal);
  return { code, stdout: stdout(), stderr: stderr() };
}

/** Runs `from | to` to the end of both and answers with the first failure, else with the second tool's result. */
export async function pipeTools(from: ToolRun, to: ToolRun): Promise<ToolResult> {
  if (from.signal.aborted) return { code: null, stdout: "", stderr: "" };
  const start = (run: ToolRun, input: "ignore" | "pipe"): ChildProcess =>
    spawn(run.tool, [...run.arguments], {
      cwd: run.directory,
      env: { ...run.environment, LC_ALL: "C" },
      stdio: [input, "pipe", "pipe"],
    });
  const source = start(from, "ignore");
  const sink = start(to, "pipe");
  const sourceErrors = collect(source.stderr);
  const sinkErrors = collect(sink.stderr);
  const sinkOutput = collect(sink.stdout);
  const ends = Promise.all([ended(source, from.signal), ended(sink, to.signal)]);
  if (source.stdout !== null && sink.stdin !== null) {
    // A broken pipe shows in the exit codes, which are judged below.
    await pipeline(source.stdout, sink.stdin).catch(() => undefined);
  }
  const [sourceCode, sinkCode] = await ends;
  if (sourceCode !== 0) return { code: sourceCode, stdout: "", stderr: sourceErrors() };
  return { code: sinkCode, stdout: sinkOutput(), stderr: sinkErrors() };
}

/** Resolves with the exit code when `child` has ended and its pipes are closed; an abort ends it. */
function ended(child: ChildProcess, signal: AbortSignal): Promise<number | null> {
  return new Promise((resolve) => {
    const kill = (): void => void child.kill("SIGTERM");
    signal.addEventListener("abort", kill, { once: true });
    const finish = (code: number | null): void => {
      signal.removeEventListener("abort", kill);
      resolve(code);
    };
    child.once("error", () => finish(null));
    child.once("close", (code) => finish(code));
  });
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = [];
  stream?.on("data", (chunk: Buffer) => void chunks.push(chunk));
  return () => Buffer.concat(chunks).toString("utf8");
}

function eachLine(stream: unknown, receive: (line: string) => void): void {
  let rest = "";
  (stream as NodeJS.ReadableStream).on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString("utf8")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) receive(line);
  });
}
