/** What `NtSetInformationJobObject` takes, in the layouts of 32-bit Windows. */
import { JobInformation } from "../../abi/job.ts";
import type { UserMemory } from "../../mm/usermemory.ts";
import type { JobSetting } from "../../ps/jobinfo.ts";
import type { JobLimitRequest } from "../../ps/joblimits.ts";

export interface JobSettingClass {
  /** Bytes that the buffer must have exactly. */
  readonly bytes: number;
  /** Check `user.faulted` afterwards. */
  readonly decode: (user: UserMemory, address: number) => JobSetting;
}

export const JOB_SETTINGS: ReadonlyMap<number, JobSettingClass> = new Map<number, JobSettingClass>([
  [JobInformation.BasicLimit, { bytes: 48, decode: (user, at) => limits(user, at, { extended: false }) }],
  [JobInformation.ExtendedLimit, { bytes: 112, decode: (user, at) => limits(user, at, { extended: true }) }],
  [
    JobInformation.BasicUIRestrictions,
    { bytes: 4, decode: (user, at) => ({ kind: "ui-restrictions", flags: user.readU32(at) }) },
  ],
  [
    JobInformation.EndOfJobTime,
    { bytes: 4, decode: (user, at) => ({ kind: "end-of-job-time", action: user.readU32(at) }) },
  ],
  [
    JobInformation.AssociateCompletionPort,
    {
      bytes: 8,
      decode: (user, at) => ({ kind: "completion-port", key: user.readU32(at), port: user.readU32(at + 4) }),
    },
  ],
]);

function limits(user: UserMemory, at: number, { extended }: { readonly extended: boolean }): JobSetting {
  const request: JobLimitRequest = {
    perProcessUserTime100ns: BigInt.asIntN(64, user.readU64(at)),
    perJobUserTime100ns: BigInt.asIntN(64, user.readU64(at + 8)),
    flags: user.readU32(at + 16),
    minimumWorkingSetBytes: user.readU32(at + 20),
    maximumWorkingSetBytes: user.readU32(at + 24),
    activeProcesses: user.readU32(at + 28),
    affinity: user.readU32(at + 32),
    priorityClass: user.readU32(at + 36),
    schedulingClass: user.readU32(at + 40),
    processMemoryBytes: extended ? user.readU32(at + 96) : 0,
    jobMemoryBytes: extended ? user.readU32(at + 100) : 0,
  };
  return { kind: "limits", extended, limits: request };
}
