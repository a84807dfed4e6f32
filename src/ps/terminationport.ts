/**
 * Termination ports: a thread registers ports, and when it dies their servers are told (CLIENT_DIED). A thread that has
 * registered none tells the exception port of its process.
 *
 * Invariant: a registration owns one reference on its port, a block of pool and the quota for it, until its notice has
 * been sent or given up.
 */
import { LpcMessageType } from "../abi/lpc.ts";
import { CT_DEAD_THREAD, PORT_ALL_ACCESS, TAG_TERMINATION_PORT } from "../abi/ps.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_NO_MEMORY,
  STATUS_QUOTA_EXCEEDED,
  STATUS_SUCCESS,
  STATUS_THREAD_IS_TERMINATING,
  success,
} from "../abi/status.ts";
import { ExAllocatePoolWithTag, ExFreePoolWithTag, type PoolBlock } from "../ex/pool.ts";
import { chargeQuota, type QuotaBlock, returnQuota } from "../ex/quota.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import { systemTimeOf } from "../ke/time.ts";
import { KeDelayExecutionThread } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import { LPCP_MESSAGE_BYTES, newClientDiedMessage } from "../lpc/message.ts";
import type { LpcPort } from "../lpc/port.ts";
import { LpcRequestPort } from "../lpc/send.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import type { Blocking } from "../sim/blocking.ts";
import { erratumGap } from "../sim/gap.ts";
import { PsGetCurrentThread } from "./current.ts";
import { hasCrossThreadFlag } from "./flags.ts";
import type { EThread, TerminationPort } from "./objects.ts";
import { skip, step } from "./steps.ts";
import { chargesNobody, leaksStackBytes, triesForEver } from "./terminationporterrata.ts";

/** Pool of a registration, and what it is charged: that, and the notice that it will send. */
const NODE_BYTES = 8;
const CHARGED_BYTES: number = NODE_BYTES + LPCP_MESSAGE_BYTES;
/** `ShortTime`: 100 ms. */
const SHORT_TIME_100NS = 1_000_000;
/** A server whose memory is exhausted for this many tries is not told (D18). */
const MAXIMUM_NOTICE_TRIES = 100;

/**
 * Registers a port whose server is told when the calling thread dies.
 * @returns INVALID_HANDLE, OBJECT_TYPE_MISMATCH, ACCESS_DENIED, INSUFFICIENT_RESOURCES, QUOTA_EXCEEDED
 * @source ntoskrnl/ps/kill.c:1343-1382, NtRegisterThreadTerminatePort
 * @deviates a registration is charged to the quota of the process (D45)
 */
export function* NtRegisterThreadTerminatePort(k: Kernel, handle: number): Blocking<NtStatus> {
  const { portType } = k.lpc;
  const port = ObReferenceObjectByHandle<LpcPort>(k, handle, PORT_ALL_ACCESS, portType, KeGetPreviousMode(k));
  step(k, "RT1", port.ok ? "found" : "refused");
  if (!port.ok) return port.status;
  const thread = PsGetCurrentThread(k);
  const charge = allocateRegistration(k, thread);
  if (!charge.ok) {
    yield* ObDereferenceObject(k, port.value);
    return charge.status;
  }
  thread.terminationPort = { port: port.value, ...charge.value, next: thread.terminationPort };
  step(k, "RT3");
  return STATUS_SUCCESS;
}

function allocateRegistration(
  k: Kernel,
  thread: EThread,
): NtResult<{ readonly block: PoolBlock; readonly quota: QuotaBlock | null }> {
  const quota = chargesNobody(k) ? null : thread.threadsProcess.quotaBlock;
  if (quota !== null && !chargeQuota(quota, "poolBytes", CHARGED_BYTES)) {
    step(k, "RT2", "no-quota");
    return failure(STATUS_QUOTA_EXCEEDED);
  }
  const block = ExAllocatePoolWithTag(k, NODE_BYTES, TAG_TERMINATION_PORT);
  step(k, "RT2", block === null ? "no-memory" : "done");
  if (block !== null) return success({ block, quota });
  if (quota !== null) returnQuota(quota, "poolBytes", CHARGED_BYTES);
  return failure(STATUS_INSUFFICIENT_RESOURCES);
}

function freeRegistration(k: Kernel, { block, quota }: TerminationPort): void {
  ExFreePoolWithTag(k, block, TAG_TERMINATION_PORT);
  if (quota !== null) returnQuota(quota, "poolBytes", CHARGED_BYTES);
}

/**
 * E21 and E22: tells the registered LPC servers, or else the server behind the exception port.
 * @erratum D19 the thread keeps its pointer to registrations that are freed
 */
export function* notifyTerminationPorts(k: Kernel, thread: EThread, exitStatus: NtStatus): Blocking<void> {
  let node = thread.terminationPort;
  if (node !== null) {
    // Taken off first, so that no stale pointer remains for anybody to follow (D19).
    if (!k.sim.errata.has("D19")) thread.terminationPort = null;
    for (; node !== null; node = node.next) {
      const sent = yield* sendClientDied(k, thread, node.port);
      yield* ObDereferenceObject(k, node.port);
      freeRegistration(k, node);
      step(k, "E21", sent ? "sent" : "given-up");
    }
    yield* erratumGap(k, "D19:servers-told");
    return;
  }
  if (hasCrossThreadFlag(thread, CT_DEAD_THREAD) && exitStatus !== STATUS_THREAD_IS_TERMINATING) {
    skip(k, "E22", "dead-thread");
    return;
  }
  const { exceptionPort } = thread.threadsProcess;
  if (exceptionPort === null) {
    skip(k, "E22", "no-port");
    return;
  }
  const sent = yield* sendClientDied(k, thread, exceptionPort);
  step(k, "E22", sent ? "sent" : "given-up");
}

/**
 * Sends one notice, waiting for memory if there is none; any other answer is final.
 * @returns false if there never was memory for it
 */
function* sendClientDied(k: Kernel, thread: EThread, port: LpcPort): Blocking<boolean> {
  const filled = newClientDiedMessage(LpcMessageType.ClientDied, systemTimeOf(thread.createTime));
  const notice = leaksStackBytes(k, thread, filled);
  const most = triesForEver(k) ? Infinity : MAXIMUM_NOTICE_TRIES;
  for (let tries = 0; tries < most; tries++) {
    const status = LpcRequestPort(k, port, notice);
    if (status !== STATUS_NO_MEMORY && status !== STATUS_INSUFFICIENT_RESOURCES) return true;
    yield* KeDelayExecutionThread(k, { mode: 0, alertable: false, timeout100ns: SHORT_TIME_100NS });
  }
  return false;
}
