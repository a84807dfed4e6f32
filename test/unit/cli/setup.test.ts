/** `rundown setup`, against a package client that serves a small package from this machine. */
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { SetupOptions } from "../../../apps/cli/setup.ts";
import { setUpWindows, silentProgress } from "../../../apps/cli/setup.ts";
import { findWindowsDirectory, fullDamage, readManifest } from "../../../apps/cli/setup-directory.ts";
import { createProgress } from "../../../apps/cli/setup-progress.ts";
import { stripImage } from "../../../apps/cli/setup-strip.ts";
import type { Bench } from "./setup-fixture.ts";
import { SERVER, makeBench, makeImage, pathWithOnly } from "./setup-fixture.ts";

function setUp(bench: Bench, more: Partial<SetupOptions> = {}): ReturnType<typeof setUpWindows> {
  const { signal } = new AbortController();
  return setUpWindows({
    environment: bench.environment,
    progress: silentProgress,
    signal,
    package: bench.package,
    ...more,
  });
}

async function finished(bench: Bench, more: Partial<SetupOptions> = {}): Promise<{ dir: string; fetched: boolean }> {
  const done = await setUp(bench, more);
  if (!done.ok) throw new Error(`set-up failed: ${done.message}`);
  return done;
}

describe("setUpWindows", () => {
  it("makes a folder that its own manifest fully agrees with", async () => {
    const bench = makeBench();
    const { dir, fetched } = await finished(bench);
    const manifest = readManifest(dir);
    expect(fetched).toBe(true);
    expect(manifest?.files.map((file) => file.path).sort()).toEqual(bench.package.files.map((f) => f.path).sort());
    expect(manifest === null ? "no manifest" : fullDamage(dir, manifest, bench.package)).toBeNull();
  });

  it("writes images without their debugging data and tables unchanged", async () => {
    const { dir } = await finished(makeBench());
    const image = makeImage({ sections: [".text", ".debug_info"] });
    expect(new Uint8Array(readFileSync(join(dir, "ntdll.dll")))).toEqual(stripImage(image));
    expect(readFileSync(join(dir, "nls/locale.nls"), "utf8")).toBe("table nls/locale.nls");
  });

  it("leaves nothing but the finished folder in the cache", async () => {
    const bench = makeBench();
    await finished(bench);
    expect(readdirSync(bench.cache)).toEqual(["windows-1.0~a-1"]);
  });

  it("asks the package client nothing when a sound folder is there", async () => {
    const bench = makeBench();
    await finished(bench);
    const before = bench.calls().length;
    const again = await finished(bench);
    expect(again.fetched).toBe(false);
    expect(bench.calls().length).toBe(before);
  });

  it("fetches again when it is forced to", async () => {
    const bench = makeBench();
    await finished(bench);
    const again = await finished(bench, { force: true });
    expect(again.fetched).toBe(true);
    expect(bench.calls().filter((call) => call.includes(" download ")).length).toBe(2);
  });

  it("replaces a folder with a missing file", async () => {
    const bench = makeBench();
    const { dir } = await finished(bench);
    rmSync(join(dir, "ntdll.dll"));
    expect((await finished(bench)).fetched).toBe(true);
    expect(readdirSync(dir)).toContain("ntdll.dll");
  });

  it("removes what a set-up left whose process is gone, and spares a living one's", async () => {
    const bench = makeBench();
    mkdirSync(join(bench.cache, ".setup-999999999-abc"), { recursive: true });
    mkdirSync(join(bench.cache, `.setup-${process.ppid}-abc`));
    await finished(bench);
    expect(readdirSync(bench.cache).sort()).toEqual([`.setup-${process.ppid}-abc`, "windows-1.0~a-1"]);
  });

  it("gives every call of the package client a private state", async () => {
    const bench = makeBench();
    await finished(bench);
    const calls = bench.calls().filter((call) => call.includes("/apt-"));
    expect(calls.length).toBeGreaterThan(2);
    for (const call of calls) expect(call).toMatch(/ -c \S*\/cache\/\.setup-[^/]*\/apt\/[a-z]*\.conf /);
  });

  it("turns to the release that holds the package when the configured one does not", async () => {
    const bench = makeBench("other-archive");
    await finished(bench);
    expect(bench.calls().some((call) => call.includes("pinned.conf") && call.includes(" download "))).toBe(true);
  });
});

