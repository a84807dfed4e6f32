/** The services of tokens: open those of processes and threads, query, adjust, duplicate. */
import { PROCESS_QUERY_INFORMATION, THREAD_QUERY_INFORMATION } from "../abi/ps.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_BUFFER_TOO_SMALL,
  STATUS_INVALID_PARAMETER,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { KeGetCurrentThread, KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { ObOpenObjectByPointer, ObReferenceObjectByHandle, referenceHandle } from "../ob/handle.ts";
import type { ObProcess } from "../ob/process.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { actOnObject } from "../ob/service.ts";
import { ObThread } from "../ob/thread.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import {
  type LuidAndAttributes,
  SE_PRIVILEGE_ENABLED,
  SE_PRIVILEGE_ENABLED_BY_DEFAULT,
  SE_PRIVILEGE_REMOVED,
  type PrivilegeCheck,
  SePrivilegeCheck,
} from "./privilege.ts";
import { TOKEN_ADJUST_PRIVILEGES, TOKEN_DUPLICATE, TOKEN_QUERY, TOKEN_QUERY_SOURCE } from "./rights.ts";
import {
  STATUS_BAD_IMPERSONATION_LEVEL,
  STATUS_CANT_OPEN_ANONYMOUS,
  STATUS_NO_TOKEN,
  STATUS_NOT_ALL_ASSIGNED,
} from "./status.ts";
import {
  ExAllocateLocallyUniqueId,
  ImpersonationLevel,
  SeDuplicateToken,
  SeTokenObjectType,
  type Token,
  TokenImpersonation,
  TokenPrimary,
  type TokenType,
} from "./token.ts";
import { TokenInformationClass, tokenInformation } from "./tokenquery.ts";

/** A handle to the token of a process. */
export function* NtOpenProcessTokenEx(
  k: Kernel,
  processHandle: number,
  desiredAccess: number,
  attributes: number,
): Blocking<NtResult<number>> {
  const mode = KeGetPreviousMode(k);
  const type = k.se.upcalls.processType();
  const process = ObReferenceObjectByHandle<ObProcess>(k, processHandle, PROCESS_QUERY_INFORMATION, type, mode);
  if (!process.ok) return process;
  const token = k.se.upcalls.processToken(process.value);
  const opened =
    token === null
      ? failure<number>(STATUS_PROCESS_IS_TERMINATING)
      : ObOpenObjectByPointer(k, token, desiredAccess, attributes, mode);
  yield* ObDereferenceObject(k, process.value);
  return opened;
}

export function NtOpenProcessToken(
  k: Kernel,
  processHandle: number,
  desiredAccess: number,
): Blocking<NtResult<number>> {
  return NtOpenProcessTokenEx(k, processHandle, desiredAccess, 0);
}

/**
 * A handle to the token that a thread impersonates.
 * @returns NO_TOKEN if it acts as its process; CANT_OPEN_ANONYMOUS for an anonymous client
 */
export function* NtOpenThreadTokenEx(
  k: Kernel,
  threadHandle: number,
  desiredAccess: number,
  attributes: number,
): Blocking<NtResult<number>> {
  const mode = KeGetPreviousMode(k);
  const type = k.se.upcalls.threadType();
  const thread = ObReferenceObjectByHandle<ObThread>(k, threadHandle, THREAD_QUERY_INFORMATION, type, mode);
  if (!thread.ok) return thread;
  const opened = openImpersonated(k, thread.value, desiredAccess, attributes);
  yield* ObDereferenceObject(k, thread.value);
  return opened;
}

export function NtOpenThreadToken(k: Kernel, threadHandle: number, desiredAccess: number): Blocking<NtResult<number>> {
  return NtOpenThreadTokenEx(k, threadHandle, desiredAccess, 0);
}

function openImpersonated(k: Kernel, thread: ObThread, desiredAccess: number, attributes: number): NtResult<number> {
  const impersonation = k.se.upcalls.impersonation(thread);
  if (impersonation === null) return failure(STATUS_NO_TOKEN);
  if (impersonation.level === ImpersonationLevel.Anonymous) return failure(STATUS_CANT_OPEN_ANONYMOUS);
  return ObOpenObjectByPointer(k, impersonation.token, desiredAccess, attributes, KeGetPreviousMode(k));
}

