/** Privileges: which ones there are, and whether a caller holds them. */
import { type ProcessorMode, UserMode } from "../abi/ke.ts";
import { KeGetCurrentThread } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { ObThread } from "../ob/thread.ts";
import { assert } from "../rtl/assert.ts";
import type { Token } from "./token.ts";

/** Low parts of the privileges' LUIDs; the high parts are 0. */
export const Privilege = {
  IncreaseQuota: 5,
  Security: 8,
  TakeOwnership: 9,
  LoadDriver: 10,
  SystemProfile: 11,
  SystemTime: 12,
  ProfileSingleProcess: 13,
  IncreaseBasePriority: 14,
  CreatePagefile: 15,
  Backup: 17,
  Restore: 18,
  Shutdown: 19,
  Debug: 20,
  SystemEnvironment: 22,
  ChangeNotify: 23,
  RemoteShutdown: 24,
  Undock: 25,
  ManageVolume: 28,
  Impersonate: 29,
  CreateGlobal: 30,
  IncreaseWorkingSet: 33,
  TimeZone: 34,
  CreateSymbolicLink: 35,
} as const;
export type Privilege = (typeof Privilege)[keyof typeof Privilege];

/** Every privilege, in the order in which tokens list them. */
export const ALL_PRIVILEGES: readonly Privilege[] = [
  Privilege.IncreaseQuota,
  Privilege.Security,
  Privilege.TakeOwnership,
  Privilege.LoadDriver,
  Privilege.SystemProfile,
  Privilege.SystemTime,
  Privilege.ProfileSingleProcess,
  Privilege.IncreaseBasePriority,
  Privilege.CreatePagefile,
  Privilege.Backup,
  Privilege.Restore,
  Privilege.Shutdown,
  Privilege.Debug,
  Privilege.SystemEnvironment,
  Privilege.ChangeNotify,
  Privilege.RemoteShutdown,
  Privilege.Undock,
  Privilege.ManageVolume,
  Privilege.Impersonate,
  Privilege.CreateGlobal,
  Privilege.IncreaseWorkingSet,
  Privilege.TimeZone,
  Privilege.CreateSymbolicLink,
];

export const SE_PRIVILEGE_ENABLED_BY_DEFAULT = 0x1;
export const SE_PRIVILEGE_ENABLED = 0x2;
export const SE_PRIVILEGE_REMOVED = 0x4;
const SE_PRIVILEGE_USED_FOR_ACCESS = 0x80000000;

/** A LUID as two unsigned halves. */
export interface Luid {
  readonly low: number;
  readonly high: number;
}

/** A privilege with its attributes (`LUID_AND_ATTRIBUTES`). */
export interface LuidAndAttributes {
  readonly luid: Luid;
  attributes: number;
}

/** What {@link SePrivilegeCheck} found. */
export interface PrivilegeCheck {
  readonly held: boolean;
  /** The asked-for privileges, with USED_FOR_ACCESS on those that the token has enabled. */
  readonly privileges: readonly LuidAndAttributes[];
}

/**
 * Whether the token has the privileges enabled: all of them, or any.
 * Kernel mode holds every privilege.
 */
export function SePrivilegeCheck(
  token: Token,
  wanted: readonly LuidAndAttributes[],
  options: { readonly all: boolean; readonly mode: ProcessorMode },
): PrivilegeCheck {
  if (options.mode !== UserMode) return { held: true, privileges: wanted };
  let found = 0;
  const privileges = wanted.map(({ luid, attributes }) => {
    const enabled = token.hasPrivilege(luid);
    if (enabled) found++;
    return { luid, attributes: enabled ? (attributes | SE_PRIVILEGE_USED_FOR_ACCESS) >>> 0 : attributes };
  });
  return { held: options.all ? found === wanted.length : found > 0, privileges };
}

/**
 * Whether the current thread, as whom it acts, holds one privilege.
 * A token below the Impersonation level does not help its thread.
 */
export function SeSinglePrivilegeCheck(k: Kernel, privilege: Privilege, mode: ProcessorMode): boolean {
  if (mode !== UserMode) return true;
  const thread = KeGetCurrentThread(k);
  assert(thread instanceof ObThread, "a thread that asks for privileges is an executive thread");
  const impersonation = k.se.upcalls.impersonation(thread);
  if (impersonation !== null) {
    return impersonation.level >= 2 && impersonation.token.hasPrivilege({ low: privilege, high: 0 });
  }
  return k.se.upcalls.peekPrimaryToken(thread).hasPrivilege({ low: privilege, high: 0 });
}
