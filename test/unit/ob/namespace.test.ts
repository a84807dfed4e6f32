/** The name space: paths, case, links, collisions, and how long a name lasts. */
import { describe, expect, it } from "vitest";
import {
  DELETE,
  DIRECTORY_ALL_ACCESS,
  OBJ_CASE_INSENSITIVE,
  OBJ_OPENIF,
  OBJ_OPENLINK,
  OBJ_PERMANENT,
  SYMBOLIC_LINK_QUERY,
} from "../../../src/abi/ob.ts";
import {
  STATUS_ACCESS_DENIED,
  STATUS_INVALID_HANDLE,
  STATUS_INVALID_PARAMETER,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_OBJECT_NAME_EXISTS,
  STATUS_OBJECT_NAME_INVALID,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_OBJECT_PATH_NOT_FOUND,
  STATUS_OBJECT_PATH_SYNTAX_BAD,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_PRIVILEGE_NOT_HELD,
  STATUS_SUCCESS,
  success,
} from "../../../src/abi/status.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { ObCloseHandle } from "../../../src/ob/close.ts";
import { pathOf, upcaseName } from "../../../src/ob/directory.ts";
import { NtCreateEvent, NtOpenEvent, NtSetEvent } from "../../../src/ob/exobjects/event.ts";
import { NtOpenMutant } from "../../../src/ob/exobjects/mutant.ts";
import { headerOf } from "../../../src/ob/header.ts";
import { ObInsertObject, ObOpenObjectByName, ObReferenceObjectByName } from "../../../src/ob/insert.ts";
import type { ObjectAttributes } from "../../../src/ob/lookup.ts";
import {
  NtCreateDirectoryObject,
  NtCreateSymbolicLinkObject,
  NtMakeTemporaryObject,
  NtOpenDirectoryObject,
  NtOpenSymbolicLinkObject,
  NtQueryDirectoryObject,
  NtQuerySymbolicLinkObject,
} from "../../../src/ob/namespace.ts";
import { dropReference } from "../../../src/ob/reference.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { runToEnd, statusOf, testKernel, valueOf } from "../../support/kernel.ts";
import { newThing, thingType } from "../../support/objects.ts";

function at(name: string, more: Partial<ObjectAttributes> = {}): ObjectAttributes {
  return { rootDirectory: 0, name, attributes: 0, ...more };
}

/** Creates a named event and answers its handle. */
function* event(k: Kernel, attributes: ObjectAttributes): Blocking<number> {
  return valueOf(yield* NtCreateEvent(k, 0x1f0003, attributes, "notification", false)).handle;
}

/** The status of opening an event, 0 if it worked. */
function* opening(k: Kernel, attributes: ObjectAttributes): Blocking<number> {
  const result = yield* NtOpenEvent(k, 0x1f0003, attributes);
  return result.ok ? 0 : result.status;
}

const BNO = "\\BaseNamedObjects";

