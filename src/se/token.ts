/**
 * Tokens: who a process or thread acts as. A token is shared by reference; what changes after creation is only its
 * privileges' attributes, its groups' attributes, its owner, primary group, default list and session id, and every such
 * change gives it a new modified id.
 */
import { type NtResult, failure, NT_SUCCESS, success } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { ObCreateObject } from "../ob/create.ts";
import type { ObjectType } from "../ob/type.ts";
import { assert } from "../rtl/assert.ts";
import { ObjectBody } from "../rtl/body.ts";
import { newObjectId } from "../sim/identity.ts";
import { makeAcl } from "./acl.ts";
import {
  ALL_PRIVILEGES,
  type Luid,
  type LuidAndAttributes,
  Privilege,
  SE_PRIVILEGE_ENABLED,
  SE_PRIVILEGE_ENABLED_BY_DEFAULT,
} from "./privilege.ts";
import { type Sid, WellKnownSid } from "./sid.ts";

/** `TOKEN_TYPE`. */
export const TokenPrimary = 1;
export const TokenImpersonation = 2;
export type TokenType = 1 | 2;

/** `SECURITY_IMPERSONATION_LEVEL`. */
export const ImpersonationLevel = { Anonymous: 0, Identification: 1, Impersonation: 2, Delegation: 3 } as const;
export type ImpersonationLevel = (typeof ImpersonationLevel)[keyof typeof ImpersonationLevel];

const SE_GROUP_MANDATORY = 0x1;
const SE_GROUP_ENABLED_BY_DEFAULT = 0x2;
const SE_GROUP_ENABLED = 0x4;
const SE_GROUP_OWNER = 0x8;
export const SE_GROUP_INTEGRITY = 0x20;
const SE_GROUP_INTEGRITY_ENABLED = 0x40;
export const SE_GROUP_LOGON_ID = 0xc0000000;

/** A group of a token (`SID_AND_ATTRIBUTES`). */
export interface SidAndAttributes {
  readonly sid: Sid;
  attributes: number;
}

/** What a thread impersonates. */
export interface ImpersonationInfo {
  readonly token: Token;
  readonly level: number;
}

/** Everything a token is made from. */
export interface TokenContents {
  readonly type: TokenType;
  readonly level: ImpersonationLevel;
  readonly authenticationId: Luid;
  readonly user: Sid;
  readonly groups: readonly SidAndAttributes[];
  readonly privileges: readonly LuidAndAttributes[];
  readonly owner: Sid;
  readonly primaryGroup: Sid;
  readonly defaultDacl: Uint8Array;
  readonly sourceName: string;
  readonly sessionId: number;
}

export class Token extends ObjectBody {
  readonly tokenId: Luid;
  readonly authenticationId: Luid;
  modifiedId: Luid;
  readonly type: TokenType;
  readonly level: ImpersonationLevel;
  readonly user: Sid;
  readonly groups: readonly SidAndAttributes[];
  /** Removed privileges leave the list. */
  privileges: LuidAndAttributes[];
  owner: Sid;
  primaryGroup: Sid;
  defaultDacl: Uint8Array;
  /** At most eight characters. */
  readonly sourceName: string;
  readonly sourceId: Luid;
  sessionId: number;
  /** The user's audit policy for process exits; null leaves it to the machine's. */
  auditProcessExit: boolean | null = null;

  constructor(id: number, ids: { readonly token: Luid; readonly source: Luid }, contents: TokenContents) {
    super(id);
    this.tokenId = ids.token;
    this.modifiedId = ids.token;
    this.sourceId = ids.source;
    this.type = contents.type;
    this.level = contents.level;
    this.authenticationId = contents.authenticationId;
    this.user = contents.user;
    this.groups = contents.groups.map((group) => ({ ...group }));
    this.privileges = contents.privileges.map((privilege) => ({ ...privilege }));
    this.owner = contents.owner;
    this.primaryGroup = contents.primaryGroup;
    this.defaultDacl = contents.defaultDacl;
    this.sourceName = contents.sourceName;
    this.sessionId = contents.sessionId;
  }

  /** The privilege's entry, enabled or not. */
  findPrivilege(luid: Luid): LuidAndAttributes | null {
    return this.privileges.find((held) => held.luid.low === luid.low && held.luid.high === luid.high) ?? null;
  }

  /** Whether the privilege is enabled. */
  hasPrivilege(luid: Luid): boolean {
    return ((this.findPrivilege(luid)?.attributes ?? 0) & SE_PRIVILEGE_ENABLED) !== 0;
  }
}

/** A new locally unique id. */
export function ExAllocateLocallyUniqueId(k: Kernel): Luid {
  const value = ++k.se.lastLuid;
  return { low: value >>> 0, high: Math.floor(value / 0x1_0000_0000) };
}

/** The Token object type. */
export function SeTokenObjectType(k: Kernel): ObjectType {
  assert(k.se.tokenType !== null, "SeInitSystem runs before the first token is made");
  return k.se.tokenType;
}

/** Bytes of pool that a token is charged with. */
const TOKEN_POOL_BYTES = 1024;

/** Makes a token with one reference, the caller's. */
function SeCreateToken(k: Kernel, contents: TokenContents): NtResult<Token> {
  const ids = { token: ExAllocateLocallyUniqueId(k), source: ExAllocateLocallyUniqueId(k) };
  const token = new Token(newObjectId(k), ids, contents);
  const status = ObCreateObject(k, SeTokenObjectType(k), token, { poolBytes: TOKEN_POOL_BYTES });
  return NT_SUCCESS(status) ? success(token) : failure(status);
}

