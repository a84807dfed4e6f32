/** The process environment block and process parameters of i386 user mode: offsets in bytes. */

export const PEB = {
  beingDebugged: 0x02,
  imageBaseAddress: 0x08,
  ldr: 0x0c,
  processParameters: 0x10,
  processHeap: 0x18,
  apiSetMap: 0x38,
  numberOfProcessors: 0x64,
  ntGlobalFlag: 0x68,
  criticalSectionTimeout: 0x70,
  heapSegmentReserve: 0x78,
  heapSegmentCommit: 0x7c,
  heapDeCommitTotalFreeThreshold: 0x80,
  heapDeCommitFreeBlockThreshold: 0x84,
  osMajorVersion: 0xa4,
  osMinorVersion: 0xa8,
  osBuildNumber: 0xac,
  osPlatformId: 0xb0,
  imageSubsystem: 0xb4,
  imageSubsystemMajorVersion: 0xb8,
  imageSubsystemMinorVersion: 0xbc,
  sessionId: 0x1d4,
  bytes: 0x1000,
} as const;

/** Wine's ntdll keeps its debug channels in the page behind the PEB. */
export const WINE_DEBUG_PAGE = 0x1000;

/** Windows 7, which is what most programs of the i386 age expect. */
export const OS_VERSION = { major: 6, minor: 1, build: 7601, platform: 2 } as const;

/** `RTL_USER_PROCESS_PARAMETERS`. */
export const PROCESS_PARAMETERS = {
  maximumLength: 0x00,
  length: 0x04,
  flags: 0x08,
  consoleHandle: 0x10,
  standardInput: 0x18,
  standardOutput: 0x1c,
  standardError: 0x20,
  currentDirectory: 0x24,
  currentDirectoryHandle: 0x2c,
  dllPath: 0x30,
  imagePathName: 0x38,
  commandLine: 0x40,
  environment: 0x48,
  windowTitle: 0x70,
  desktopInfo: 0x78,
  shellInfo: 0x80,
  runtimeData: 0x88,
  environmentSize: 0x290,
  /** First byte behind the fixed part. */
  bytes: 0x2a4,
} as const;
export const PROCESS_PARAMETERS_NORMALIZED = 1;
