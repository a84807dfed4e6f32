/**
 * System services on processes and threads that need no knowledge of the processor: ending, suspending, alerting and
 * opening them. Every pointer is captured or probed before anything is done.
 */
import { STATUS_SUCCESS, type NtResult, type NtStatus } from "../../abi/status.ts";
import type { Kernel } from "../../kernel.ts";
import { NtTerminateProcess, NtTerminateThread } from "../../ps/killservices.ts";
import {
  NtAlertThread,
  NtAlertThreadByThreadId,
  NtDelayExecution,
  NtQueueApcThread,
  NtResumeThread,
  NtSuspendThread,
  NtTestAlert,
  NtWaitForAlertByThreadId,
  NtYieldExecution,
} from "../../ps/threadservices.ts";
import { NtRegisterThreadTerminatePort } from "../../ps/terminationport.ts";
import { NtOpenProcess, NtOpenThread, NtResumeProcess, NtSuspendProcess } from "../../ps/open.ts";
import { ntStatus } from "../../abi/status.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { answer, capture, probeOut, readObjectAttributes, readTimeout } from "../capture.ts";
import type { NtService, ServiceArguments } from "../table.ts";

/** A service that answers a previous count through an optional pointer, which is probed before the count changes. */
function* counted(k: Kernel, out: number, change: () => Blocking<NtResult<number>>): Blocking<NtStatus> {
  const user = capture(k);
  probeOut(user, out);
  if (user.faulted) return user.status;
  return answer(k, out, yield* change());
}

function* openById(
  k: Kernel,
  a: ServiceArguments,
  open: (kernel: Kernel, request: OpenRequest) => Blocking<NtResult<number>>,
): Blocking<NtStatus> {
  const [out = 0, desiredAccess = 0, attributesPointer = 0, clientIdPointer = 0] = a;
  const user = capture(k);
  probeOut(user, out);
  const attributes = readObjectAttributes(user, attributesPointer);
  const hasClientId = clientIdPointer !== 0;
  const pid = hasClientId ? user.readU32(clientIdPointer) : 0;
  const tid = hasClientId ? user.readU32(clientIdPointer + 4) : 0;
  if (user.faulted) return user.status;
  if (!attributes.ok) return attributes.status;
  const clientId = hasClientId ? { pid, tid } : null;
  return answer(k, out, yield* open(k, { desiredAccess, attributes: attributes.value, clientId }));
}

type OpenRequest = Parameters<typeof NtOpenProcess>[1];

function delay(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [alertable = 0, intervalPointer = 0] = a;
  const user = capture(k);
  const interval = readTimeout(k, user, intervalPointer);
  if (user.faulted) return user.status;
  return NtDelayExecution(k, (alertable & 0xff) !== 0, interval);
}

function waitForAlert(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const user = capture(k);
  const timeout = readTimeout(k, user, a[1] ?? 0);
  if (user.faulted) return user.status;
  return NtWaitForAlertByThreadId(k, timeout);
}

function queueApc(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, routine = 0, context = 0, argument1 = 0, argument2 = 0] = a;
  return NtQueueApcThread(k, handle, { routine, context, argument1, argument2 });
}

export const threadServices: readonly NtService[] = [
  { name: "NtTerminateProcess", arguments: 2, handler: (k, [h = 0, s = 0]) => NtTerminateProcess(k, h, ntStatus(s)) },
  { name: "NtTerminateThread", arguments: 2, handler: (k, [h = 0, s = 0]) => NtTerminateThread(k, h, ntStatus(s)) },
  {
    name: "NtSuspendThread",
    arguments: 2,
    handler: (k, [h = 0, out = 0]) => counted(k, out, () => NtSuspendThread(k, h)),
  },
  {
    name: "NtResumeThread",
    arguments: 2,
    handler: (k, [h = 0, out = 0]) => counted(k, out, () => NtResumeThread(k, h)),
  },
  {
    name: "NtAlertResumeThread",
    arguments: 2,
    handler: (k, [h = 0, out = 0]) => counted(k, out, () => alertResume(k, h)),
  },
  { name: "NtSuspendProcess", arguments: 1, handler: (k, [h = 0]) => NtSuspendProcess(k, h) },
  { name: "NtResumeProcess", arguments: 1, handler: (k, [h = 0]) => NtResumeProcess(k, h) },
  { name: "NtQueueApcThread", arguments: 5, handler: queueApc },
  { name: "NtAlertThread", arguments: 1, handler: (k, [h = 0]) => NtAlertThread(k, h) },
  { name: "NtTestAlert", arguments: 0, handler: NtTestAlert },
  { name: "NtDelayExecution", arguments: 2, handler: delay },
  { name: "NtYieldExecution", arguments: 0, handler: NtYieldExecution },
  { name: "NtWaitForAlertByThreadId", arguments: 2, handler: waitForAlert },
  { name: "NtAlertThreadByThreadId", arguments: 1, handler: (k, [tid = 0]) => NtAlertThreadByThreadId(k, tid) },
  { name: "NtOpenProcess", arguments: 4, handler: (k, a) => openById(k, a, NtOpenProcess) },
  { name: "NtOpenThread", arguments: 4, handler: (k, a) => openById(k, a, NtOpenThread) },
  {
    name: "NtRegisterThreadTerminatePort",
    arguments: 1,
    handler: (k, [h = 0]) => NtRegisterThreadTerminatePort(k, h),
  },
  { name: "NtFlushProcessWriteBuffers", arguments: 0, handler: () => STATUS_SUCCESS },
];

function* alertResume(k: Kernel, handle: number): Blocking<NtResult<number>> {
  const status = yield* NtAlertThread(k, handle);
  if (status !== STATUS_SUCCESS) return { ok: false, status };
  return yield* NtResumeThread(k, handle);
}
