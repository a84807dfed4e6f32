/** What the drives of a machine hold, and where its standard handles lead. */
import type { Environment } from "../guest/environment.ts";
import { IoAddFiles, IoCreateStandardStreams, IoCreateVolume, IoMakeDirectory, IoMount } from "../io/init.ts";
import type { Volume } from "../io/volume.ts";
import type { Kernel } from "../kernel.ts";
import { NT_SUCCESS } from "../abi/status.ts";
import { assert } from "../rtl/assert.ts";
import type { MachineMount, MachineOptions, ProgramOptions } from "./options.ts";

/** Where the program lies. */
export const PROGRAM_DIRECTORY = "C:\\app\\";
const SYSTEM_DIRECTORY = "\\windows\\system32";

/** Connects the standard handles. */
export function connectStreams(k: Kernel, options: MachineOptions): void {
  let asked = false;
  IoCreateStandardStreams(k, {
    // The host may have to wait for its input, so it is asked only when the guest reads.
    input: () => {
      const bytes = asked ? null : (options.stdin ?? null);
      asked = true;
      return bytes === null || bytes.length === 0 ? null : bytes;
    },
    output: options.stdout ?? (() => {}),
    error: options.stderr ?? (() => {}),
  });
}

/** Makes drive C: with the system's files and the program, and mounts what the host gives. */
export function fillDrives(
  k: Kernel,
  environment: Environment,
  program: ProgramOptions,
  mounts: readonly MachineMount[],
): void {
  const system = IoCreateVolume(k, { letter: "C", label: "System" });
  const files = [...environment.files.keys()].map((name) => [name, () => fileOf(environment, name)] as const);
  assert(NT_SUCCESS(IoAddFiles(k, system, SYSTEM_DIRECTORY, files)), "the system's files have good names");
  assert(NT_SUCCESS(IoAddFiles(k, system, "\\app", [[program.name, program.bytes]])), "the program has a good name");
  IoMakeDirectory(k, system, "\\windows\\temp");
  const drives = new Map<string, Volume>([["C", system]]);
  for (const mount of mounts) addMount(k, drives, mount);
}

/** Read when the guest opens it: a folder of DLLs may hold hundreds that no program needs. */
function fileOf(environment: Environment, name: string): Uint8Array {
  return environment.files.get(name) ?? new Uint8Array(0);
}

function addMount(k: Kernel, drives: Map<string, Volume>, mount: MachineMount): void {
  const letter = mount.guest.charAt(0).toUpperCase();
  let volume = drives.get(letter);
  if (volume === undefined) {
    volume = IoCreateVolume(k, { letter, label: "Mount" });
    drives.set(letter, volume);
  }
  const path = mount.guest.slice(2).replace(/\//g, "\\") || "\\";
  IoMount(k, volume, path, { host: mount.host, readOnly: mount.readOnly });
}
