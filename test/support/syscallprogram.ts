/**
 * A program that does nothing but make system calls that were chosen beforehand: each thread works through its part of a
 * table of calls. Exceptions are swallowed, so that only a kill ends a thread before its part is done.
 */
import { allServices } from "../../src/machine/services.ts";
import { builtinEnvironment } from "./machine.ts";
import {
  IMAGE_BASE,
  MachineCode,
  SECTION_CODE,
  SECTION_READ,
  SECTION_WRITE,
  TEXT_RVA,
  writeProgram,
} from "./program.ts";
import { type Random, randomFrom } from "./random.ts";
import {
  argumentOf,
  attributesOf,
  CALL_BYTES,
  CALL_WORDS,
  type ArgumentKind,
  type CodeAddresses,
  DATA_RVA,
  hostileData,
  KEPT_HANDLES,
  KEPT_MARK,
  PARAMETERS_ADDRESS,
  regionAddress,
  SIZE_ADDRESS,
  wildWord,
} from "./syscallpools.ts";

const CALLS_RVA = 0x10000;
const CALLS = IMAGE_BASE + CALLS_RVA;
const END = 0xffffffff;

const ALL_ACCESS = 0x1fffff;
const INHERIT_HANDLES = 4;
const OWN_PROCESS = 0xffffffff;
const OWN_THREAD = 0xfffffffe;
const SCRATCH_WORD = PARAMETERS_ADDRESS + 4;
const PART_WORD = PARAMETERS_ADDRESS + 0x10;

/** How the calls are spread: each thread of the parent has a part, and each of the child. */
const THREADS = 5;
const PARTS = 2 * THREADS;

