/** Job objects: rights, limits, messages and information classes, as user mode knows them. */

export const JOB_OBJECT_ASSIGN_PROCESS = 0x01;
export const JOB_OBJECT_SET_ATTRIBUTES = 0x02;
export const JOB_OBJECT_QUERY = 0x04;
export const JOB_OBJECT_TERMINATE = 0x08;
export const JOB_OBJECT_SET_SECURITY_ATTRIBUTES = 0x10;
export const JOB_OBJECT_ALL_ACCESS = 0x1f001f;

/** `JOB_OBJECT_LIMIT_*`, without the prefix. */
export const JobLimit = {
  WORKINGSET: 0x0001,
  PROCESS_TIME: 0x0002,
  JOB_TIME: 0x0004,
  ACTIVE_PROCESS: 0x0008,
  AFFINITY: 0x0010,
  PRIORITY_CLASS: 0x0020,
  PRESERVE_JOB_TIME: 0x0040,
  SCHEDULING_CLASS: 0x0080,
  PROCESS_MEMORY: 0x0100,
  JOB_MEMORY: 0x0200,
  DIE_ON_UNHANDLED_EXCEPTION: 0x0400,
  BREAKAWAY_OK: 0x0800,
  SILENT_BREAKAWAY_OK: 0x1000,
  KILL_ON_JOB_CLOSE: 0x2000,
  SUBSET_AFFINITY: 0x4000,
} as const;
/** What `JobObjectBasicLimitInformation` may set. */
export const JOB_OBJECT_BASIC_LIMIT_VALID_FLAGS = 0x00ff;
/** What `JobObjectExtendedLimitInformation` may set. */
export const JOB_OBJECT_EXTENDED_LIMIT_VALID_FLAGS = 0x7fff;
export const JOB_OBJECT_UI_VALID_FLAGS = 0x00ff;

/** `JOB_OBJECT_MSG_*`: what a job tells its completion port, in the number of bytes of the packet. */
export const JobMessage = {
  END_OF_JOB_TIME: 1,
  END_OF_PROCESS_TIME: 2,
  ACTIVE_PROCESS_LIMIT: 3,
  ACTIVE_PROCESS_ZERO: 4,
  NEW_PROCESS: 6,
  EXIT_PROCESS: 7,
  ABNORMAL_EXIT_PROCESS: 8,
  PROCESS_MEMORY_LIMIT: 9,
  JOB_MEMORY_LIMIT: 10,
} as const;
export type JobMessage = (typeof JobMessage)[keyof typeof JobMessage];

/** `JOB_OBJECT_TERMINATE_AT_END_OF_JOB` and `JOB_OBJECT_POST_AT_END_OF_JOB`. */
export const EndOfJobAction = { Terminate: 0, Post: 1 } as const;
export type EndOfJobAction = (typeof EndOfJobAction)[keyof typeof EndOfJobAction];

/** `JOBOBJECTINFOCLASS`. */
export const JobInformation = {
  BasicAccounting: 1,
  BasicLimit: 2,
  BasicProcessIdList: 3,
  BasicUIRestrictions: 4,
  SecurityLimit: 5,
  EndOfJobTime: 6,
  AssociateCompletionPort: 7,
  BasicAndIoAccounting: 8,
  ExtendedLimit: 9,
  JobSet: 10,
  Group: 11,
} as const;
/** Classes from here on exist in no version of Windows. */
export const MAXIMUM_JOB_INFORMATION = 51;

/** `PROCESS_CREATE_FLAGS_BREAKAWAY`. */
export const PROCESS_CREATE_FLAGS_BREAKAWAY = 0x1;
/** Exit status of a process that went over a limit of its job: the Win32 error ERROR_NOT_ENOUGH_QUOTA. */
export const ERROR_NOT_ENOUGH_QUOTA = 1816;
