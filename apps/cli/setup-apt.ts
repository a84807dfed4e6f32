/**
 * The machine's own package client, used as an ordinary user and without a trace in the machine's package state.
 *
 * It reads the configured sources and keys, but its lists, its cache and its idea of what is installed live in a private
 * folder, its architecture is the package's, and the machine's hooks do not run. Its messages name servers, so none of
 * its output is ever shown: a failure is classified here and told in our words.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Problem } from "./setup-directory.ts";
import { NATIVE_ADVICE, OWN_COPY_ADVICE } from "./setup-directory.ts";
import type { WindowsPackage } from "./setup-package.ts";
import type { Environment, ToolResult } from "./setup-process.ts";
import { runTool } from "./setup-process.ts";
import type { Progress } from "./setup-progress.ts";

export interface AptClient {
  /** The private folder. */
  readonly directory: string;
  readonly environment: Environment;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
/** Hooks of the machine that would act on its own package state. */
const HOOKS = ["APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success"];

/** Makes the private folder. `signal` and `environment` apply to every call of the client. */
export function prepareApt(client: AptClient, source: WindowsPackage): void {
  for (const folder of ["state/lists/partial", "cache/archives/partial", "empty", "download"]) {
    mkdirSync(join(client.directory, folder), { recursive: true });
  }
  writeFileSync(join(client.directory, "status"), "");
  writeConfiguration(client, source, "apt.conf", []);
}

function writeConfiguration(client: AptClient, source: WindowsPackage, name: string, more: readonly string[]): void {
  const at = (path: string): string => JSON.stringify(join(client.directory, path));
  const lines = [
    ...HOOKS.map((hook) => `#clear ${hook};`),
    "#clear APT::Architectures;",
    `APT::Architecture "${source.architecture}";`,
    `APT::Architectures { "${source.architecture}"; };`,
    `Dir::State ${at("state/")};`,
    `Dir::State::status ${at("status")};`,
    `Dir::Cache ${at("cache/")};`,
    'Acquire::Languages "none";',
    'Acquire::Retries "3";',
    'Acquire::http::Timeout "30";',
    'Acquire::https::Timeout "30";',
    ...more,
  ];
  writeFileSync(join(client.directory, name), lines.map((line) => `${line}\n`).join(""));
}

