import { describe, expect, it } from "vitest";
import { parseImage, type PeImage } from "../../../src/guest/pe.ts";
import { readRelocations, readTlsDirectory } from "../../../src/guest/pedirectories.ts";
import { findExport, readExports } from "../../../src/guest/peexports.ts";
import { readImports } from "../../../src/guest/peimports.ts";
import { scanSystemCalls } from "../../../src/guest/syscall-scan.ts";
import {
  BSS_RVA,
  DATA_RVA,
  dataOffset,
  IMAGE_BASE,
  putText,
  putWords,
  sampleImage,
  TABLES,
  TEXT_RVA,
} from "./peimages.ts";

const STATUS_INVALID_IMAGE_FORMAT = 0xc000007b;
const DAMAGED = { ok: false, status: STATUS_INVALID_IMAGE_FORMAT };

function image(spoil: (bytes: Uint8Array) => void = () => undefined, changes = {}): PeImage {
  const bytes = sampleImage(changes);
  spoil(bytes);
  const result = parseImage(bytes);
  if (!result.ok) throw new Error(result.reason);
  return result.value;
}

describe("exports", () => {
  it("are read with their ordinals and forwarders", () => {
    const exported = readExports(image());
    expect(exported.ok && [...exported.value.values()]).toEqual([
      { name: "Alpha", ordinal: 5, rva: TEXT_RVA + 4, forwarder: null },
      { name: "Beta", ordinal: 6, rva: DATA_RVA + TABLES.exports + 90, forwarder: "other.Gamma" },
    ]);
  });

  it("are found one by one", () => {
    expect(findExport(image(), "Alpha")).toMatchObject({ ordinal: 5, forwarder: null });
    expect(findExport(image(), "Beta")).toMatchObject({ ordinal: 6, forwarder: "other.Gamma" });
    for (const name of ["", "Aaa", "Alphabet", "Zzz"]) expect(findExport(image(), name)).toBeNull();
  });

  it("are none in an image without the directory", () => {
    const without = readExports(image(undefined, { exportRva: 0, exportSize: 0 }));
    expect(without.ok && without.value.size).toBe(0);
    expect(findExport(image(undefined, { exportRva: 0 }), "Alpha")).toBeNull();
  });

  it.each([
    ["more names than ordinals can tell apart", 24, 0xffffffff],
    ["more functions than there are ordinals", 20, 0x10001],
    ["fewer functions than the names need", 20, 1],
    ["a name table outside of the image", 32, 0x7fffffff],
    ["an ordinal table outside of the image", 36, 0xfffffff0],
  ])("are refused with %s", (_, field, value) => {
    const spoilt = image((bytes) => {
      putWords(bytes, dataOffset(TABLES.exports + field), [value]);
    });
    expect(readExports(spoilt)).toEqual(DAMAGED);
  });

  it("have names that may end with the file bytes of their section, behind which memory is zero", () => {
    const spoilt = image((bytes) => {
      bytes.fill(0x41, dataOffset(0x300));
      putWords(bytes, dataOffset(TABLES.exports + 48), [DATA_RVA + 0x300]);
    });
    const exported = readExports(spoilt);
    expect(exported.ok && [...exported.value.keys()][0]).toBe("A".repeat(0x100));
  });

  it("are refused when a name is longer than any linker makes", () => {
    const bytes = new Uint8Array(0x4000).fill(0x41);
    bytes.set(sampleImage({ dataVirtualSize: 0x3000, dataRawSize: 0x3000, bssVa: 0x5000, sizeOfImage: 0x7000 }));
    putWords(bytes, dataOffset(TABLES.exports + 48), [DATA_RVA + 0x1000]);
    const parsed = parseImage(bytes);
    expect(parsed.ok && readExports(parsed.value)).toEqual(DAMAGED);
  });
});

describe("imports", () => {
  it("are read by name and by ordinal", () => {
    expect(readImports(image())).toEqual({
      ok: true,
      value: [
        {
          dll: "some.dll",
          symbols: [
            { name: "Function", hint: 0, iatRva: DATA_RVA + TABLES.addresses },
            { ordinal: 7, iatRva: DATA_RVA + TABLES.addresses + 4 },
          ],
        },
      ],
    });
  });

  it("are read from the address table when there is no lookup table", () => {
    const spoilt = image((bytes) => {
      putWords(bytes, dataOffset(TABLES.imports), [0]);
    });
    const imported = readImports(spoilt);
    expect(imported.ok && imported.value[0]?.symbols).toHaveLength(2);
  });

  it("are refused when a table leaves the image", () => {
    const spoilt = image((bytes) => {
      putWords(bytes, dataOffset(TABLES.imports), [0x7ffffff0]);
    });
    expect(readImports(spoilt)).toEqual(DAMAGED);
  });

  it("are refused when descriptors share tables until the symbols are more than any program has", () => {
    const bytes = new Uint8Array(0x40000);
    bytes.set(sampleImage({ dataVirtualSize: 0x3f000, dataRawSize: 0x3f000, bssVa: 0x41000, sizeOfImage: 0x43000 }));
    for (let i = 0; i < 1000; i++) {
      putWords(bytes, dataOffset(0x1000 + 20 * i), [DATA_RVA + 0x8000, 0, 0, DATA_RVA + 0x80, DATA_RVA + 0x8000]);
    }
    bytes.fill(0xff, dataOffset(0x8000), dataOffset(0x30000));
    putWords(bytes, 0x80 + 24 + 104, [DATA_RVA + 0x1000]);
    const parsed = parseImage(bytes);
    expect(parsed.ok && readImports(parsed.value)).toEqual(DAMAGED);
  });
});

