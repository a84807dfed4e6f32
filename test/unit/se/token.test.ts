import { expect, it } from "vitest";
import { addProcessExitAudit, SeAuditProcessExit, SeDetailedAuditingWithToken } from "../../../src/se/audit.ts";
import { ALL_PRIVILEGES, Privilege, SeSinglePrivilegeCheck } from "../../../src/se/privilege.ts";
import { sidToString, WellKnownSid } from "../../../src/se/sid.ts";
import { SeCreateSystemToken, SeDuplicateToken, TokenImpersonation } from "../../../src/se/token.ts";
import type { NtResult } from "../../../src/abi/status.ts";
import {
  type AdjustedPrivileges,
  NtAdjustPrivilegesToken,
  NtDuplicateToken,
  NtOpenProcessToken,
  NtOpenThreadToken,
  NtPrivilegeCheck,
  NtQueryInformationToken,
} from "../../../src/se/tokenservice.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { NtClose } from "../../../src/ob/close.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { statusOf, valueOf } from "../../support/kernel.ts";
import { inThread, ioKernel } from "../io/support.ts";

const PROCESS = 0xffffffff;
const THREAD = 0xfffffffe;
const ALL = 0xf01ff;
const BASE = 0x5000;
const luid = (low: number) => ({ low, high: 0 });

function* token(k: Kernel, access = ALL): Blocking<number> {
  return valueOf(yield* NtOpenProcessToken(k, PROCESS, access));
}

function query(informationClass: number, length = 1024) {
  return inThread(ioKernel(), function* (k) {
    return yield* NtQueryInformationToken(k, yield* token(k), informationClass, BASE, length);
  });
}

function words(informationClass: number): number[] {
  const { bytes } = valueOf(query(informationClass));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, index) => view.getUint32(index * 4, true));
}

it("the user's SID lies behind the structure, where the pointer says", () => {
  const { bytes, returnLength } = valueOf(query(1));
  const view = new DataView(bytes.buffer);
  const at = view.getUint32(0, true) - BASE;
  expect([at, returnLength, sidToString(bytes.subarray(at))]).toEqual([8, 36, sidToString(WellKnownSid.user)]);
});

it("every group's pointer leads to its SID", () => {
  const { bytes } = valueOf(query(2));
  const view = new DataView(bytes.buffer);
  const groups = Array.from({ length: view.getUint32(0, true) }, (_, index) => {
    const at = view.getUint32(4 + index * 8, true) - BASE;
    return sidToString(bytes.subarray(at, at + 8 + 4 * (bytes[at + 1] ?? 0)));
  });
  expect(groups).toContain("S-1-5-32-544");
  expect(groups).toContain("S-1-16-12288");
  expect(new Set(groups).size).toBe(groups.length);
});

it("the debug privilege is there and off, change-notify is on", () => {
  const [count = 0, ...rest] = words(3);
  const attributes = new Map(Array.from({ length: count }, (_, index) => [rest[index * 3], rest[index * 3 + 2]]));
  expect(count).toBe(ALL_PRIVILEGES.length);
  expect([attributes.get(Privilege.Debug), attributes.get(Privilege.ChangeNotify)]).toEqual([0, 3]);
});

it.each([
  [8, [1]],
  [12, [1]],
  [18, [1]],
  [20, [1]],
  [26, [0]],
  [29, [0]],
])("class %i is one value", (informationClass, expected) => {
  expect(words(informationClass)).toEqual(expected);
});

it("the statistics count groups and privileges", () => {
  const statistics = words(10);
  expect([statistics.length, statistics[6], statistics[11]]).toEqual([14, 1, ALL_PRIVILEGES.length]);
});

it("a buffer that is too small learns how large it must be", () => {
  expect(valueOf(query(1, 35))).toMatchObject({ status: 0xc0000023, returnLength: 36 });
});

it("a primary token has no impersonation level", () => {
  expect(statusOf(query(9))).toBe(0xc0000003);
});

it("pseudo-handles stand for the process's token, and for no thread's", () => {
  const answers = inThread(ioKernel(), function* (k) {
    const statuses: number[] = [];
    for (const handle of [0xfffffffc, 0xfffffffa, 0xfffffffb]) {
      const result = yield* NtQueryInformationToken(k, handle, 8, BASE, 4);
      statuses.push(result.ok ? 0 : result.status);
    }
    return statuses;
  });
  expect(answers).toEqual([0, 0, 0xc000007c]);
});

it("enabling a privilege says what it was, and lets its holder use it", () => {
  const k = ioKernel();
  const answers = inThread(k, function* (kernel) {
    const handle = yield* token(kernel);
    const held = () => SeSinglePrivilegeCheck(kernel, Privilege.Debug, 1);
    const before = held();
    const privileges = [{ luid: luid(Privilege.Debug), attributes: 2 }];
    const adjusted = valueOf(yield* NtAdjustPrivilegesToken(kernel, handle, { disableAll: false, privileges }));
    const again = valueOf(yield* NtAdjustPrivilegesToken(kernel, handle, { disableAll: false, privileges }));
    return [before, adjusted, again.previous, held()];
  });
  const previous = [{ luid: luid(Privilege.Debug), attributes: 0 }];
  expect(answers).toEqual([false, { status: 0, previous }, [], true]);
});

