/** The two rules that keep a Blocking from being lost, proven on the tree's own `Blocking`. */
import { describe, expect, test } from "vitest";

import { rulesBrokenBy } from "./lint.ts";

const DELEGATE = "rundown/delegate-blocking";
const PRELUDE = `
import type { Blocking } from "../sim/blocking.ts";
declare function read(): Blocking<number>;
declare function leave(): Blocking<never>;
declare function start(body: Blocking<number>): void;
declare function plain(): number;
declare function perhaps(): Blocking<number> | number;
declare const slot: { continuation: Blocking<number> | null; hook?: () => Blocking<number> };
`;

const broken = (path: string, body: string): Promise<string[]> =>
  rulesBrokenBy(path, PRELUDE + body + "\nexport { read, perhaps, leave, start, plain, slot };\n");
const inKernel = (body: string): Promise<string[]> => broken("src/ps/probe.ts", body);
const inDispatcher = (body: string): Promise<string[]> => broken("src/ke/probe.ts", body);

describe("delegate-blocking", () => {
  test("a blocking call that is delegated to is in order", async () => {
    expect(await inKernel("export function* f(): Blocking<number> { return (yield* read()) + plain(); }")).toEqual([]);
  });

  test("a blocking call that stands alone is reported", async () => {
    expect(await inKernel("export function* f(): Blocking<number> { read(); return yield* read(); }")).toEqual([
      DELEGATE,
    ]);
  });

  test("a blocking call that is kept for later is reported", async () => {
    const body = "export function* f(): Blocking<number> { const later = read(); return yield* later; }";
    expect(await inKernel(body)).toEqual([DELEGATE]);
  });

  test("a blocking call that is thrown away with void is reported", async () => {
    expect(await inKernel("export function f(): void { void read(); }")).toEqual([DELEGATE]);
  });

  test("a blocking call that is spread into an array is reported", async () => {
    expect(await inKernel("export function f(): number { return [...read()].length; }")).toEqual([DELEGATE]);
  });

  test("a blocking call behind an optional chain is reported", async () => {
    expect(await inKernel("export function f(): void { slot.hook?.(); }")).toEqual([DELEGATE]);
  });

  test("a blocking call in a condition is reported, because a generator is always true", async () => {
    expect(await inKernel("export function f(): number { return read() ? 1 : 2; }")).toContain(DELEGATE);
  });

  test("both branches of a delegated conditional are in order", async () => {
    const body = "export function* f(n: number): Blocking<number> { return yield* n > 1 ? read() : read(); }";
    expect(await inKernel(body)).toEqual([]);
  });

  test("a blocking call that is yielded without a star is reported in the dispatcher too", async () => {
    const body = "export function* f(): Generator<unknown, void, void> { yield read(); }";
    expect(await inDispatcher(body)).toEqual([DELEGATE]);
  });

  test("a plain function that declares it may pass a Blocking on", async () => {
    expect(await inKernel("export function f(): Blocking<number> { return read(); }")).toEqual([]);
  });

  test("a plain function that does not declare it may not pass a Blocking on", async () => {
    expect(
      await inKernel("function f() { return read(); }\nexport function* g(): Blocking<number> { return yield* f(); }"),
    ).toEqual([DELEGATE]);
  });

  test("an arrow function may pass a Blocking on where its place expects one", async () => {
    expect(await inKernel("export const hooks: { run: () => Blocking<number> } = { run: () => read() };")).toEqual([]);
  });

  test("an arrow function may not pass a Blocking on where its place expects nothing", async () => {
    expect(await inKernel("export const f: () => void = () => read();")).toEqual([DELEGATE]);
  });

  test("a generator that returns a Blocking without running it is reported", async () => {
    const body =
      "export function* f(): Generator<never, Blocking<number>, void> { if (plain() > 1) yield* []; return read(); }";
    expect(await inKernel(body)).toEqual([DELEGATE]);
  });

  test("a generator that yields something other than suspensions is left alone", async () => {
    const body =
      "declare function entries(): Generator<number, void, void>;\nexport const all: Iterable<number> = entries();";
    expect(await inKernel(body)).toEqual([]);
  });

  test("what only may block is looked at, then delegated to", async () => {
    const body = 'const n = perhaps(); return typeof n === "number" ? n : yield* n;';
    expect(await inKernel(`export function* f(): Blocking<number> { ${body} }`)).toEqual([]);
  });

  test("what only may block is looked at, then given to what runs it", async () => {
    const body = 'const n = perhaps(); if (typeof n !== "number") start(n);';
    expect(await inKernel(`export function f(): void { ${body} }`)).toEqual([]);
  });

  test("what only may block and is looked at but never run is reported", async () => {
    const body = 'const n = perhaps(); return typeof n === "number" ? n : 0;';
    expect(await inKernel(`export function f(): number { ${body} }`)).toEqual([DELEGATE]);
  });

  test("what only may block and stands alone is reported", async () => {
    expect(await inKernel("export function f(): void { perhaps(); }")).toEqual([DELEGATE]);
  });

  test("a hook that may be missing is kept, then delegated to", async () => {
    const body = "const pending = slot.hook?.(); return pending === undefined ? 0 : yield* pending;";
    expect(await inKernel(`export function* f(): Blocking<number> { ${body} }`)).toEqual([]);
  });

  test("a thread's start may be handed over as an argument in the dispatcher", async () => {
    expect(await inDispatcher("export function f(): void { start(read()); }")).toEqual([]);
  });

  test("a thread's start may be handed over to a field in the dispatcher", async () => {
    expect(await inDispatcher("export function f(): void { slot.continuation = read(); }")).toEqual([]);
  });

  test("a thread's start may not be handed over outside the dispatcher", async () => {
    expect(await inKernel("export function f(): void { start(read()); }")).toEqual([DELEGATE]);
  });

  test("the boot of a machine may run a routine, for there is no dispatcher yet", async () => {
    expect(await broken("src/machine/kernel.ts", "export function f(): void { start(read()); }")).toEqual([]);
  });

  test("what is to run later is handed over as a function", async () => {
    const later = "function* later(run: () => Blocking<number>): Blocking<number> { return yield* run(); }\n";
    expect(await inKernel(later + "export const f = (): Blocking<number> => later(() => read());")).toEqual([]);
  });

  test("what does not expect a Blocking is handed none in the dispatcher either", async () => {
    expect(await inDispatcher("export function f(): unknown[] { return Array.from(read()); }")).toEqual([DELEGATE]);
  });
});