describe("relocations", () => {
  it("are offsets into the image, without the padding", () => {
    const relocations = readRelocations(image());
    expect(relocations.ok && [...relocations.value]).toEqual([TEXT_RVA + 0x10, TEXT_RVA + 0x20, DATA_RVA + 0x240]);
  });

  it.each([
    ["a block that is shorter than its header", 4, 4],
    ["a block that is longer than the directory", 4, 0x1000],
    ["a block outside of the image", 0, 0x7ffff000],
    ["a kind that i386 does not use", 8, 0xa010],
  ])("are refused with %s", (_, field, value) => {
    const spoilt = image((bytes) => {
      putWords(bytes, dataOffset(TABLES.relocations + field), [value]);
    });
    expect(readRelocations(spoilt)).toEqual(DAMAGED);
  });

  it("are refused when their directory is longer than the file", () => {
    expect(readRelocations(image(undefined, { relocationSize: 0x7fffffff }))).toEqual(DAMAGED);
  });
});

describe("the TLS directory", () => {
  it("lists the callbacks", () => {
    expect(readTlsDirectory(image())).toEqual({
      ok: true,
      value: {
        startOfRawData: IMAGE_BASE + DATA_RVA + 0x300,
        endOfRawData: IMAGE_BASE + DATA_RVA + 0x310,
        addressOfIndex: IMAGE_BASE + DATA_RVA + 0x320,
        addressOfCallbacks: IMAGE_BASE + DATA_RVA + TABLES.tls + 24,
        sizeOfZeroFill: 8,
        characteristics: 0,
        callbacks: [IMAGE_BASE + TEXT_RVA, IMAGE_BASE + TEXT_RVA + 16],
      },
    });
  });

  it("is null when there is none", () => {
    expect(readTlsDirectory(image(undefined, { tlsRva: 0 }))).toEqual({ ok: true, value: null });
  });

  it.each([
    ["callbacks below the image", 12, 0x1000],
    ["callbacks behind the image", 12, 0x7fffffff],
    ["data that ends before it starts", 4, 0],
  ])("is refused with %s", (_, field, value) => {
    const spoilt = image((bytes) => {
      putWords(bytes, dataOffset(TABLES.tls + field), [value]);
    });
    expect(readTlsDirectory(spoilt)).toEqual(DAMAGED);
  });

  it("has no callbacks where the table is zero-filled memory", () => {
    const spoilt = image((bytes) => {
      putWords(bytes, dataOffset(TABLES.tls + 12), [IMAGE_BASE + BSS_RVA]);
    });
    expect(readTlsDirectory(spoilt)).toMatchObject({ ok: true, value: { callbacks: [] } });
  });
});

describe("the scan for system calls", () => {
  const DIRECT = [0xb8, 5, 0, 0, 0, 0xcd, 0x2e, 0xc2, 8, 0];
  const WINE = [0xb8, 5, 0, 0, 0, 0xba, 1, 2, 3, 4, 0xff, 0xd2, 0xc2, 12, 0];
  const WINDOWS = [0xb8, 5, 0, 0, 0, 0xba, 0, 3, 0xfe, 0x7f, 0xff, 0x12, 0xc3];

  function scan(thunk: readonly number[], name = "Alpha"): ReturnType<typeof scanSystemCalls> {
    return scanSystemCalls(
      image((bytes) => {
        bytes.set(thunk, 0x404);
        putText(bytes, dataOffset(TABLES.exports + 70), `${name}\0`);
      }),
    );
  }

  it.each([
    ["direct", 4, 8, DIRECT],
    ["through a pointer", 8, 12, WINE],
    ["through shared data", 8, 0, WINDOWS],
  ])("knows the thunks that go %s", (style, argumentOffset, argumentBytes, thunk) => {
    const services = [{ number: 5, name: "Alpha", argumentBytes }];
    expect(scan(thunk)).toEqual({ ok: true, value: { services, style, argumentOffset } });
  });

  it.each([
    ["code that calls elsewhere", [...WINDOWS.slice(0, 6), 9, ...WINDOWS.slice(7)]],
    ["a number out of range", [0xb8, 0, 0, 1, 0, ...DIRECT.slice(5)]],
    ["another interrupt", [...DIRECT.slice(0, 6), 0x2d, ...DIRECT.slice(7)]],
    ["code without a return", [...DIRECT.slice(0, 7), 0x90]],
    ["arguments that are not dwords", [...DIRECT.slice(0, 8), 7, 0]],
    ["more arguments than any service has", [...DIRECT.slice(0, 8), 0, 1]],
  ])("takes no notice of %s", (_, thunk) => {
    const found = scan(thunk);
    expect(found.ok && found.value.services).toEqual([]);
  });

  it("prefers the Nt name to the Zw name, whichever comes first", () => {
    const both = scanSystemCalls(
      image((bytes) => {
        bytes.set(DIRECT, 0x404);
        putWords(bytes, dataOffset(TABLES.exports + 44), [TEXT_RVA + 4]);
        putText(bytes, dataOffset(TABLES.exports + 70), "ZwOne\0");
        putText(bytes, dataOffset(TABLES.exports + 80), "NtOne\0");
      }),
    );
    expect(both.ok && both.value.services).toEqual([{ number: 5, name: "NtOne", argumentBytes: 8 }]);
  });
});