/** A copy of `token` that shares nothing with it; `type` and `level` may differ. */
export function SeDuplicateToken(
  k: Kernel,
  token: Token,
  changes: { readonly type: TokenType; readonly level: ImpersonationLevel; readonly effectiveOnly: boolean },
): NtResult<Token> {
  const { effectiveOnly, type, level } = changes;
  const enabled = (entry: { readonly attributes: number }): boolean => (entry.attributes & SE_PRIVILEGE_ENABLED) !== 0;
  const privileges = effectiveOnly ? token.privileges.filter(enabled) : token.privileges;
  return SeCreateToken(k, { ...contentsOf(token), type, level, privileges });
}

function contentsOf(token: Token): TokenContents {
  const { type, level, authenticationId, user, groups, privileges, owner, primaryGroup } = token;
  const { defaultDacl, sourceName, sessionId } = token;
  const identity = { type, level, authenticationId, user, groups, privileges };
  return { ...identity, owner, primaryGroup, defaultDacl, sourceName, sessionId };
}

const MANDATORY = SE_GROUP_MANDATORY | SE_GROUP_ENABLED_BY_DEFAULT | SE_GROUP_ENABLED;
const SYSTEM_LUID: Luid = { low: 0x3e7, high: 0 };
const INTERACTIVE_LUID: Luid = { low: 0x10000, high: 0 };
const GENERIC_ALL = 0x10000000;
const GENERIC_READ_EXECUTE = 0xa0000000;

// Lists are replaced, never written to, so that all machines share these.
const USER_DACL = makeAcl([
  { mask: GENERIC_ALL, sid: WellKnownSid.administrators },
  { mask: GENERIC_ALL, sid: WellKnownSid.localSystem },
  { mask: GENERIC_READ_EXECUTE, sid: WellKnownSid.logon },
]);
const SYSTEM_DACL = makeAcl([
  { mask: GENERIC_ALL, sid: WellKnownSid.localSystem },
  { mask: GENERIC_READ_EXECUTE, sid: WellKnownSid.administrators },
]);

/** Privileges of an elevated administrator; all others of the list start out disabled. */
const ENABLED_PRIVILEGES: readonly number[] = [Privilege.ChangeNotify, Privilege.Impersonate, Privilege.CreateGlobal];

/** The primary token that programs run with: an elevated administrator at the console. */
export function SeCreateUserToken(k: Kernel): NtResult<Token> {
  const { everyone, local, interactive, authenticatedUsers, administrators, users, logon } = WellKnownSid;
  const { user, domainUsers, highIntegrity } = WellKnownSid;
  const mandatory = (sid: Sid): SidAndAttributes => ({ sid, attributes: MANDATORY });
  const on = SE_PRIVILEGE_ENABLED | SE_PRIVILEGE_ENABLED_BY_DEFAULT;
  return SeCreateToken(k, {
    type: TokenPrimary,
    level: ImpersonationLevel.Anonymous,
    authenticationId: INTERACTIVE_LUID,
    user,
    groups: [
      ...[domainUsers, everyone].map(mandatory),
      { sid: administrators, attributes: MANDATORY | SE_GROUP_OWNER },
      ...[users, interactive, authenticatedUsers].map(mandatory),
      { sid: logon, attributes: (MANDATORY | SE_GROUP_LOGON_ID) >>> 0 },
      mandatory(local),
      { sid: highIntegrity, attributes: SE_GROUP_INTEGRITY | SE_GROUP_INTEGRITY_ENABLED },
    ],
    privileges: ALL_PRIVILEGES.map((low) => ({
      luid: { low, high: 0 },
      attributes: ENABLED_PRIVILEGES.includes(low) ? on : 0,
    })),
    owner: administrators,
    primaryGroup: domainUsers,
    defaultDacl: USER_DACL,
    sourceName: "User32 ",
    sessionId: 1,
  });
}

/** The primary token of the System process: LocalSystem with every privilege enabled. */
export function SeCreateSystemToken(k: Kernel): NtResult<Token> {
  const { administrators, everyone, authenticatedUsers, localSystem, systemIntegrity } = WellKnownSid;
  const on = SE_PRIVILEGE_ENABLED | SE_PRIVILEGE_ENABLED_BY_DEFAULT;
  return SeCreateToken(k, {
    type: TokenPrimary,
    level: ImpersonationLevel.Anonymous,
    authenticationId: SYSTEM_LUID,
    user: localSystem,
    groups: [
      { sid: administrators, attributes: SE_GROUP_ENABLED_BY_DEFAULT | SE_GROUP_ENABLED | SE_GROUP_OWNER },
      { sid: everyone, attributes: MANDATORY },
      { sid: authenticatedUsers, attributes: MANDATORY },
      { sid: systemIntegrity, attributes: SE_GROUP_INTEGRITY | SE_GROUP_INTEGRITY_ENABLED },
    ],
    privileges: ALL_PRIVILEGES.map((low) => ({ luid: { low, high: 0 }, attributes: on })),
    owner: administrators,
    primaryGroup: localSystem,
    defaultDacl: SYSTEM_DACL,
    sourceName: "*SYSTEM*",
    sessionId: 0,
  });
}