describe("return-never", () => {
  test("what never returns and is returned is in order", async () => {
    expect(await inKernel("export function* f(): Blocking<never> { return yield* leave(); }")).toEqual([]);
  });

  test("what never returns and stands alone is reported", async () => {
    expect(await inKernel("export function* f(): Blocking<void> { yield* leave(); }")).toEqual([
      "rundown/return-never",
    ]);
  });

  test("what never returns and is assigned is reported", async () => {
    const body = "export function* f(): Blocking<number> { const n: number = yield* leave(); return n; }";
    expect(await inKernel(body)).toEqual(["rundown/return-never"]);
  });

  test("what does return need not be returned", async () => {
    expect(await inKernel("export function* f(): Blocking<void> { yield* read(); }")).toEqual([]);
  });
});

describe("no-bare-yield", () => {
  const SUSPENDS = 'export function* f(): Blocking<void> { yield "wait"; }';

  test("a process routine that suspends by itself is reported", async () => {
    expect(await inKernel(SUSPENDS)).toEqual(["rundown/no-bare-yield"]);
  });

  test("the system call of a scripted program is a bare yield", async () => {
    const code =
      'import type { Script, ScriptRequest } from "./context.ts";\n' +
      "export function* f(request: ScriptRequest): Script<unknown> { return yield request; }";
    expect(await rulesBrokenBy("src/guest/script/probe.ts", code)).toEqual([]);
  });

  test.each(["sim", "ke", "scenario"])("a bare yield is in order in src/%s", async (layer) => {
    expect(await broken(`src/${layer}/probe.ts`, SUSPENDS)).toEqual([]);
  });
});
