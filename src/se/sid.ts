/** Security identifiers, in the form in which user mode sees them: immutable bytes. */

/** A SID: revision, number of sub-authorities, a 48-bit big-endian authority, then the sub-authorities. */
export type Sid = Uint8Array;

/** Builds `S-1-authority-sub-sub…`; authorities above 2^32 do not occur here. */
function makeSid(authority: number, ...subAuthorities: readonly number[]): Sid {
  const bytes = new Uint8Array(8 + 4 * subAuthorities.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 1);
  view.setUint8(1, subAuthorities.length);
  view.setUint32(4, authority, false);
  subAuthorities.forEach((value, index) => {
    view.setUint32(8 + 4 * index, value, true);
  });
  return bytes;
}

/** The `S-1-…` form. */
export function sidToString(sid: Sid): string {
  const view = new DataView(sid.buffer, sid.byteOffset, sid.byteLength);
  let text = `S-${String(sid[0] ?? 0)}-${String(view.getUint32(4, false))}`;
  for (let at = 8; at + 4 <= sid.byteLength; at += 4) text += `-${String(view.getUint32(at, true))}`;
  return text;
}

/** The identifiers that the default token holds. */
export const WellKnownSid: {
  readonly everyone: Sid;
  readonly local: Sid;
  readonly interactive: Sid;
  readonly authenticatedUsers: Sid;
  readonly localSystem: Sid;
  readonly administrators: Sid;
  readonly users: Sid;
  readonly logon: Sid;
  readonly user: Sid;
  readonly domainUsers: Sid;
  readonly highIntegrity: Sid;
  readonly systemIntegrity: Sid;
} = {
  everyone: makeSid(1, 0),
  local: makeSid(2, 0),
  interactive: makeSid(5, 4),
  authenticatedUsers: makeSid(5, 11),
  localSystem: makeSid(5, 18),
  administrators: makeSid(5, 32, 544),
  users: makeSid(5, 32, 545),
  logon: makeSid(5, 5, 0, 0x10000),
  user: makeSid(5, 21, 1000, 1000, 1000, 1001),
  domainUsers: makeSid(5, 21, 1000, 1000, 1000, 513),
  highIntegrity: makeSid(16, 0x3000),
  systemIntegrity: makeSid(16, 0x4000),
};