/** The kinds of the arguments of each service; see `ArgumentKind`. */
const SIGNATURES: ReadonlyMap<string, string> = new Map(
  [
    ...["NtAllocateVirtualMemory pRzZMP", "NtFreeVirtualMemory pRZM", "NtProtectVirtualMemory pRZPo"],
    ...["NtQueryVirtualMemory pmkbqo", "NtReadVirtualMemory pmblo", "NtWriteVirtualMemory pbblo"],
    ...["NtFlushInstructionCache pml", "NtCreateSection oaATPGy", "NtOpenSection oaA", "NtMapViewOfSection 5pRzzzZnzP"],
    ...["NtUnmapViewOfSection pm", "NtQuerySection 5kbqo", "NtClose h", "NtDuplicateObject phpoazn"],
    ...["NtWaitForSingleObject hnT", "NtWaitForMultipleObjects nHnnT", "NtSignalAndWaitForSingleObject 0hnT"],
    ...[
      "NtCreateEvent oaAnn",
      "NtOpenEvent oaA",
      "NtSetEvent 0o",
      "NtResetEvent 0o",
      "NtPulseEvent 0o",
      "NtClearEvent 0",
    ],
    ...["NtQueryEvent 0kbqo", "NtCreateMutant oaAn", "NtOpenMutant oaA", "NtReleaseMutant 1o", "NtQueryMutant 1kbqo"],
    ...["NtCreateSemaphore oaAnn", "NtOpenSemaphore oaA", "NtReleaseSemaphore 2no", "NtQuerySemaphore 2kbqo"],
    ...["NtCreateTimer oaAn", "NtOpenTimer oaA", "NtSetTimer 3Trxnno", "NtCancelTimer 3o", "NtQueryTimer 3kbqo"],
    ...["NtCreateKeyedEvent oaAn", "NtOpenKeyedEvent oaA", "NtWaitForKeyedEvent 4bnT", "NtReleaseKeyedEvent 4bnT"],
    ...["NtTerminateProcess px", "NtTerminateThread tx", "NtSuspendThread to", "NtResumeThread to"],
    ...[
      "NtAlertResumeThread to",
      "NtSuspendProcess h",
      "NtResumeProcess p",
      "NtQueueApcThread trxxx",
      "NtAlertThread t",
    ],
    ...["NtTestAlert ", "NtDelayExecution nT", "NtYieldExecution ", "NtWaitForAlertByThreadId xT"],
    ...["NtAlertThreadByThreadId h", "NtOpenProcess oaAH", "NtOpenThread oaAH", "NtRegisterThreadTerminatePort h"],
    ...["NtFlushProcessWriteBuffers ", "NtQueryInformationThread tcblo", "NtSetInformationThread tcbl"],
    ...["NtQueryInformationProcess pcblo", "NtSetInformationProcess pcbl", "NtQuerySystemInformation cblo"],
    ...["NtQuerySystemTime o", "NtQueryPerformanceCounter oo", "NtQueryTimerResolution ooo", "NtGetTickCount "],
    ...["NtQueryDefaultLocale no", "NtQueryDefaultUILanguage o", "NtQueryInstallUILanguage o"],
    ...["NtCreateFile oaAozznnFzz", "NtOpenFile oaAonF", "NtReadFile 6zrxoblTz", "NtWriteFile 6zrxoblTz"],
    ...["NtFlushBuffersFile 6o", "NtFsControlFile 6zrxolblbl", "NtDeviceIoControlFile 6zrxolblbl"],
    ...["NtQueryInformationFile 6obqc", "NtSetInformationFile 6obqc", "NtQueryVolumeInformationFile 6obqc"],
    ...["NtQueryDirectoryFile 7zrxoblnnzn", "NtQueryAttributesFile Ab", "NtQueryFullAttributesFile Ab"],
    ...["NtCreateKey oaAzUzo", "NtOpenKey oaA", "NtOpenKeyEx oaAn", "NtDeleteKey 8", "NtFlushKey 8"],
    ...["NtNotifyChangeKey 8zrxofnbln", "NtSetValueKey 8Unnbq", "NtDeleteValueKey 8U", "NtQueryValueKey 8Unbqo"],
    ...["NtEnumerateKey 8nnblo", "NtEnumerateValueKey 8nnblo", "NtQueryKey 8nblo"],
    ...["NtOpenProcessToken pao", "NtOpenProcessTokenEx pafo", "NtOpenThreadToken tano", "NtOpenThreadTokenEx tanfo"],
    ...["NtQueryInformationToken 9cblo", "NtContinue Cn", "NtRaiseException ECn", "NtGetContextThread tC"],
    ...["NtSetContextThread tC", "NtCreateThreadEx oaApeSzzssL", "NtCreateUserProcess ooaaAAnnbbL"],
    ...["NtAdjustPrivilegesToken 9nbqbo", "NtPrivilegeCheck 9bo", "NtDuplicateToken 9aAnno"],
    ...["NtCreateDirectoryObject oaA", "NtOpenDirectoryObject oaA", "NtCreateSymbolicLinkObject oaAU"],
    ...["NtOpenSymbolicLinkObject oaA", "NtQuerySymbolicLinkObject jUo", "NtMakeTemporaryObject h"],
    ...["NtQueryObject hkbqo", "NtSetInformationObject hkbq", "NtCreateIoCompletion oaAn", "NtOpenIoCompletion oaA"],
    ...["NtSetIoCompletion ixxxx", "NtRemoveIoCompletion ioooT", "NtRemoveIoCompletionEx ibnoTn"],
    ...["NtQueryIoCompletion ikbqo", "NtLockFile 6zrxoTTznn", "NtUnlockFile 6oTTz", "NtCancelIoFile 6o"],
    ...["NtCancelIoFileEx 6zo", "NtDeleteFile A"],
    ...["NtCreatePort oAnln", "NtCreateWaitablePort oAnln", "NtConnectPort oUbVWobo", "NtSecureConnectPort oUbVzWobo"],
    ...["NtAcceptConnectPort oxQnVW", "NtCompleteConnectPort h", "NtListenPort hb", "NtRequestPort dQ"],
    ...["NtRequestWaitReplyPort dQb", "NtReplyPort dQ", "NtReplyWaitReplyPort dQ", "NtReplyWaitReceivePort dobb"],
    ...["NtReplyWaitReceivePortEx dozbT", "NtImpersonateClientOfPort hQ", "NtReadRequestData hQnblo"],
    ...["NtWriteRequestData hQnblo", "NtQueryInformationPort dkblo"],
    ...["NtCreateJobObject oaA", "NtOpenJobObject oaA", "NtAssignProcessToJobObject hp", "NtTerminateJobObject hx"],
    ...["NtIsProcessInJob ph", "NtQueryInformationJobObject hcblo", "NtSetInformationJobObject hcbl"],
    ...["NtInitializeNlsFiles oob", "NtGetNlsSectionPtr nnboo"],
  ].map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)] as const),
);

