/**
 * `NtQueryInformationToken`: builds the structure of each information class. Identifiers lie behind the fixed part, and
 * the pointers to them are computed from the address at which the caller will put the structure.
 */
import { failure, type NtResult, STATUS_INVALID_INFO_CLASS, success } from "../abi/status.ts";
import type { Luid } from "./privilege.ts";
import { StructWriter } from "./structure.ts";
import {
  SE_GROUP_INTEGRITY,
  SE_GROUP_LOGON_ID,
  type SidAndAttributes,
  type Token,
  TokenImpersonation,
} from "./token.ts";

/** `TOKEN_INFORMATION_CLASS`, as far as it is answered. */
export const TokenInformationClass = {
  User: 1,
  Groups: 2,
  Privileges: 3,
  Owner: 4,
  PrimaryGroup: 5,
  DefaultDacl: 6,
  Source: 7,
  Type: 8,
  ImpersonationLevel: 9,
  Statistics: 10,
  RestrictedSids: 11,
  SessionId: 12,
  SandBoxInert: 15,
  Origin: 17,
  ElevationType: 18,
  Elevation: 20,
  HasRestrictions: 21,
  VirtualizationAllowed: 23,
  VirtualizationEnabled: 24,
  IntegrityLevel: 25,
  UIAccess: 26,
  MandatoryPolicy: 27,
  LogonSid: 28,
  IsAppContainer: 29,
  Capabilities: 30,
  AppContainerSid: 31,
  AppContainerNumber: 32,
} as const;

/** `TOKEN_ELEVATION_TYPE`: there is no split token, so no linked one either. */
const TokenElevationTypeDefault = 1;
const TOKEN_MANDATORY_POLICY_VALID_MASK = 3;

/**
 * The information structure as it will lie at `base`.
 * @returns INVALID_INFO_CLASS for what is not answered (also ImpersonationLevel of a primary token)
 */
export function tokenInformation(token: Token, informationClass: number, base: number): NtResult<Uint8Array> {
  const writer = new StructWriter();
  const known =
    writeIdentity(writer, token, informationClass, base) ||
    writeScalar(writer, token, informationClass) ||
    writeAttributes(writer, token, informationClass);
  return known ? success(writer.finish()) : failure(STATUS_INVALID_INFO_CLASS);
}

/** The classes that hold identifiers. */
function writeIdentity(writer: StructWriter, token: Token, informationClass: number, base: number): boolean {
  switch (informationClass) {
    case TokenInformationClass.User:
      writeSidAndAttributes(writer, { sid: token.user, attributes: 0 }, base);
      return true;
    case TokenInformationClass.IntegrityLevel: {
      const label = token.groups.find((group) => (group.attributes & SE_GROUP_INTEGRITY) !== 0);
      if (label !== undefined) writeSidAndAttributes(writer, label, base);
      return label !== undefined;
    }
    case TokenInformationClass.Groups:
      writeGroups(writer, token.groups, base);
      return true;
    case TokenInformationClass.LogonSid:
      writeGroups(writer, token.groups.filter(isLogonId), base);
      return true;
    case TokenInformationClass.RestrictedSids:
    case TokenInformationClass.Capabilities:
      writeGroups(writer, [], base);
      return true;
    case TokenInformationClass.Owner:
      writeSidPointer(writer, token.owner, base);
      return true;
    case TokenInformationClass.PrimaryGroup:
      writeSidPointer(writer, token.primaryGroup, base);
      return true;
    case TokenInformationClass.AppContainerSid:
      writer.u32(0);
      return true;
    case TokenInformationClass.DefaultDacl:
      writeSidPointer(writer, token.defaultDacl, base);
      return true;
    default:
      return false;
  }
}

function isLogonId(group: SidAndAttributes): boolean {
  return (group.attributes & SE_GROUP_LOGON_ID) >>> 0 === SE_GROUP_LOGON_ID;
}

/** The classes that are one 32-bit value. */
function writeScalar(writer: StructWriter, token: Token, informationClass: number): boolean {
  switch (informationClass) {
    case TokenInformationClass.Type:
      writer.u32(token.type);
      return true;
    case TokenInformationClass.ImpersonationLevel:
      if (token.type !== TokenImpersonation) return false;
      writer.u32(token.level);
      return true;
    case TokenInformationClass.SessionId:
      writer.u32(token.sessionId);
      return true;
    case TokenInformationClass.ElevationType:
      writer.u32(TokenElevationTypeDefault);
      return true;
    case TokenInformationClass.Elevation:
      writer.u32(1);
      return true;
    case TokenInformationClass.MandatoryPolicy:
      writer.u32(TOKEN_MANDATORY_POLICY_VALID_MASK);
      return true;
    case TokenInformationClass.SandBoxInert:
    case TokenInformationClass.HasRestrictions:
    case TokenInformationClass.VirtualizationAllowed:
    case TokenInformationClass.VirtualizationEnabled:
    case TokenInformationClass.UIAccess:
    case TokenInformationClass.IsAppContainer:
    case TokenInformationClass.AppContainerNumber:
      writer.u32(0);
      return true;
    default:
      return false;
  }
}

/** The classes that are several plain values. */
function writeAttributes(writer: StructWriter, token: Token, informationClass: number): boolean {
  switch (informationClass) {
    case TokenInformationClass.Privileges:
      writer.u32(token.privileges.length);
      for (const { luid, attributes } of token.privileges) writeLuid(writer, luid).u32(attributes);
      return true;
    case TokenInformationClass.Source: {
      const name = token.sourceName.slice(0, 8).padEnd(8, "\0");
      for (let index = 0; index < 8; index++) writer.u8(name.charCodeAt(index));
      writeLuid(writer, token.sourceId);
      return true;
    }
    case TokenInformationClass.Statistics:
      writeStatistics(writer, token);
      return true;
    case TokenInformationClass.Origin:
      writeLuid(writer, { low: 0x3e7, high: 0 });
      return true;
    default:
      return false;
  }
}

/** `TOKEN_STATISTICS`. A token never expires. */
function writeStatistics(writer: StructWriter, token: Token): void {
  writeLuid(writer, token.tokenId);
  writeLuid(writer, token.authenticationId);
  writer.u64(0x7fffffffffffffffn).u32(token.type).u32(token.level);
  writer.u32(token.defaultDacl.length).u32(0);
  writer.u32(token.groups.length).u32(token.privileges.length);
  writeLuid(writer, token.modifiedId);
}

function writeLuid(writer: StructWriter, luid: Luid): StructWriter {
  return writer.u32(luid.low).u32(luid.high);
}

function writeSidPointer(writer: StructWriter, target: Uint8Array, base: number): void {
  writer.u32(base + 4).bytes(target);
}

function writeSidAndAttributes(writer: StructWriter, { sid, attributes }: SidAndAttributes, base: number): void {
  writer
    .u32(base + 8)
    .u32(attributes)
    .bytes(sid);
}

/** `TOKEN_GROUPS`: a count, the pairs, then the identifiers. */
function writeGroups(writer: StructWriter, groups: readonly SidAndAttributes[], base: number): void {
  writer.u32(groups.length);
  let at: number = base + 4 + 8 * groups.length;
  for (const { sid, attributes } of groups) {
    writer.u32(at).u32(attributes);
    at += sid.length;
  }
  for (const { sid } of groups) writer.bytes(sid);
}
