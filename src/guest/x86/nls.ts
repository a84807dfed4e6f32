/** National language support: Wine's ntdll asks the kernel for its tables, which every process maps read-only. */
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_SUCCESS,
  success,
} from "../../abi/status.ts";
import type { Kernel } from "../../kernel.ts";
import { capture, ownProcess } from "../../nt/capture.ts";
import type { NtService, ServiceArguments } from "../../nt/table.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { mapReadOnlyBytes } from "../mapview.ts";
import type { X86Guest } from "./threads.ts";

const LOCALE_ENGLISH_US = 0x409;

/** Section types of `NtGetNlsSectionPtr`. */
const NLS_SECTION_SORTKEYS = 9;
const NLS_SECTION_CASEMAP = 10;
const NLS_SECTION_CODEPAGE = 11;
const NLS_SECTION_NORMALIZE = 12;

const NORMALIZATIONS: ReadonlyMap<number, string> = new Map([
  [1, "normnfc.nls"],
  [2, "normnfd.nls"],
  [5, "normnfkc.nls"],
  [6, "normnfkd.nls"],
  [13, "normidna.nls"],
]);

function fileOf(type: number, id: number): string | undefined {
  switch (type) {
    case NLS_SECTION_SORTKEYS:
      return "sortdefault.nls";
    case NLS_SECTION_CASEMAP:
      return "l_intl.nls";
    case NLS_SECTION_CODEPAGE:
      return `c_${String(id).padStart(3, "0")}.nls`;
    case NLS_SECTION_NORMALIZE:
      return NORMALIZATIONS.get(id);
    default:
      return undefined;
  }
}

/** Maps a table into the caller's process; all processes share its pages. */
function* mapTable(
  k: Kernel,
  guest: X86Guest,
  name: string,
): Blocking<NtResult<{ readonly base: number; readonly size: number }>> {
  const bytes = guest.environment.nls.get(name);
  if (bytes === undefined) return failure(STATUS_OBJECT_NAME_NOT_FOUND);
  const view = yield* mapReadOnlyBytes(k, ownProcess(k), `nls\\${name}`, bytes);
  return view.ok ? success({ base: view.value.base, size: bytes.length }) : view;
}

function* NtInitializeNlsFiles(k: Kernel, guest: X86Guest, a: ServiceArguments): Blocking<NtStatus> {
  const [basePointer = 0, localePointer = 0] = a;
  const mapped = yield* mapTable(k, guest, "locale.nls");
  if (!mapped.ok) return mapped.status;
  const user = capture(k);
  user.writeU32(basePointer, mapped.value.base);
  user.writeU32(localePointer, LOCALE_ENGLISH_US);
  return user.faulted ? user.status : STATUS_SUCCESS;
}

function* NtGetNlsSectionPtr(k: Kernel, guest: X86Guest, a: ServiceArguments): Blocking<NtStatus> {
  const [type = 0, id = 0, , addressPointer = 0, sizePointer = 0] = a;
  const name = fileOf(type, id);
  if (name === undefined) return STATUS_OBJECT_NAME_NOT_FOUND;
  const mapped = yield* mapTable(k, guest, name);
  if (!mapped.ok) return mapped.status;
  const user = capture(k);
  user.writeU32(addressPointer, mapped.value.base);
  user.writeU32(sizePointer, mapped.value.size);
  return user.faulted ? user.status : STATUS_SUCCESS;
}

const LONGEST_DEBUG_TEXT = 0x1000;

/** Wine's debug output goes to the kernel debugger. @returns the number of bytes */
function writeDebugText(k: Kernel, a: ServiceArguments): NtStatus {
  const [address = 0, length = 0] = a;
  const user = capture(k);
  const bytes = user.readBytes(address, Math.min(length, LONGEST_DEBUG_TEXT));
  if (user.faulted) return user.status;
  k.ke.kd.print(String.fromCharCode(...bytes));
  return length as NtStatus;
}

export function nlsServices(guest: () => X86Guest): readonly NtService[] {
  return [
    { name: "NtInitializeNlsFiles", arguments: 3, handler: (k, a) => NtInitializeNlsFiles(k, guest(), a) },
    { name: "__wine_dbg_write", arguments: 2, handler: writeDebugText },
    { name: "NtGetNlsSectionPtr", arguments: 5, handler: (k, a) => NtGetNlsSectionPtr(k, guest(), a) },
  ];
}