/** Calls that end the fuzz, or hold it up: each is made once for this many of another. */
const RARE: ReadonlyMap<string, number> = new Map([
  ["NtTerminateProcess", 60],
  ["NtTerminateThread", 12],
  ["NtSuspendProcess", 30],
  ["NtSuspendThread", 12],
  ["NtWaitForKeyedEvent", 4],
  ["NtReleaseKeyedEvent", 4],
  ["NtContinue", 4],
  ["NtRaiseException", 4],
  ["NtUnmapViewOfSection", 6],
  // Who waits for a message or a reply without a time-out may wait for ever.
  ["NtConnectPort", 6],
  ["NtSecureConnectPort", 6],
  ["NtListenPort", 12],
  ["NtRequestWaitReplyPort", 8],
  ["NtReplyWaitReplyPort", 6],
  ["NtReplyWaitReceivePort", 12],
]);

interface Callable {
  readonly number: number;
  readonly name: string;
  readonly kinds: readonly ArgumentKind[];
}

/** Every service of the built-in ntdll. A service without a signature gets anything. */
export function callableServices(): readonly Callable[] {
  const words = new Map(
    allServices(() => {
      throw new Error("only names and sizes are asked for");
    }).map((service) => [service.name, service.arguments]),
  );
  return builtinEnvironment().serviceNames.flatMap((name, number) => {
    if (name === undefined) return [];
    const signature = SIGNATURES.get(name) ?? "x".repeat(words.get(name) ?? 0);
    return [{ number, name, kinds: signature.split("") as ArgumentKind[] }];
  });
}

function serviceNumber(services: readonly Callable[], name: string): number {
  const service = services.find((candidate) => candidate.name === name);
  if (service === undefined) throw new Error(`the built-in ntdll has ${name}`);
  return service.number;
}

/** A program whose threads make about `calls` calls in all, in two processes. The seed decides every one. */
export function syscallProgram(seed: number, calls: number): Uint8Array {
  const random = randomFrom(seed);
  const services = callableServices();
  const perPart = Math.ceil(calls / PARTS);
  const callsBytes = CALL_BYTES * (perPart + 1) * PARTS;
  const code = driver(services, CALL_BYTES * (perPart + 1), callsBytes);
  const addresses: CodeAddresses = {
    thread: code.addressOf("thread"),
    apc: code.addressOf("apc"),
    calls: CALLS,
    callsBytes,
  };
  return writeProgram([
    { name: ".text", rva: TEXT_RVA, bytes: code.finish(), characteristics: SECTION_CODE },
    { name: ".data", rva: DATA_RVA, bytes: hostileData(random, addresses), characteristics: SECTION_WRITE },
    {
      name: ".calls",
      rva: CALLS_RVA,
      bytes: callTable(random, services, perPart, addresses),
      characteristics: SECTION_READ,
    },
  ]);
}

function callTable(random: Random, services: readonly Callable[], perPart: number, code: CodeAddresses): Uint8Array {
  const words = new Uint32Array(CALL_WORDS * (perPart + 1) * PARTS);
  let at = 0;
  for (let part = 0; part < PARTS; part++) {
    for (let call = 0; call < perPart; call++, at += CALL_WORDS) {
      const opening = OPENING[call];
      words.set(opening === undefined ? chooseCall(random, services, code) : openingCall(services, opening), at);
    }
    words[at] = END;
    at += CALL_WORDS;
  }
  return new Uint8Array(words.buffer);
}

const TEMPORARY_FILE = "\\??\\C:\\windows\\temp\\a";

