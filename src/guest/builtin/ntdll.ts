/**
 * The built-in ntdll: a library that exists only in memory, made from a table of system services. It runs native
 * programs without anything that would have to be fetched.
 *
 * What the kernel finds in it by name, beside the services:
 * - `LdrInitializeThunk`: the first code of a thread. Stack: {return address, CONTEXT*, 0, 0, 0}; continues the CONTEXT.
 * - `RtlUserThreadStart`: where that CONTEXT begins. EAX is the thread's routine, EBX its argument.
 * - `KiUserApcDispatcher`: stack {return address, CONTEXT*, argument 1, 2, 3, routine}.
 * - `KiUserExceptionDispatcher`: stack {EXCEPTION_RECORD*, CONTEXT*}.
 * - `KiRaiseUserExceptionDispatcher`: stack {return address}; raises TEB.ExceptionCode.
 * - `DbgUiRemoteBreakin`: the routine of a thread that a debugger starts.
 * - `RundownTlsCallbacks`: a variable to point to the program's table of TLS callbacks, if it has one.
 *
 * Invariant: the image depends on the table only. Making it takes about a millisecond; keep what you get.
 */
import { IMAGE_SCN_MEM_EXECUTE, IMAGE_SCN_MEM_READ, IMAGE_SCN_MEM_WRITE } from "../pe.ts";
import { roundUp } from "../peheaders.ts";
import { DATA_RVA, initialData, NTDLL_BASE, NtdllCode, TEXT_RVA } from "./code.ts";
import { emitCriticalSections } from "./criticalsections.ts";
import { emitExceptions } from "./exceptions.ts";
import { writeExports, writeLibrary } from "./image.ts";
import { emitMemory } from "./memory.ts";
import { emitServices, type ServiceDescription } from "./services.ts";
import { emitThreads } from "./threads.ts";

export { NTDLL_BASE } from "./code.ts";
export { REQUIRED_SERVICES, type ServiceDescription } from "./services.ts";

const IMAGE_SCN_CNT_CODE = 0x20;
const IMAGE_SCN_CNT_INITIALIZED_DATA = 0x40;
const PAGE_BYTES = 0x1000;

/** The file of an ntdll whose service number N is `services[N]`. The table must hold {@link REQUIRED_SERVICES}. */
export function buildNtdll(services: readonly ServiceDescription[]): Uint8Array {
  const code = new NtdllCode();
  emitServices(code, services);
  emitThreads(code);
  emitExceptions(code);
  emitCriticalSections(code);
  emitMemory(code);
  const text = code.finish();

  const exportsRva = TEXT_RVA + roundUp(text.length, PAGE_BYTES);
  const exported = writeExports("ntdll.dll", code.exports, exportsRva);
  const data = IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ;
  return writeLibrary({
    base: NTDLL_BASE,
    sections: [
      { name: ".data", rva: DATA_RVA, characteristics: data | IMAGE_SCN_MEM_WRITE, bytes: initialData() },
      {
        name: ".text",
        rva: TEXT_RVA,
        characteristics: IMAGE_SCN_CNT_CODE | IMAGE_SCN_MEM_READ | IMAGE_SCN_MEM_EXECUTE,
        bytes: text,
      },
      { name: ".rdata", rva: exportsRva, characteristics: data, bytes: exported },
    ],
    exportDirectory: { rva: exportsRva, size: exported.length },
  });
}
