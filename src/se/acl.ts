/** Access control lists, as far as a token carries one: the default for objects that its user creates. */
import type { Sid } from "./sid.ts";
import { StructWriter } from "./structure.ts";

const ACL_REVISION = 2;
const ACCESS_ALLOWED_ACE_TYPE = 0;

/** One allow entry. */
export interface AllowedAce {
  readonly mask: number;
  readonly sid: Sid;
}

/** An `ACL` of allow entries. */
export function makeAcl(entries: readonly AllowedAce[]): Uint8Array {
  const aces = new StructWriter();
  for (const { mask, sid } of entries) {
    aces
      .u8(ACCESS_ALLOWED_ACE_TYPE)
      .u8(0)
      .u16(8 + sid.length)
      .u32(mask)
      .bytes(sid);
  }
  const acl = new StructWriter();
  acl
    .u8(ACL_REVISION)
    .u8(0)
    .u16(8 + aces.length)
    .u16(entries.length)
    .u16(0);
  return acl.bytes(aces.finish()).finish();
}