/** What each part begins with, so that there are handles of many types. */
const OPENING: readonly (readonly [name: string, ...words: number[]])[] = [
  ["NtCreateEvent", kept(0), 0x1f0003, 0, 1, 0],
  ["NtCreateMutant", kept(1), 0x1f0001, attributesOf("\\BaseNamedObjects\\one"), 0],
  ["NtCreateSemaphore", kept(2), 0x1f0003, 0, 1, 8],
  ["NtCreateTimer", kept(3), 0x1f0003, 0, 1],
  ["NtCreateKeyedEvent", kept(4), 0xf0003, 0, 0],
  ["NtCreateSection", kept(5), 0xf001f, attributesOf("\\BaseNamedObjects\\two"), SIZE_ADDRESS, 4, 0x8000000, 0],
  ["NtCreateFile", kept(6), 0x12019f, attributesOf(TEMPORARY_FILE), SCRATCH_WORD, 0, 0, 7, 3, 0, 0, 0],
  ["NtCreateFile", kept(6), 0x12019f, attributesOf(TEMPORARY_FILE), SCRATCH_WORD, 0, 0, 7, 3, 0x20, 0, 0],
  ["NtOpenFile", kept(7), 0x100001, attributesOf("\\??\\C:\\windows\\temp"), SCRATCH_WORD, 7, 0x21],
  ["NtCreateKey", kept(8), 0xf003f, attributesOf("\\Registry\\Machine\\Software\\Fuzz"), 0, 0, 0, 0],
  ["NtOpenProcessToken", OWN_PROCESS, 0xf01ff, kept(9)],
  ["NtCreateIoCompletion", kept(10), 0x1f0003, 0, 0],
  ["NtCreatePort", kept(12), 0, 260, 0x148, 0],
  ["NtCreateSymbolicLinkObject", kept(11), 0xf0001, attributesOf("\\BaseNamedObjects\\link"), SCRATCH_WORD],
  ...[0, 1, 2, 3].map(
    (index) =>
      [
        ...["NtAllocateVirtualMemory", OWN_PROCESS, regionAddress(index), 0],
        ...[regionAddress(index) + 4, 0x3000, 4],
      ] as [string, ...number[]],
  ),
];

/** Where the handle of a type is kept. */
function kept(type: number): number {
  return KEPT_HANDLES + 4 * type;
}

function openingCall(services: readonly Callable[], [name, ...words]: (typeof OPENING)[number]): number[] {
  return [serviceNumber(services, name), ...words];
}

function chooseCall(random: Random, services: readonly Callable[], code: CodeAddresses): number[] {
  if (random.oneIn(50)) return Array.from({ length: CALL_WORDS }, () => wildWord(random) & 0x7fffffff);
  // Half of the calls are as good as we can make them; in the others every fourth argument is anything at all.
  const polite = random.oneIn(2);
  for (;;) {
    const { number, name, kinds } = random.pick(services);
    if (!random.oneIn(RARE.get(name) ?? 1)) continue;
    const choose = (kind: ArgumentKind): number =>
      polite || !random.oneIn(4) ? argumentOf(kind, random, code) : wildWord(random);
    return [number, ...kinds.map(choose)];
  }
}

/** The machine code: starts a child process if it may, then the threads, and in each of them the loop. */
function driver(services: readonly Callable[], partBytes: number, callsBytes: number): MachineCode {
  const code = new MachineCode();
  const number = (name: string): number => serviceNumber(services, name);
  // mov eax,[esp+4]; mov eax,[eax+10h]; mov [parameters],eax
  code.bytes(0x8b, 0x44, 0x24, 4, 0x8b, 0x40, 0x10, 0xa3).word(PARAMETERS_ADDRESS);
  // The child is this same program; the one that may not have a child takes the second half of the table.
  code.push(0).push(0).bytes(0xff, 0x35).word(PARAMETERS_ADDRESS);
  for (const argument of [0, INHERIT_HANDLES, 0, 0, ALL_ACCESS, ALL_ACCESS, SCRATCH_WORD + 4, SCRATCH_WORD]) {
    code.push(argument);
  }
  code.trap(number("NtCreateUserProcess"), 11);
  // mov ebx,first; test eax,eax; jns +5; mov ebx,second; mov [part],ebx
  code
    .bytes(0xbb)
    .word(CALLS)
    .bytes(0x85, 0xc0, 0x79, 5, 0xbb)
    .word(CALLS + partBytes * THREADS);
  code.bytes(0x89, 0x1d).word(PART_WORD);
  for (let thread = 1; thread < THREADS; thread++) {
    for (const argument of [0, 0, 0, 0, 0]) code.push(argument);
    // mov eax,[part]; add eax,n; push eax
    code
      .bytes(0xa1)
      .word(PART_WORD)
      .bytes(0x05)
      .word(partBytes * thread)
      .bytes(0x50);
    code.bytes(0x68).address("thread");
    for (const argument of [OWN_PROCESS, 0, ALL_ACCESS, SCRATCH_WORD + 8]) code.push(argument);
    code.trap(number("NtCreateThreadEx"), 11);
  }
  // push [part]; call thread
  code.bytes(0xff, 0x35).word(PART_WORD).bytes(0xe8).distance("thread");
  // mov eax,[esp+4]; mov fs:[14h],eax
  code.place("thread").bytes(0x8b, 0x44, 0x24, 4, 0x64, 0xa3).word(0x14);
  emitLoop(code, callsBytes);
  // No thread goes past its end, whatever it did to itself.
  code.place("done").call(number("NtTerminateThread"), OWN_THREAD, 0).bytes(0xe9).distance("done");
  emitHandler(code);
  code.place("apc").bytes(0xc2, 12, 0);
  return code;
}

