import { describe, expect, it } from "vitest";
import { buildNtdll, NTDLL_BASE, REQUIRED_SERVICES } from "../../../src/guest/builtin/ntdll.ts";
import { parseImage } from "../../../src/guest/pe.ts";
import { findExport, readExports } from "../../../src/guest/peexports.ts";
import { readImports } from "../../../src/guest/peimports.ts";
import { scanSystemCalls } from "../../../src/guest/syscall-scan.ts";
import { parseBuiltin } from "./ntdllmachine.ts";

const UPCALLS = ["LdrInitializeThunk", "RtlUserThreadStart", "KiUserApcDispatcher", "KiUserExceptionDispatcher"];
const ROUTINES = [
  ...["KiRaiseUserExceptionDispatcher", "RtlExitUserThread", "RtlExitUserProcess", "RtlCreateUserThread"],
  ...[
    "RtlRaiseException",
    "RtlRaiseStatus",
    "RtlUnwind",
    "RtlDispatchException",
    "DbgBreakPoint",
    "DbgUiRemoteBreakin",
  ],
  ...[
    "RtlInitializeCriticalSection",
    "RtlEnterCriticalSection",
    "RtlLeaveCriticalSection",
    "RtlTryEnterCriticalSection",
  ],
  ...[
    "RtlDeleteCriticalSection",
    "RtlInitUnicodeString",
    "RtlAllocateHeap",
    "RtlFreeHeap",
    "memcpy",
    "memset",
    "memmove",
  ],
  ...["memcmp", "strlen", "wcslen", "NtCurrentTeb", "_chkstk", "_alloca_probe", "RundownTlsCallbacks"],
];

describe("the built-in ntdll", () => {
  it("is an image that our own parser takes", () => {
    const image = parseBuiltin();
    expect(image.base).toBe(NTDLL_BASE);
    expect(image.sections.map(({ name }) => name)).toEqual([".data", ".text", ".rdata"]);
    expect(readImports(image)).toEqual({ ok: true, value: [] });
  });

  it("exports every routine, in the order that the loader's search needs", () => {
    const image = parseBuiltin();
    const exported = readExports(image);
    const names = exported.ok ? [...exported.value.keys()] : [];
    expect(names).toEqual([...names].sort());
    expect(names).toEqual(expect.arrayContaining([...UPCALLS, ...ROUTINES]));
    for (const name of names) expect(findExport(image, name)?.name).toBe(name);
    expect(findExport(image, "NtNothing")).toBeNull();
  });

  it("numbers the services as the table does, and the scan finds them again", () => {
    const services = [...REQUIRED_SERVICES];
    while (services.length < 300)
      services.push({ name: `NtExtra${String(services.length)}`, argumentBytes: (services.length % 17) * 4 });
    const parsed = parseImage(buildNtdll(services));
    expect(parsed.ok && scanSystemCalls(parsed.value)).toEqual({
      ok: true,
      value: {
        services: services.map(({ name, argumentBytes }, number) => ({ number, name, argumentBytes })),
        style: "direct",
        argumentOffset: 4,
      },
    });
  });

  it("gives each service its Zw name", () => {
    const image = parseBuiltin();
    expect(findExport(image, "ZwClose")?.rva).toBe(findExport(image, "NtClose")?.rva);
  });

  it("is the same, byte for byte, each time", () => {
    expect(buildNtdll(REQUIRED_SERVICES)).toEqual(buildNtdll(REQUIRED_SERVICES));
  });

  it("is refused without the services that its routines call", () => {
    expect(() => buildNtdll(REQUIRED_SERVICES.slice(1))).toThrow("the table of services holds NtAllocateVirtualMemory");
  });
});
