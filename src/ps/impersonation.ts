/** Acting as somebody else: a thread wears a token that is not its process's until it takes it off, or ends. */
import { CT_ACTIVE_IMPERSONATION_INFO } from "../abi/ps.ts";
import { type NtStatus, STATUS_SUCCESS } from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { TOKEN_IMPERSONATE } from "../se/rights.ts";
import { STATUS_BAD_TOKEN_TYPE } from "../se/status.ts";
import { type ImpersonationInfo, SeTokenObjectType, type Token, TokenImpersonation } from "../se/token.ts";
import type { Blocking } from "../sim/blocking.ts";
import { PspClearCrossThreadFlag, PspSetCrossThreadFlag } from "./flags.ts";
import type { EThread } from "./objects.ts";

/**
 * Makes a thread act as a client from now on, or as itself.
 * @param info the token's reference passes to the thread; null to act as its process again
 */
export function* PsImpersonateClient(k: Kernel, thread: EThread, info: ImpersonationInfo | null): Blocking<NtStatus> {
  const before = thread.impersonationInfo;
  thread.impersonationInfo = info;
  if (info === null) PspClearCrossThreadFlag(thread, CT_ACTIVE_IMPERSONATION_INFO);
  else PspSetCrossThreadFlag(thread, CT_ACTIVE_IMPERSONATION_INFO);
  if (before !== null) yield* ObDereferenceObject(k, before.token);
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