/** Everything is set up again for each call, since the call before may have spoilt it. */
function emitLoop(code: MachineCode, callsBytes: number): void {
  // mov esp,fs:[4]; sub esp,800h; the handler's frame lies at esp+400h; fs:[0] points to it
  code.place("loop").bytes(0x64, 0x8b, 0x25).word(4).bytes(0x81, 0xec).word(0x800);
  code.bytes(0xc7, 0x84, 0x24).word(0x400).word(0xffffffff);
  code.bytes(0xc7, 0x84, 0x24).word(0x404).address("handler");
  code.bytes(0x8d, 0x84, 0x24).word(0x400).bytes(0x64, 0xa3).word(0);
  // mov ebx,fs:[14h]; leave unless it lies in the table
  code.bytes(0x64, 0x8b, 0x1d).word(0x14);
  code.bytes(0x81, 0xfb).word(CALLS).bytes(0x0f, 0x82).distance("done");
  code
    .bytes(0x81, 0xfb)
    .word(CALLS + callsBytes)
    .bytes(0x0f, 0x83)
    .distance("done");
  // add dword fs:[14h],n; mov eax,[ebx]; cmp eax,-1; je done
  code.bytes(0x64, 0x83, 0x05).word(0x14).bytes(CALL_BYTES, 0x8b, 0x03, 0x83, 0xf8, 0xff, 0x0f, 0x84).distance("done");
  // lea esi,[ebx+4]; sub esp,50h; lea edi,[esp+4]; mov ecx,n; cld; rep movsd; int 2Eh
  code.bytes(0x8d, 0x73, 4, 0x83, 0xec, 0x50, 0x8d, 0x7c, 0x24, 4, 0xb9).word(CALL_WORDS - 1);
  code.bytes(0xfc, 0xf3, 0xa5);
  // Marks become kept handles. For each word: sub edi,4; mov eax,[edi]; mov edx,eax; shr edx,16; cmp edx,mark
  code.bytes(0xb9).word(CALL_WORDS - 1);
  code.place("next").bytes(0x83, 0xef, 4, 0x8b, 0x07, 0x89, 0xc2, 0xc1, 0xea, 16, 0x81, 0xfa).word(KEPT_MARK);
  // jne over; movzx eax,ax; mov eax,[eax+kept]; mov [edi],eax; over: dec ecx; jnz next; mov eax,[ebx]; int 2Eh
  code.bytes(0x75, 11, 0x0f, 0xb7, 0xc0, 0x8b, 0x80).word(KEPT_HANDLES).bytes(0x89, 0x07);
  code.bytes(0x49, 0x0f, 0x85).distance("next").bytes(0x8b, 0x03, 0xcd, 0x2e, 0xe9).distance("loop");
}

/** Goes on with the next call, on a clean stack. */
function emitHandler(code: MachineCode): void {
  code.place("handler").bytes(0x8b, 0x44, 0x24, 0x0c);
  code.bytes(0xc7, 0x80).word(0xb8).address("loop");
  code.bytes(0x64, 0x8b, 0x0d).word(4).bytes(0x81, 0xe9).word(0x800).bytes(0x89, 0x88).word(0xc4);
  // and dword [eax+0C0h],~TF; xor eax,eax; ret
  code.bytes(0x81, 0xa0).word(0xc0).word(0xfffffeff).bytes(0x31, 0xc0, 0xc3);
}