describe("paths", () => {
  it.each([
    ["", STATUS_OBJECT_PATH_SYNTAX_BAD],
    ["It", STATUS_OBJECT_PATH_SYNTAX_BAD],
    ["\\Nowhere", STATUS_OBJECT_NAME_NOT_FOUND],
    ["\\Nowhere\\It", STATUS_OBJECT_PATH_NOT_FOUND],
    [`${BNO}\\\\It`, STATUS_OBJECT_NAME_INVALID],
    [`${BNO}\\It\\`, STATUS_OBJECT_TYPE_MISMATCH],
    [`${BNO}\\It\\Deeper`, STATUS_OBJECT_TYPE_MISMATCH],
    [`\\${"x\\".repeat(600)}y`, STATUS_OBJECT_PATH_NOT_FOUND],
    [`\\${"x".repeat(40_000)}`, STATUS_OBJECT_NAME_INVALID],
    [BNO, STATUS_OBJECT_TYPE_MISMATCH],
    [`${BNO}\\It`, STATUS_SUCCESS],
  ])("opening %j answers what it should", (name, status) => {
    const k = testKernel();
    const answer = runToEnd(k, function* (kernel) {
      yield* event(kernel, at(`${BNO}\\It`));
      return yield* opening(kernel, at(name));
    });
    expect(answer).toBe(status);
  });

  it("a missing name is a bad parameter", () => {
    const k = testKernel();
    expect(runToEnd(k, (kernel) => opening(kernel, at("", { name: null })))).toBe(STATUS_INVALID_PARAMETER);
  });

  it("begin at a directory that the caller has open", () => {
    const k = testKernel();
    const answers = runToEnd(k, function* (kernel) {
      const directory = valueOf(yield* NtOpenDirectoryObject(kernel, DIRECTORY_ALL_ACCESS, at(BNO)));
      const handle = yield* event(kernel, at("It", { rootDirectory: directory }));
      return [
        yield* opening(kernel, at(`${BNO}\\It`)),
        yield* opening(kernel, at("It", { rootDirectory: directory })),
        yield* opening(kernel, at("\\It", { rootDirectory: directory })),
        yield* opening(kernel, at("It", { rootDirectory: handle })),
        yield* opening(kernel, at("It", { rootDirectory: 0x1234 })),
      ];
    });
    expect(answers).toEqual([
      STATUS_SUCCESS,
      STATUS_SUCCESS,
      STATUS_OBJECT_PATH_SYNTAX_BAD,
      STATUS_OBJECT_TYPE_MISMATCH,
      STATUS_INVALID_HANDLE,
    ]);
  });

  it("lead through an object that parses", () => {
    const k = testKernel();
    const seen: unknown[] = [];
    const device = thingType(k, [], {
      name: "Parser",

      parseProcedure: function* (kernel, request) {
        seen.push(request.body.name, request.remaining, request.context, headerOf(request.body).pointerCount);
        headerOf(kernel.ob.rootDirectory).pointerCount++;
        return success(kernel.ob.rootDirectory);
      },
    });
    const answer = runToEnd(k, function* (kernel) {
      const thing = newThing(k, device, "disk");
      const options = { desiredAccess: 0, attributes: OBJ_PERMANENT, mode: 0, name: "\\Device\\Disk" } as const;
      yield* ObInsertObject(kernel, thing, options);
      const open = { desiredAccess: 0, mode: 0, type: null, context: "context" } as const;
      const found = valueOf(yield* ObReferenceObjectByName(kernel, at("\\Device\\Disk\\a\\b"), open));
      const count = headerOf(thing).pointerCount;
      dropReference(found);
      return [found === kernel.ob.rootDirectory, count];
    });
    expect([answer, seen]).toEqual([
      [true, 2],
      ["disk", "\\a\\b", "context", 3],
    ]);
  });
});

describe("case", () => {
  it("matters unless the caller says otherwise", () => {
    const k = testKernel();
    const answers = runToEnd(k, function* (kernel) {
      yield* event(kernel, at(`${BNO}\\It`));
      return [
        yield* opening(kernel, at(`${BNO}\\IT`)),
        yield* opening(kernel, at(`\\basenamedobjects\\IT`, { attributes: OBJ_CASE_INSENSITIVE })),
      ];
    });
    expect(answers).toEqual([STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS]);
  });

  it("two names may differ in case only", () => {
    const k = testKernel();
    const paths = runToEnd(k, function* (kernel) {
      yield* event(kernel, at(`${BNO}\\It`));
      yield* event(kernel, at(`${BNO}\\IT`));
      const open = { desiredAccess: 0, mode: 0, type: null } as const;
      const names = ["It", "IT"].map((name) => `${BNO}\\${name}`);
      const found: (string | null)[] = [];
      for (const name of names) {
        const body = valueOf(yield* ObReferenceObjectByName(kernel, at(name), open));
        found.push(pathOf(body));
        dropReference(body);
      }
      return found;
    });
    expect(paths).toEqual([`${BNO}\\It`, `${BNO}\\IT`]);
  });

  it("upper case never changes the length of a name", () => {
    expect([upcaseName("straße"), upcaseName("ǆ"), upcaseName("é")]).toEqual(["STRAßE", "Ǆ", "É"]);
  });
});

describe("collisions", () => {
  it("a taken name is refused, or opened if the caller says so", () => {
    const k = testKernel();
    const answers = runToEnd(k, function* (kernel) {
      const first = yield* event(kernel, at(`${BNO}\\It`));
      const again = yield* NtCreateEvent(kernel, 0x1f0003, at(`${BNO}\\It`), "notification", true);
      const openIf = at(`${BNO}\\It`, { attributes: OBJ_OPENIF });
      const opened = valueOf(yield* NtCreateEvent(kernel, 0x1f0003, openIf, "notification", true));
      NtSetEvent(kernel, first);
      const state = valueOf(NtSetEvent(kernel, opened.handle));
      return [
        statusOf(again),
        opened.status,
        state,
        headerOf(opened.body).handleCount,
        kernel.ob.eventType.totalObjects,
      ];
    });
    expect(answers).toEqual([STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_NAME_EXISTS, 1, 2, 1]);
  });

  it("an object of another type is not opened instead", () => {
    const k = testKernel();
    const answers = runToEnd(k, function* (kernel) {
      yield* event(kernel, at(`${BNO}\\It`));
      const type = thingType(k, []);
      const insert = (attributes: number): Blocking<number> =>
        (function* () {
          const options = { desiredAccess: 0, attributes, mode: 0, name: `${BNO}\\It` } as const;
          return statusOf(yield* ObInsertObject(kernel, newThing(k, type), options));
        })();
      const created = [yield* insert(0), yield* insert(OBJ_OPENIF)];
      return [...created, statusOf(yield* NtOpenMutant(kernel, 0, at(`${BNO}\\It`))), type.totalObjects];
    });
    expect(answers).toEqual([
      STATUS_OBJECT_NAME_COLLISION,
      STATUS_OBJECT_TYPE_MISMATCH,
      STATUS_OBJECT_TYPE_MISMATCH,
      0,
    ]);
  });
});

