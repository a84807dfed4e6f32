/** What the tests of set-up share: a PE image made by hand, and a package client that serves it without a network. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll } from "vitest";
import type { WindowsPackage } from "../../../apps/cli/setup-package.ts";
import { REQUIRED_IMAGES, REQUIRED_TABLES } from "../../../apps/cli/setup-package.ts";
import { findTool } from "../../../apps/cli/setup-process.ts";

const root = mkdtempSync(join(tmpdir(), "rundown-setup-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A new folder that is removed when the tests of the file are over. */
export function temporaryFolder(): string {
  return mkdtempSync(join(root, "t-"));
}

export interface ImageOptions {
  readonly sections: readonly string[];
  readonly machine?: number;
  /** Where a security directory says that a signature stands. */
  readonly signatureBytes?: number;
}

export const SECTION_TABLE = 0x178;
const PAGE = 0x1000;

/** A PE32 image with one page a section, filled with the section's number, and COFF symbols at its end. */
export function makeImage(options: ImageOptions): Uint8Array {
  const count = options.sections.length;
  const strings = new TextEncoder().encode(options.sections.map((name) => `${name}\0`).join(""));
  const symbols = PAGE * (count + 1);
  const image = new Uint8Array(symbols + 18 + 4 + strings.length);
  const view = new DataView(image.buffer);
  view.setUint16(0, 0x5a4d, true);
  view.setUint32(0x3c, 0x80, true);
  view.setUint32(0x80, 0x4550, true);
  view.setUint16(0x84, options.machine ?? 0x14c, true);
  view.setUint16(0x86, count, true);
  view.setUint32(0x8c, symbols, true);
  view.setUint32(0x90, 1, true);
  view.setUint16(0x94, 0xe0, true);
  view.setUint16(0x98, 0x10b, true);
  view.setUint32(0xb8, PAGE, true);
  view.setUint32(0xbc, PAGE, true);
  view.setUint32(0xd0, PAGE * (count + 1), true);
  view.setUint32(0xd4, PAGE, true);
  view.setUint32(0xf4, 16, true);
  view.setUint32(0x98 + 96 + 4 * 8 + 4, options.signatureBytes ?? 0, true);
  let nameOffset = 4;
  options.sections.forEach((name, index) => {
    const header = SECTION_TABLE + index * 40;
    const shown = name.length > 8 ? `/${nameOffset}` : name;
    image.set(new TextEncoder().encode(shown), header);
    [0x800, PAGE * (index + 1), PAGE, PAGE * (index + 1)].forEach((value, field) =>
      view.setUint32(header + 8 + field * 4, value, true),
    );
    image.fill(index + 1, PAGE * (index + 1), PAGE * (index + 2));
    nameOffset += name.length + 1;
  });
  image.set(strings, symbols + 18 + 4);
  return image;
}

function sha256(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** A folder in which set-up can run: its environment, its pinned package, and what the fake client was asked. */
export interface Bench {
  readonly environment: Record<string, string>;
  readonly package: WindowsPackage;
  readonly cache: string;
  calls(): readonly string[];
}

export type ClientMode = "normal" | "offline" | "hang" | "other-index" | "other-file" | "other-archive";

/** The server that the fake client complains about; it must not reach the user. */
export const SERVER = "packages.example";

/** Makes a bench whose package client behaves as `mode` says. */
export function makeBench(mode: ClientMode = "normal"): Bench {
  const folder = temporaryFolder();
  const files = [
    ...REQUIRED_IMAGES.map((name) => ({ member: `./dlls/${name}`, path: name, image: true })),
    ...REQUIRED_TABLES.map((name) => ({ member: `./nls/${name}`, path: `nls/${name}`, image: false })),
  ];
  for (const file of files) {
    const content = file.image ? makeImage({ sections: [".text", ".debug_info"] }) : Buffer.from(`table ${file.path}`);
    put(join(folder, "content", file.member), content);
  }
  execFileSync("tar", ["-c", "-f", join(folder, "package.deb"), "-C", join(folder, "content"), "."]);
  const archive = readFileSync(join(folder, "package.deb"));
  const source: WindowsPackage = {
    ...{ name: "libsample", architecture: "i386", version: "1.0~a-1", release: "first", files, identity: null },
    ...{ bytes: archive.length, sha256: sha256(archive) },
  };
  writeClient(folder, mode, source);
  const tools = join(folder, "bin");
  const cache = join(folder, "cache");
  return {
    environment: { PATH: [tools, process.env["PATH"] ?? ""].join(delimiter), RUNDOWN_CACHE_DIR: cache },
    package: source,
    cache,
    calls: () => (existsSync(join(folder, "calls")) ? readFileSync(join(folder, "calls"), "utf8").split("\n") : []),
  };
}

/** A search path with the named tools of this machine and no others. */
export function pathWithOnly(tools: readonly string[]): string {
  const folder = temporaryFolder();
  for (const tool of tools) {
    const real = findTool(tool, process.env);
    if (real !== null) symlinkSync(real, join(folder, tool));
  }
  return folder;
}

function put(path: string, content: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

function writeClient(folder: string, mode: ClientMode, source: WindowsPackage): void {
  const digest = mode === "other-index" ? "0".repeat(64) : source.sha256;
  const entry = `Package: ${source.name}\nVersion: ${source.version}\nSize: ${source.bytes}\nSHA256: ${digest}\n`;
  const known = mode === "offline" ? "exit 100" : `cat '${folder}/entry'`;
  // Only the private list of the pinned release makes this client know the package.
  const show = mode === "other-archive" ? `case "$*" in *pinned.conf*) ${known};; *) exit 100;; esac` : known;
  const complaint = `echo "E: Could not resolve '${SERVER}'" >&2; exit 100`;
  const update = { offline: complaint, hang: "exec sleep 60" }[mode as string] ?? "exit 0";
  const name = `${source.name}_${source.version}_${source.architecture}.deb`;
  const download = `cp '${folder}/package.deb' '${name}'; ${mode === "other-file" ? `echo x >> '${name}'` : ""}`;
  const record = `echo "$0 $*" >> '${folder}/calls'`;
  const scripts: Record<string, string> = {
    "apt-cache": `${record}\n${show}`,
    "apt-get": [
      record,
      'case "$*" in',
      `*indextargets*) echo "Debian|second|second|main|http://${SERVER}/debian/";;`,
      `*download*) echo "dlstatus:1:50.0:half" >&3; ${download};;`,
      `*update*) ${update};;`,
      "esac",
    ].join("\n"),
    "dpkg-deb": `${record}\ncat "$2"`,
  };
  writeFileSync(join(folder, "entry"), entry);
  mkdirSync(join(folder, "bin"));
  for (const [tool, script] of Object.entries(scripts)) {
    writeFileSync(join(folder, "bin", tool), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, "bin", tool), 0o755);
  }
}