/** What a token query answers: the structure if it fits, and always how long it is. */
export interface TokenQueryResult {
  /** SUCCESS, or BUFFER_TOO_SMALL with no bytes. */
  readonly status: NtStatus;
  readonly bytes: Uint8Array;
  readonly returnLength: number;
}

/** Queries a token.
 * @param base user address at which the structure will lie; pointers in it are relative to that
 */
export function NtQueryInformationToken(
  k: Kernel,
  handle: number,
  informationClass: number,
  base: number,
  length: number,
): Blocking<NtResult<TokenQueryResult>> {
  const access = informationClass === TokenInformationClass.Source ? TOKEN_QUERY_SOURCE : TOKEN_QUERY;
  const query = (token: Token): NtResult<TokenQueryResult> => queryToken(token, informationClass, base, length);
  const pseudo = pseudoToken(k, handle);
  return pseudo === null ? onToken(k, handle, access, query) : answerAtOnce(pseudo, query);
}

function queryToken(token: Token, informationClass: number, base: number, length: number): NtResult<TokenQueryResult> {
  const information = tokenInformation(token, informationClass, base);
  if (!information.ok) return information;
  const returnLength = information.value.length;
  if (returnLength <= length) return success({ status: STATUS_SUCCESS, bytes: information.value, returnLength });
  return success({ status: STATUS_BUFFER_TOO_SMALL, bytes: new Uint8Array(0), returnLength });
}

/** Stand for the token of the current process, of the current thread, and of whichever is in force. */
const CURRENT_PROCESS_TOKEN = 0xfffffffc;
const CURRENT_THREAD_TOKEN = 0xfffffffb;
const CURRENT_EFFECTIVE_TOKEN = 0xfffffffa;

/** What a pseudo-handle stands for; null if it is no pseudo-handle. Only queries accept them. */
function pseudoToken(k: Kernel, handle: number): NtResult<Token> | null {
  const unsigned = handle >>> 0;
  if (unsigned < CURRENT_EFFECTIVE_TOKEN || unsigned > CURRENT_PROCESS_TOKEN) return null;
  const thread = KeGetCurrentThread(k);
  assert(thread instanceof ObThread, "a thread that asks for its token is an executive thread");
  const impersonation = unsigned === CURRENT_PROCESS_TOKEN ? null : k.se.upcalls.impersonation(thread);
  if (impersonation !== null) return success(impersonation.token);
  return unsigned === CURRENT_THREAD_TOKEN ? failure(STATUS_NO_TOKEN) : success(k.se.upcalls.peekPrimaryToken(thread));
}

// eslint-disable-next-line require-yield
function* answerAtOnce<R>(token: NtResult<Token>, act: (token: Token) => NtResult<R>): Blocking<NtResult<R>> {
  return token.ok ? act(token.value) : token;
}

/** Arguments of {@link NtAdjustPrivilegesToken}. */
export interface AdjustPrivileges {
  readonly disableAll: boolean;
  readonly privileges: readonly LuidAndAttributes[];
}

/** SUCCESS, or NOT_ALL_ASSIGNED if the token lacks some; and what the changed ones were before. */
export interface AdjustedPrivileges {
  readonly status: NtStatus;
  readonly previous: readonly LuidAndAttributes[];
}

/** Enables, disables or removes privileges. */
export function NtAdjustPrivilegesToken(
  k: Kernel,
  handle: number,
  args: AdjustPrivileges,
): Blocking<NtResult<AdjustedPrivileges>> {
  return onToken(k, handle, TOKEN_ADJUST_PRIVILEGES, (token) => success(adjust(k, token, args)));
}