describe("the life of a name", () => {
  it("adds one reference and ends with the last handle (T-OBJ2)", () => {
    const k = testKernel();
    const answers = runToEnd(k, function* (kernel) {
      const { handle, body } = valueOf(yield* NtCreateEvent(kernel, 0, at(`${BNO}\\It`), "notification", false));
      const trail = [headerOf(body).pointerCount];
      const second = valueOf(yield* NtOpenEvent(kernel, 0, at(`${BNO}\\It`)));
      yield* ObCloseHandle(kernel, handle, 0);
      trail.push(yield* opening(kernel, at(`${BNO}\\It`)));
      yield* ObCloseHandle(kernel, second, 0);
      yield* ObCloseHandle(kernel, 4, 0);
      trail.push(yield* opening(kernel, at(`${BNO}\\It`)), kernel.ob.eventType.totalObjects);
      return trail;
    });
    expect(answers).toEqual([2, STATUS_SUCCESS, STATUS_OBJECT_NAME_NOT_FOUND, 0]);
  });

  it("ends while somebody still refers to the object, which lives on without it", () => {
    const k = testKernel();
    runToEnd(k, function* (kernel) {
      const { handle, body } = valueOf(yield* NtCreateEvent(kernel, 0, at(`${BNO}\\It`), "notification", false));
      headerOf(body).pointerCount++;
      yield* ObCloseHandle(kernel, handle, 0);
      expect([headerOf(body).pointerCount, pathOf(body)]).toEqual([1, null]);
    });
  });

  it("of a permanent object outlasts its handles, until it is made temporary, which may be repeated", () => {
    const k = testKernel();
    const name = `${BNO}\\It`;
    const answers = runToEnd(k, function* (kernel) {
      const handle = yield* event(kernel, at(name, { attributes: OBJ_PERMANENT }));
      yield* ObCloseHandle(kernel, handle, 0);
      const again = valueOf(yield* NtOpenEvent(kernel, DELETE, at(name)));
      const trail = [yield* NtMakeTemporaryObject(kernel, again), yield* NtMakeTemporaryObject(kernel, again)];
      trail.push((yield* opening(kernel, at(name))) as never);
      yield* ObCloseHandle(kernel, again, 0);
      yield* ObCloseHandle(kernel, 8, 0);
      return [...trail, yield* opening(kernel, at(name))];
    });
    expect(answers).toEqual([0, 0, 0, STATUS_OBJECT_NAME_NOT_FOUND]);
  });

  it("is not made temporary without DELETE access", () => {
    const k = testKernel();
    const answer = runToEnd(
      k,
      function* (kernel) {
        const { handle } = valueOf(yield* NtCreateEvent(kernel, 1, at(`${BNO}\\It`), "notification", false));
        return yield* NtMakeTemporaryObject(kernel, handle);
      },
      { mode: 1 },
    );
    expect(answer).toBe(STATUS_ACCESS_DENIED);
  });

  it("is not made permanent by user mode", () => {
    const k = testKernel();
    const permanent = at(`${BNO}\\It`, { attributes: OBJ_PERMANENT });
    const answer = runToEnd(k, (kernel) => NtCreateEvent(kernel, 1, permanent, "notification", false), { mode: 1 });
    expect([statusOf(answer), k.ob.eventType.totalObjects]).toEqual([STATUS_PRIVILEGE_NOT_HELD, 0]);
  });
});

