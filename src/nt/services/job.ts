/** System services on jobs. Class, then length, then pointer, then handle are looked at, as Windows does. */
import {
  type NtStatus,
  ntStatus,
  STATUS_BUFFER_OVERFLOW,
  STATUS_DATATYPE_MISALIGNMENT,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_SUCCESS,
  success,
} from "../../abi/status.ts";
import type { Kernel } from "../../kernel.ts";
import { NtAssignProcessToJobObject } from "../../ps/jobassign.ts";
import { NtQueryInformationJobObject, NtSetInformationJobObject } from "../../ps/jobinfo.ts";
import { NtCreateJobObject, NtIsProcessInJob, NtOpenJobObject, NtTerminateJobObject } from "../../ps/jobservices.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { capture } from "../capture.ts";
import { createByAttributes, openByAttributes } from "../create.ts";
import type { NtService, ServiceArguments } from "../table.ts";
import { missingClass } from "./jobclass.ts";
import { JOB_QUERIES, type JobQuery } from "./jobquery.ts";
import { JOB_SETTINGS } from "./jobset.ts";

/** More than so many ids are never answered with: there are not so many processes. */
const MOST_BYTES = 0x40000;

function query(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [handle = 0, informationClass = 0, address = 0, given = 0, returnLength = 0] = a;
  const found = JOB_QUERIES.get(informationClass);
  if (found === undefined) return missingClass(k, "NtQueryInformationJobObject", informationClass);
  if (found.variable ? given < found.bytes : given !== found.bytes) return STATUS_INFO_LENGTH_MISMATCH;
  const length = Math.min(given, MOST_BYTES);
  const user = capture(k);
  if ((address & 3) !== 0) return STATUS_DATATYPE_MISALIGNMENT;
  user.probeWrite(address, length);
  if (returnLength !== 0) user.probeWrite(returnLength, 4);
  if (user.faulted) return user.status;
  return queryJob(k, handle, found, { address, length, returnLength });
}

interface Buffer {
  readonly address: number;
  readonly length: number;
  readonly returnLength: number;
}

function* queryJob(k: Kernel, handle: number, query: JobQuery, buffer: Buffer): Blocking<NtStatus> {
  const answer = yield* NtQueryInformationJobObject(k, handle, (job) => success(query.encode(job, buffer.length)));
  if (!answer.ok) return answer.status;
  const { bytes, complete } = answer.value;
  const user = capture(k);
  user.writeBytes(buffer.address, bytes);
  if (buffer.returnLength !== 0) user.writeU32(buffer.returnLength, bytes.length);
  if (user.faulted) return user.status;
  return complete ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

function set(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [handle = 0, informationClass = 0, address = 0, length = 0] = a;
  const found = JOB_SETTINGS.get(informationClass);
  if (found === undefined) return missingClass(k, "NtSetInformationJobObject", informationClass);
  if (length !== found.bytes) return STATUS_INFO_LENGTH_MISMATCH;
  if ((address & 3) !== 0) return STATUS_DATATYPE_MISALIGNMENT;
  const user = capture(k);
  const setting = found.decode(user, address);
  return user.faulted ? user.status : NtSetInformationJobObject(k, handle, setting);
}

export const jobServices: readonly NtService[] = [
  {
    name: "NtCreateJobObject",
    arguments: 3,
    handler: (k, a) =>
      createByAttributes(k, a, (attributes, [, access = 0]) => NtCreateJobObject(k, access, attributes)),
  },
  { name: "NtOpenJobObject", arguments: 3, handler: (k, a) => openByAttributes(k, a, NtOpenJobObject) },
  {
    name: "NtAssignProcessToJobObject",
    arguments: 2,
    handler: (k, [job = 0, process = 0]) => NtAssignProcessToJobObject(k, job, process),
  },
  {
    name: "NtTerminateJobObject",
    arguments: 2,
    handler: (k, [job = 0, status = 0]) => NtTerminateJobObject(k, job, ntStatus(status)),
  },
  {
    name: "NtIsProcessInJob",
    arguments: 2,
    handler: (k, [process = 0, job = 0]) => NtIsProcessInJob(k, process, job),
  },
  { name: "NtQueryInformationJobObject", arguments: 5, handler: query },
  { name: "NtSetInformationJobObject", arguments: 4, handler: set },
];