function adjust(k: Kernel, token: Token, args: AdjustPrivileges): AdjustedPrivileges {
  const wanted = args.disableAll ? token.privileges.map(({ luid }) => ({ luid, attributes: 0 })) : args.privileges;
  const previous: LuidAndAttributes[] = [];
  let missing = false;
  for (const { luid, attributes } of wanted) {
    const held = token.findPrivilege(luid);
    if (held === null) {
      // Removing what is not there is no failure.
      missing ||= (attributes & SE_PRIVILEGE_REMOVED) === 0;
      continue;
    }
    const before = held.attributes;
    const enabled = (attributes & SE_PRIVILEGE_ENABLED) !== 0;
    const after = (before & SE_PRIVILEGE_ENABLED_BY_DEFAULT) | (enabled ? SE_PRIVILEGE_ENABLED : 0);
    const remove = (attributes & SE_PRIVILEGE_REMOVED) !== 0;
    if (!remove && after === before) continue;
    previous.push({ luid, attributes: before });
    held.attributes = after;
    if (remove) token.privileges = token.privileges.filter((privilege) => privilege !== held);
  }
  if (previous.length > 0) token.modifiedId = ExAllocateLocallyUniqueId(k);
  return { status: missing ? STATUS_NOT_ALL_ASSIGNED : STATUS_SUCCESS, previous };
}

/** Whether a token has privileges enabled. */
export function NtPrivilegeCheck(
  k: Kernel,
  handle: number,
  wanted: readonly LuidAndAttributes[],
  options: { readonly all: boolean },
): Blocking<NtResult<PrivilegeCheck>> {
  // The token is asked whatever the mode of the caller: it need not be the caller's own.
  return onToken(k, handle, TOKEN_QUERY, (token) => success(SePrivilegeCheck(token, wanted, { ...options, mode: 1 })));
}

/** Arguments of {@link NtDuplicateToken}. */
export interface DuplicateToken {
  /** 0 asks for the rights of the source handle. */
  readonly desiredAccess: number;
  readonly attributes: number;
  readonly type: number;
  /** Of the new token, if it is for impersonation. */
  readonly level: number;
  readonly effectiveOnly: boolean;
}

/** A handle to a copy of a token.
 * @returns BAD_IMPERSONATION_LEVEL if the copy could do more than the original
 */
export function* NtDuplicateToken(k: Kernel, handle: number, args: DuplicateToken): Blocking<NtResult<number>> {
  const { type, level, effectiveOnly } = args;
  if (type !== TokenPrimary && type !== TokenImpersonation) return failure(STATUS_INVALID_PARAMETER);
  if (!isLevel(level)) return failure(STATUS_BAD_IMPERSONATION_LEVEL);
  const source = referenceHandle<Token>(k, handle, SeTokenObjectType(k), KeGetPreviousMode(k));
  if (!source.ok) return source;
  const sourceAccess = source.value.grantedAccess;
  yield* ObDereferenceObject(k, source.value.object);
  const copied = yield* onToken(k, handle, TOKEN_DUPLICATE, (token) => {
    const refused = checkLevel(token, type, level);
    return refused === STATUS_SUCCESS
      ? SeDuplicateToken(k, token, { type, level, effectiveOnly })
      : failure<Token>(refused);
  });
  if (!copied.ok) return copied;
  const access = args.desiredAccess === 0 ? sourceAccess : args.desiredAccess;
  const opened = ObOpenObjectByPointer(k, copied.value, access, args.attributes, KeGetPreviousMode(k));
  yield* ObDereferenceObject(k, copied.value);
  return opened;
}

function isLevel(level: number): level is ImpersonationLevel {
  return level >= ImpersonationLevel.Anonymous && level <= ImpersonationLevel.Delegation;
}

/** An impersonation token begets none of a higher level, and no primary token below the Impersonation level. */
function checkLevel(token: Token, type: TokenType, level: ImpersonationLevel): NtStatus {
  if (token.type === TokenPrimary) return STATUS_SUCCESS;
  const needed = type === TokenPrimary ? ImpersonationLevel.Impersonation : level;
  return needed > token.level ? STATUS_BAD_IMPERSONATION_LEVEL : STATUS_SUCCESS;
}

function onToken<R>(
  k: Kernel,
  handle: number,
  access: number,
  act: (token: Token) => NtResult<R>,
): Blocking<NtResult<R>> {
  return actOnObject<Token, R>(k, SeTokenObjectType(k), handle, access, act);
}