describe("directories", () => {
  it("a machine has the well-known ones", () => {
    const k = testKernel();
    const names = ["ObjectTypes", "Device", "KnownDlls", "??", "BaseNamedObjects", "Sessions\\1\\BaseNamedObjects"];
    runToEnd(k, function* (kernel) {
      for (const name of names) {
        expect((yield* NtOpenDirectoryObject(kernel, DIRECTORY_ALL_ACCESS, at(`\\${name}`))).ok).toBe(true);
      }
    });
  });

  it("list what is in them", () => {
    const k = testKernel();
    const listing = runToEnd(k, function* (kernel) {
      const mine = valueOf(yield* NtCreateDirectoryObject(kernel, DIRECTORY_ALL_ACCESS, at(`${BNO}\\Mine`)));
      yield* event(kernel, at("b", { rootDirectory: mine.handle }));
      yield* event(kernel, at("A", { rootDirectory: mine.handle }));
      return valueOf(yield* NtQueryDirectoryObject(kernel, mine.handle));
    });
    expect(listing).toEqual([
      { name: "b", typeName: "Event" },
      { name: "A", typeName: "Event" },
    ]);
  });

  it("live as long as there is something in them", () => {
    const k = testKernel();
    const counts = runToEnd(k, function* (kernel) {
      const before = kernel.ob.directoryType.totalObjects;
      const mine = valueOf(yield* NtCreateDirectoryObject(kernel, DIRECTORY_ALL_ACCESS, at(`${BNO}\\Mine`)));
      const inside = yield* event(kernel, at(`${BNO}\\Mine\\It`));
      yield* ObCloseHandle(kernel, mine.handle, 0);
      const trail = [kernel.ob.directoryType.totalObjects - before, yield* opening(kernel, at(`${BNO}\\Mine\\It`))];
      yield* ObCloseHandle(kernel, inside, 0);
      return [...trail, kernel.ob.directoryType.totalObjects - before];
    });
    expect(counts).toEqual([1, STATUS_OBJECT_PATH_NOT_FOUND, 0]);
  });

  it("every type is named in \\ObjectTypes", () => {
    const k = testKernel();
    thingType(k, []);
    const listing = runToEnd(k, function* (kernel) {
      const handle = valueOf(yield* NtOpenDirectoryObject(kernel, DIRECTORY_ALL_ACCESS, at("\\ObjectTypes")));
      return valueOf(yield* NtQueryDirectoryObject(kernel, handle)).map((entry) => entry.name);
    });
    expect(listing).toEqual(expect.arrayContaining(["Type", "Directory", "SymbolicLink", "Event", "Mutant", "Thing"]));
  });
});

describe("symbolic links", () => {
  it("stand for their target, also in the middle of a path", () => {
    const k = testKernel();
    const answers = runToEnd(k, function* (kernel) {
      yield* event(kernel, at(`${BNO}\\It`));
      valueOf(yield* NtCreateSymbolicLinkObject(kernel, 1, at("\\Link"), BNO));
      valueOf(yield* NtCreateSymbolicLinkObject(kernel, 1, at("\\LinkToIt"), "\\Link\\It"));
      const session = "\\Sessions\\1\\BaseNamedObjects";
      return [
        yield* opening(kernel, at("\\Link\\It")),
        yield* opening(kernel, at("\\LinkToIt")),
        yield* opening(kernel, at(`${session}\\Global\\It`)),
        yield* opening(kernel, at(`${session}\\Local\\It`)),
      ];
    });
    expect(answers).toEqual([0, 0, 0, STATUS_OBJECT_NAME_NOT_FOUND]);
  });

  it("a name may be created behind one", () => {
    const k = testKernel();
    const answer = runToEnd(k, function* (kernel) {
      yield* event(kernel, at("\\Sessions\\1\\BaseNamedObjects\\Global\\It"));
      return yield* opening(kernel, at(`${BNO}\\It`));
    });
    expect(answer).toBe(STATUS_SUCCESS);
  });

  it("that lead in a circle lead nowhere", () => {
    const k = testKernel();
    const answer = runToEnd(k, function* (kernel) {
      yield* NtCreateSymbolicLinkObject(kernel, 1, at("\\A"), "\\B");
      yield* NtCreateSymbolicLinkObject(kernel, 1, at("\\B"), "\\A");
      return yield* opening(kernel, at("\\A\\It"));
    });
    expect(answer).toBe(STATUS_OBJECT_NAME_NOT_FOUND);
  });

  it("can be opened themselves and asked where they lead", () => {
    const k = testKernel();
    const answers = runToEnd(k, function* (kernel) {
      const handle = valueOf(yield* NtOpenSymbolicLinkObject(kernel, SYMBOLIC_LINK_QUERY, at("\\DosDevices")));
      const link = at("\\DosDevices", { attributes: OBJ_OPENLINK });
      const opened = yield* ObOpenObjectByName(kernel, link, { desiredAccess: 0, mode: 0, type: null });
      return [valueOf(yield* NtQuerySymbolicLinkObject(kernel, handle)), opened.ok];
    });
    expect(answers).toEqual(["\\??", true]);
  });

  it("begin at the root", () => {
    const k = testKernel();
    const answer = runToEnd(k, (kernel) => NtCreateSymbolicLinkObject(kernel, 1, at("\\A"), "B"));
    expect(statusOf(answer)).toBe(STATUS_INVALID_PARAMETER);
  });
});