describe("setUpWindows, when it cannot", () => {
  it("tells an offline machine so without naming the server", async () => {
    const bench = makeBench("offline");
    const result = await setUp(bench);
    expect(result).toMatchObject({ ok: false, reason: "offline" });
    expect(JSON.stringify(result)).toContain("--windows-dir");
    expect(JSON.stringify(result)).not.toContain(SERVER);
    expect(readdirSync(bench.cache)).toEqual([]);
  });

  it("refuses an index that describes other content before it downloads", async () => {
    const bench = makeBench("other-index");
    expect(await setUp(bench)).toMatchObject({ ok: false, reason: "wrong-content" });
    expect(bench.calls().some((call) => call.includes(" download "))).toBe(false);
  });

  it("refuses a downloaded file with other content and leaves nothing", async () => {
    const bench = makeBench("other-file");
    expect(await setUp(bench)).toMatchObject({ ok: false, reason: "wrong-content" });
    expect(readdirSync(bench.cache)).toEqual([]);
  });

  it("refuses unpacked files that are not those of the pinned digest", async () => {
    const bench = makeBench();
    const other = { ...bench.package, identity: "0".repeat(64) };
    expect(await setUp(bench, { package: other })).toMatchObject({ ok: false, reason: "wrong-content" });
    expect(readdirSync(bench.cache)).toEqual([]);
  });

  it("refuses a package that lacks a listed file", async () => {
    const bench = makeBench();
    const files = [...bench.package.files, { member: "./absent.dll", path: "absent.dll", image: true }];
    const result = await setUp(bench, { package: { ...bench.package, files } });
    expect(result).toMatchObject({ ok: false, reason: "unpack" });
  });

  it("keeps a sound folder when a forced set-up fails", async () => {
    const bench = makeBench();
    const { dir } = await finished(bench);
    const PATH = makeBench("offline").environment["PATH"];
    const result = await setUp(bench, { force: true, environment: { ...bench.environment, PATH } });
    expect(result.ok).toBe(false);
    expect(findWindowsDirectory({ environment: bench.environment, package: bench.package })).toMatchObject({ dir });
  });

  it("ends the package client when it is interrupted, and leaves nothing", async () => {
    const bench = makeBench("hang");
    const controller = new AbortController();
    const running = setUp(bench, { signal: controller.signal });
    while (bench.calls().length === 0) await delay(5);
    controller.abort();
    expect(await running).toMatchObject({ ok: false, reason: "interrupted" });
    expect(readdirSync(bench.cache)).toEqual([]);
  });

  it("starts nothing when the interrupt came first", async () => {
    const bench = makeBench();
    expect(await setUp(bench, { signal: AbortSignal.abort() })).toMatchObject({ ok: false, reason: "interrupted" });
    expect(bench.calls()).toEqual([]);
  });

  it("tells a machine without a package client how to bring a copy", async () => {
    const bench = makeBench();
    const environment = { ...bench.environment, PATH: pathWithOnly(["tar"]) };
    const result = await setUp(bench, { environment });
    expect(result).toMatchObject({ ok: false, reason: "no-package-client" });
    expect(JSON.stringify(result)).toContain("RUNDOWN_WINDOWS_DIR");
  });

  it("names a cache folder that cannot be made", async () => {
    const bench = makeBench();
    writeFileSync(bench.cache, "a file where the folder should be");
    expect(await setUp(bench)).toMatchObject({ ok: false, reason: "cache-folder" });
  });
});

describe("createProgress", () => {
  const drawn = (stream: { isTTY?: boolean; columns?: number }, environment: Record<string, string>): string => {
    let text = "";
    const progress = createProgress({ ...stream, write: (part: string) => (text += part) }, environment);
    progress.step("Downloading");
    progress.fraction(0.5);
    progress.end("Done.");
    return text;
  };

  it("writes a plain line a stage when it is not a terminal", () => {
    expect(drawn({}, {})).toBe("Downloading\nDone.\n");
  });

  it("writes plain lines in a CI log that pretends to be a terminal", () => {
    expect(drawn({ isTTY: true }, { CI: "true" })).toBe("Downloading\nDone.\n");
  });

  it("redraws one line on a terminal and clears it at the end", () => {
    expect(drawn({ isTTY: true }, {})).toMatch(/50 %\r\u001b\[KDone\.\n$/);
  });

  it("draws without colour under NO_COLOR", () => {
    expect(drawn({ isTTY: true }, {})).toContain("\u001b[36m");
    expect(drawn({ isTTY: true }, { NO_COLOR: "1" })).not.toContain("\u001b[36m");
  });

  it("never draws wider than the terminal, where a line could not be redrawn", () => {
    for (const columns of [40, 60, 80]) {
      for (const line of drawn({ isTTY: true, columns }, { NO_COLOR: "1" }).split(/\r\u001b\[K/)) {
        expect(line.trimEnd().length).toBeLessThan(columns);
      }
    }
  });
});