it("a privilege that the token lacks is reported, and a removed one is lacking", () => {
  const answers = inThread(ioKernel(), function* (k) {
    const handle = yield* token(k);
    const adjust = (low: number, attributes: number): Blocking<NtResult<AdjustedPrivileges>> =>
      NtAdjustPrivilegesToken(k, handle, { disableAll: false, privileges: [{ luid: luid(low), attributes }] });
    const lacking = valueOf(yield* adjust(7, 2)).status;
    yield* adjust(Privilege.Debug, 4);
    return [lacking, valueOf(yield* adjust(Privilege.Debug, 2)).status];
  });
  expect(answers).toEqual([0x106, 0x106]);
});

it("disabling everything leaves nothing enabled", () => {
  const k = ioKernel();
  inThread(k, function* (kernel) {
    yield* NtAdjustPrivilegesToken(kernel, yield* token(kernel), { disableAll: true, privileges: [] });
  });
  expect(k.token.privileges.filter((privilege) => (privilege.attributes & 2) !== 0)).toEqual([]);
});

it("a privilege check asks for all, or for any", () => {
  const answers = inThread(ioKernel(), function* (k) {
    const handle = yield* token(k);
    const wanted = [Privilege.Debug, Privilege.ChangeNotify].map((low) => ({ luid: luid(low), attributes: 0 }));
    const all = valueOf(yield* NtPrivilegeCheck(k, handle, wanted, { all: true }));
    const any = valueOf(yield* NtPrivilegeCheck(k, handle, wanted, { all: false }));
    return [all.held, any.held, any.privileges.map((privilege) => privilege.attributes)];
  });
  expect(answers).toEqual([false, true, [0, 0x80000000]]);
});

it("a handle without the right is refused", () => {
  const status = inThread(ioKernel(), function* (k) {
    const handle = yield* token(k, 0x20);
    return statusOf(yield* NtQueryInformationToken(k, handle, 1, BASE, 64));
  });
  expect(status).toBe(0xc0000022);
});

it("a thread that impersonates nobody has no token", () => {
  expect(statusOf(inThread(ioKernel(), (k) => NtOpenThreadToken(k, THREAD, ALL)))).toBe(0xc000007c);
});

it.each([
  [0, 0xc00000a6],
  [1, 0],
  [2, 0],
])("a thread that impersonates at level %i opens its token or not", (level, status) => {
  const k = ioKernel();
  const system = valueOf(SeCreateSystemToken(k));
  const copy = valueOf(SeDuplicateToken(k, system, { type: TokenImpersonation, level: 2, effectiveOnly: false }));
  k.se.upcalls.impersonation = () => ({ token: copy, level });
  const answer = inThread(k, (kernel) => NtOpenThreadToken(kernel, THREAD, ALL));
  expect(answer.ok ? 0 : answer.status).toBe(status);
});

it("privileges come from the client while a thread impersonates, but not below the impersonation level", () => {
  const k = ioKernel();
  const system = valueOf(SeCreateSystemToken(k));
  const held = [1, 2].map((level) => {
    k.se.upcalls.impersonation = () => ({ token: system, level });
    return inThread(k, function* (kernel) {
      return SeSinglePrivilegeCheck(kernel, Privilege.Debug, 1);
    });
  });
  expect(held).toEqual([false, true]);
});

it("a copy is independent of the original and cannot do more", () => {
  const k = ioKernel();
  const answers = inThread(k, function* (kernel) {
    const source = yield* token(kernel);
    const how = { desiredAccess: 0, attributes: 0, type: 2, level: 1, effectiveOnly: false };
    const copy = valueOf(yield* NtDuplicateToken(kernel, source, how));
    yield* NtAdjustPrivilegesToken(kernel, copy, { disableAll: true, privileges: [] });
    const more = yield* NtDuplicateToken(kernel, copy, { ...how, level: 2 });
    const primary = yield* NtDuplicateToken(kernel, copy, { ...how, type: 1 });
    return [statusOf(more), statusOf(primary)];
  });
  expect([answers, k.token.hasPrivilege(luid(Privilege.ChangeNotify))]).toEqual([[0xc00000a5, 0xc00000a5], true]);
});

it("closing the last handle of a copy deletes it", () => {
  const k = ioKernel();
  const tokens = () => [...k.ob.live].filter((header) => header.type === k.se.tokenType).length;
  const before = tokens();
  inThread(k, function* (kernel) {
    const how = { desiredAccess: ALL, attributes: 0, type: 1, level: 0, effectiveOnly: true };
    const copy = valueOf(yield* NtDuplicateToken(kernel, yield* token(kernel), how));
    expect(tokens()).toBe(before + 1);
    yield* NtClose(kernel, copy);
  });
  expect(tokens()).toBe(before);
});

it("process exits are audited when somebody listens, unless the user's policy says otherwise", () => {
  const k = ioKernel();
  const heard: number[] = [];
  const before = SeDetailedAuditingWithToken(k, k.token);
  addProcessExitAudit(k, (_k, process) => heard.push(process.pid));
  const after = SeDetailedAuditingWithToken(k, k.token);
  k.token.auditProcessExit = false;
  SeAuditProcessExit(k, k.test.process);
  expect([before, after, SeDetailedAuditingWithToken(k, k.token), heard]).toEqual([
    false,
    true,
    false,
    [k.test.process.pid],
  ]);
});
