/**
 * Acting as somebody else: a thread wears a token that is not its process's until it takes it off, or ends.
 *
 * Invariants: `impersonationInfo` holds a reference on its token exactly while ACTIVE_IMPERSONATION_INFO is set; the block
 * itself stays, as NT's does. Whoever writes the hint in a thread's TEB holds the thread's rundown, so the TEB is there.
 */
import { CT_ACTIVE_IMPERSONATION_INFO } from "../abi/ps.ts";
import { type NtStatus, STATUS_SUCCESS } from "../abi/status.ts";
import { Teb } from "../abi/teb.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../ex/rundown.ts";
import { KeStackAttachProcess, KeUnstackDetachProcess } from "../ke/attach.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { TOKEN_IMPERSONATE } from "../se/rights.ts";
import { STATUS_BAD_TOKEN_TYPE } from "../se/status.ts";
import { type ImpersonationInfo, SeTokenObjectType, type Token, TokenImpersonation } from "../se/token.ts";
import type { Blocking } from "../sim/blocking.ts";
import { hasCrossThreadFlag, PspClearCrossThreadFlag, PspSetCrossThreadFlag } from "./flags.ts";
import type { EThread } from "./objects.ts";

/** The locale of a thread that impersonates is not known until somebody asks for it. */
const UNKNOWN_LOCALE = 0xffffffff;

/** What the thread impersonates; null while it acts as its process. */
export function activeImpersonation(thread: EThread): ImpersonationInfo | null {
  return hasCrossThreadFlag(thread, CT_ACTIVE_IMPERSONATION_INFO) ? thread.impersonationInfo : null;
}

/**
 * Makes a thread act as a client from now on, or as itself.
 * @param info the token's reference passes to the thread; null to act as its process again
 */
export function* PsImpersonateClient(k: Kernel, thread: EThread, info: ImpersonationInfo | null): Blocking<NtStatus> {
  const before = activeImpersonation(thread);
  if (info === null) {
    PspClearCrossThreadFlag(thread, CT_ACTIVE_IMPERSONATION_INFO);
  } else {
    thread.impersonationInfo = info;
    PspSetCrossThreadFlag(thread, CT_ACTIVE_IMPERSONATION_INFO);
  }
  if (before !== null) yield* ObDereferenceObject(k, before.token);
  yield* PspWriteTebImpersonationInfo(k, thread);
  return STATUS_SUCCESS;
}

/**
 * Makes a thread act as the token of a handle says; 0 makes it act as its process.
 * @returns BAD_TOKEN_TYPE for a primary token; errors of the handle
 */
export function* PsAssignImpersonationToken(k: Kernel, thread: EThread, handle: number): Blocking<NtStatus> {
  if (handle === 0) return yield* PsImpersonateClient(k, thread, null);
  const mode = KeGetPreviousMode(k);
  const token = ObReferenceObjectByHandle<Token>(k, handle, TOKEN_IMPERSONATE, SeTokenObjectType(k), mode);
  if (!token.ok) return token.status;
  if (token.value.type === TokenImpersonation) {
    return yield* PsImpersonateClient(k, thread, { token: token.value, level: token.value.level });
  }
  yield* ObDereferenceObject(k, token.value);
  return STATUS_BAD_TOKEN_TYPE;
}

/**
 * Tells user mode whether the thread impersonates. A thread that is on its way out is left alone.
 * @erratum D26 releases the rundown that it could not acquire
 */
function* PspWriteTebImpersonationInfo(k: Kernel, thread: EThread): Blocking<void> {
  const acquired = ExAcquireRundownProtection(thread.rundownProtect);
  if (!acquired && !k.sim.errata.has("D26")) return;
  if (acquired && thread.teb !== 0) yield* writeHint(k, thread);
  ExReleaseRundownProtection(k, thread.rundownProtect);
}

/** The TEB is user memory: a thread that took it away gets no hint. */
function* writeHint(k: Kernel, thread: EThread): Blocking<void> {
  const attachment = KeStackAttachProcess(k, thread.threadsProcess);
  const user = k.mm.user.begin();
  user.writeU32(thread.teb + Teb.ImpersonationLocale, UNKNOWN_LOCALE);
  user.writeU32(thread.teb + Teb.IsImpersonating, activeImpersonation(thread) === null ? 0 : 1);
  yield* KeUnstackDetachProcess(k, attachment);
}