/** What the signed index says of the package. */
export interface IndexEntry {
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Reads the package index, first from the sources as they are configured; where these belong to another release, then
 * from the same archive's release that holds the pinned version. Answers with the configuration file that found it.
 */
export async function locatePackage(
  client: AptClient,
  source: WindowsPackage,
): Promise<{ readonly ok: true; readonly configuration: string; readonly entry: IndexEntry } | Problem> {
  const update = await apt(client, "apt.conf", ["update"]);
  const entry = await showPackage(client, "apt.conf", source);
  if (entry !== null) return { ok: true, configuration: "apt.conf", entry };
  if (await addPinnedRelease(client, source)) {
    const second = await apt(client, "pinned.conf", ["update"]);
    const pinned = await showPackage(client, "pinned.conf", source);
    if (pinned !== null) return { ok: true, configuration: "pinned.conf", entry: pinned };
    if (second.code !== 0) return failureOf(second, source);
  }
  return failureOf(update, source);
}

/** The index entry of exactly the pinned version. A partly failed update does no harm when it is there. */
async function showPackage(
  client: AptClient,
  configuration: string,
  source: WindowsPackage,
): Promise<IndexEntry | null> {
  const wanted = `${source.name}:${source.architecture}=${source.version}`;
  const shown = await tool(client, "apt-cache", configuration, ["show", wanted]);
  const fields = shown.stdout.split("\n\n")[0] ?? "";
  const version = /^Version: (.*)$/m.exec(fields)?.[1];
  const bytes = /^Size: ([0-9]+)$/m.exec(fields)?.[1];
  const sha256 = /^SHA256: ([0-9a-f]{64})$/m.exec(fields)?.[1];
  if (version !== source.version || bytes === undefined || sha256 === undefined) return null;
  return { bytes: Number(bytes), sha256 };
}

/** Writes a private source list: the archives that the machine uses, with the release that the pin needs. */
async function addPinnedRelease(client: AptClient, source: WindowsPackage): Promise<boolean> {
  const format = "$(ORIGIN)|$(RELEASE)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)";
  const targets = await apt(client, "apt.conf", ["indextargets", "--format", format, "Created-By: Packages"]);
  const archives = new Set<string>();
  for (const line of targets.stdout.split("\n")) {
    const [origin, release, codename, component, uri] = line.split("|");
    // The archive's main release is the one whose name is not a section of another, such as its security updates.
    if (origin !== "Debian" || component !== "main" || uri === undefined) continue;
    if (release === codename && !/[-/]/.test(codename ?? "")) archives.add(uri);
    if (["stable", "oldstable", "testing", "unstable"].includes(release ?? "")) archives.add(uri);
  }
  if (archives.size === 0) return false;
  const options = existsSync(KEYRING) ? `[signed-by=${KEYRING}] ` : "";
  const list = [...archives].map((uri) => `deb ${options}${uri} ${source.release} main\n`).join("");
  writeFileSync(join(client.directory, "pinned.list"), list);
  writeConfiguration(client, source, "pinned.conf", [
    `Dir::Etc::sourcelist ${JSON.stringify(join(client.directory, "pinned.list"))};`,
    `Dir::Etc::sourceparts ${JSON.stringify(join(client.directory, "empty/"))};`,
  ]);
  return true;
}

/** Downloads the package and answers with the path of the file, whose content is not yet checked. */
export async function downloadPackage(
  client: AptClient,
  configuration: string,
  source: WindowsPackage,
): Promise<{ readonly ok: true; readonly path: string } | Problem> {
  const wanted = `${source.name}:${source.architecture}=${source.version}`;
  const folder = join(client.directory, "download");
  const result = await runTool({
    tool: "apt-get",
    arguments: ["-c", join(client.directory, configuration), "-o", "APT::Status-Fd=3", "-q", "download", wanted],
    directory: folder,
    environment: client.environment,
    signal: client.signal,
    onStatus: (line) => {
      const percent = /^dlstatus:[^:]*:([0-9.]+):/.exec(line)?.[1];
      if (percent !== undefined) client.progress.fraction(Number(percent) / 100);
    },
  });
  // The client writes a colon of the version as %3a; this package has none, and its tilde stays.
  const path = join(folder, `${source.name}_${source.version}_${source.architecture}.deb`);
  if (result.code !== 0 || !existsSync(path)) return failureOf(result, source);
  return { ok: true, path };
}

function apt(client: AptClient, configuration: string, more: readonly string[]): Promise<ToolResult> {
  return tool(client, "apt-get", configuration, ["-q", ...more]);
}

function tool(client: AptClient, name: string, configuration: string, more: readonly string[]): Promise<ToolResult> {
  return runTool({
    tool: name,
    arguments: ["-c", join(client.directory, configuration), ...more],
    directory: client.directory,
    environment: client.environment,
    signal: client.signal,
  });
}

const OFFLINE =
  /Could not resolve|Temporary failure|Could not connect|Cannot initiate the connection|Connection (failed|refused|timed out|reset)|Network is unreachable|No route to host|Unable to connect/i;

/** Tells a failed call of the client in our words. */
function failureOf(result: ToolResult, source: WindowsPackage): Problem {
  const text = result.stderr + result.stdout;
  const problem = (reason: string, message: string, first: string): Problem => ({
    ok: false,
    reason,
    message,
    advice: [first, ...OWN_COPY_ADVICE, NATIVE_ADVICE],
  });
  if (/No space left on device/i.test(text)) {
    return problem(
      "disk",
      "The disk is full.",
      "Free about 200 MB, or set RUNDOWN_CACHE_DIR to a folder on another disk.",
    );
  }
  if (OFFLINE.test(text)) {
    return problem(
      "offline",
      "The package server cannot be reached: this machine seems to be offline.",
      "Run `rundown setup` again when it is online; what is already there is kept.",
    );
  }
  if (/NO_PUBKEY|is not signed|EXPKEYSIG|BADSIG|signature/i.test(text)) {
    return problem(
      "signature",
      "The package index could not be verified with this machine's keys.",
      "Install the package debian-archive-keyring, then run `rundown setup` again.",
    );
  }
  if (/Hash Sum mismatch|unexpected size/i.test(text)) {
    return problem("mirror", "The package server is being updated.", "Run `rundown setup` again in some minutes.");
  }
  return problem(
    "not-found",
    `The configured package sources do not offer ${source.name} ${source.version} for ${source.architecture}.`,
    `It is part of Debian 12 (${source.release}): run \`rundown setup\` there, or in a container of it.`,
  );
}
