/**
 * Offsets in the thread and the process environment block of i386 (Windows Server 2003, which every later version kept
 * for the fields named here), and in the data page that all processes share.
 */

/** `TEB`. */
export const Teb = {
  ExceptionList: 0x000,
  StackBase: 0x004,
  StackLimit: 0x008,
  SubSystemTib: 0x00c,
  FiberData: 0x010,
  ArbitraryUserPointer: 0x014,
  Self: 0x018,
  EnvironmentPointer: 0x01c,
  UniqueProcess: 0x020,
  UniqueThread: 0x024,
  ActiveRpcHandle: 0x028,
  ThreadLocalStoragePointer: 0x02c,
  ProcessEnvironmentBlock: 0x030,
  LastErrorValue: 0x034,
  CountOfOwnedCriticalSections: 0x038,
  CsrClientThread: 0x03c,
  Win32ThreadInfo: 0x040,
  WOW32Reserved: 0x0c0,
  CurrentLocale: 0x0c4,
  ExceptionCode: 0x1a4,
  /** In Windows XP the stack itself (list head at +4), later a pointer to it. */
  ActivationContextStack: 0x1a8,
  GdiTebBatch: 0x1d4,
  RealUniqueProcess: 0x6b4,
  RealUniqueThread: 0x6b8,
  LastStatusValue: 0xbf4,
  StaticUnicodeString: 0xbf8,
  StaticUnicodeBuffer: 0xc00,
  DeallocationStack: 0xe0c,
  TlsSlots: 0xe10,
  TlsLinks: 0xf10,
  Vdm: 0xf18,
  DbgSsReserved0: 0xf20,
  DbgSsReserved1: 0xf24,
  HardErrorsAreDisabled: 0xf28,
  GdiBatchCount: 0xf70,
  InDbgPrint: 0xf74,
  /** One byte. */
  FreeStackOnTermination: 0xf75,
  /** One byte. */
  HasFiberData: 0xf76,
  /** One byte. */
  IdealProcessor: 0xf77,
  GuaranteedStackBytes: 0xf78,
  WaitingOnLoaderLock: 0xf84,
  TlsExpansionSlots: 0xf94,
  ImpersonationLocale: 0xf98,
  IsImpersonating: 0xf9c,
  FlsData: 0xfb4,
} as const;

/** Bytes of `StaticUnicodeBuffer`: 261 characters. */
export const STATIC_UNICODE_BUFFER_BYTES = 522;

/** `EXCEPTION_CHAIN_END`: no handler. */
export const EXCEPTION_CHAIN_END = 0xffffffff;

/** `PEB`. */
export const Peb = {
  InheritedAddressSpace: 0x000,
  ReadImageFileExecOptions: 0x001,
  BeingDebugged: 0x002,
  Mutant: 0x004,
  ImageBaseAddress: 0x008,
  Ldr: 0x00c,
  ProcessParameters: 0x010,
  ProcessHeap: 0x018,
  FastPebLock: 0x01c,
  ApiSetMap: 0x038,
  TlsBitmap: 0x040,
  TlsBitmapBits: 0x044,
  AnsiCodePageData: 0x058,
  OemCodePageData: 0x05c,
  UnicodeCaseTableData: 0x060,
  NumberOfProcessors: 0x064,
  NtGlobalFlag: 0x068,
  /** Eight bytes, in 100 ns, negative. */
  CriticalSectionTimeout: 0x070,
  HeapSegmentReserve: 0x078,
  HeapSegmentCommit: 0x07c,
  HeapDeCommitTotalFreeThreshold: 0x080,
  HeapDeCommitFreeBlockThreshold: 0x084,
  NumberOfHeaps: 0x088,
  MaximumNumberOfHeaps: 0x08c,
  ProcessHeaps: 0x090,
  LoaderLock: 0x0a0,
  OSMajorVersion: 0x0a4,
  OSMinorVersion: 0x0a8,
  /** Two bytes. */
  OSBuildNumber: 0x0ac,
  /** Two bytes. */
  OSCSDVersion: 0x0ae,
  OSPlatformId: 0x0b0,
  ImageSubsystem: 0x0b4,
  ImageSubsystemMajorVersion: 0x0b8,
  ImageSubsystemMinorVersion: 0x0bc,
  ActiveProcessAffinityMask: 0x0c0,
  SessionId: 0x1d4,
  /** Where the list of heaps starts when the loader has not moved it. */
  HeapArray: 0x800,
} as const;

/** `KUSER_SHARED_DATA`: one read-only page that every process sees at the same address. */
export const KUserSharedData = {
  Address: 0x7ffe0000,
  TickCountLowDeprecated: 0x000,
  TickCountMultiplier: 0x004,
  /** `KSYSTEM_TIME`: low, high, high again. */
  InterruptTime: 0x008,
  SystemTime: 0x014,
  TimeZoneBias: 0x020,
  ImageNumberLow: 0x02c,
  ImageNumberHigh: 0x02e,
  NtSystemRoot: 0x030,
  NtProductType: 0x264,
  ProductTypeIsValid: 0x268,
  NtMajorVersion: 0x26c,
  NtMinorVersion: 0x270,
  ProcessorFeatures: 0x274,
  AlternativeArchitecture: 0x2c0,
  SuiteMask: 0x2d0,
  KdDebuggerEnabled: 0x2d4,
  NumberOfPhysicalPages: 0x2e8,
  SystemCall: 0x300,
  SystemCallReturn: 0x304,
  TickCount: 0x320,
} as const;
