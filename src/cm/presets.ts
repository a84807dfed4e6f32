/**
 * The keys and values that programs expect to find in a fresh registry. They are made when a path first leads into the
 * registry, never at boot, and are the same in every machine.
 */
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import { sidToString, WellKnownSid } from "../se/sid.ts";
import { utf16Bytes } from "../se/structure.ts";
import { addKey, type RegistryKey, setValue } from "./node.ts";

const REG_SZ = 1;

/**
 * Makes the preset keys, once the first path leads into the registry: most machines never look at it, and booting is to
 * cost next to nothing.
 */
export function populateRegistry(k: Kernel): void {
  const root = k.cm.root;
  assert(root !== null, "CmInitSystem made the root");
  if (root.children.size > 0) return;
  for (const path of PRESET_KEYS) makeKey(k, root, path);
  const user = `USER\\${sidToString(WellKnownSid.user)}`;
  for (const path of PRESET_USER_KEYS) makeKey(k, root, `${user}\\${path}`);
  makeKey(k, root, `${user}_Classes`);
  for (const [path, name, text] of PRESET_VALUES) {
    const data = utf16Bytes(`${text}\0`);
    setValue(k, makeKey(k, root, path.replace("%USER%", user)), { name, type: REG_SZ, data });
  }
}

const CONTROL = "MACHINE\\System\\CurrentControlSet\\Control";
const WINDOWS_NT = "MACHINE\\Software\\Microsoft\\Windows NT\\CurrentVersion";

/** Keys that are there from the start; programs open them, or create keys below them. */
const PRESET_KEYS: readonly string[] = [
  "MACHINE\\Hardware\\Description\\System",
  "MACHINE\\Software\\Classes",
  "MACHINE\\Software\\Microsoft\\Windows\\CurrentVersion",
  "MACHINE\\Software\\Policies",
  "MACHINE\\System\\CurrentControlSet\\Services",
  "USER\\.Default\\Control Panel\\International",
  `${CONTROL}\\ComputerName\\ActiveComputerName`,
  `${CONTROL}\\Nls\\CustomLocale`,
  `${CONTROL}\\Nls\\ExtendedLocale`,
  `${CONTROL}\\Nls\\Language Groups`,
  `${CONTROL}\\Nls\\Sorting`,
  `${CONTROL}\\Session Manager\\Environment`,
  `${CONTROL}\\TimeZoneInformation`,
  `${WINDOWS_NT}\\AeDebug`,
  `${WINDOWS_NT}\\Image File Execution Options`,
  `${WINDOWS_NT}\\Time Zones`,
];

/** The same, below the user's own key. */
const PRESET_USER_KEYS: readonly string[] = ["Control Panel\\International", "Environment", "Software"];

/** Strings that are there from the start: US English, Western code pages. */
const PRESET_VALUES: readonly (readonly [path: string, name: string, text: string])[] = [
  [`${CONTROL}\\ComputerName\\ActiveComputerName`, "ComputerName", "RUNDOWN"],
  [`${CONTROL}\\ComputerName\\ComputerName`, "ComputerName", "RUNDOWN"],
  [`${CONTROL}\\Nls\\Codepage`, "ACP", "1252"],
  [`${CONTROL}\\Nls\\Codepage`, "MACCP", "10000"],
  [`${CONTROL}\\Nls\\Codepage`, "OEMCP", "437"],
  [`${CONTROL}\\Nls\\Language`, "Default", "0409"],
  [`${CONTROL}\\Nls\\Language`, "InstallLanguage", "0409"],
  [`${CONTROL}\\Nls\\Locale`, "", "00000409"],
  [WINDOWS_NT, "CurrentBuild", "7601"],
  [WINDOWS_NT, "CurrentVersion", "6.1"],
  ["%USER%\\Control Panel\\International", "Locale", "00000409"],
];

/** The key at `path`, made with everything above it if need be. */
function makeKey(k: Kernel, root: RegistryKey, path: string): RegistryKey {
  let key = root;
  for (const name of path.split("\\")) {
    const next = key.child(name) ?? addKey(k, key, name, { isVolatile: false, className: "" });
    assert(next !== null, "the registry's quota leaves room for the preset keys");
    key = next;
  }
  return key;
}
