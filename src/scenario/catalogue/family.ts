/** Scenarios: what a process has from its parent, and what its threads know of it and may do to it. */
import { PAGE_READWRITE, PAGE_SIZE, SEC_COMMIT } from "../../abi/mm.ts";
import { CURRENT_PROCESS_HANDLE } from "../../abi/ps.ts";
import { STATUS_ACCESS_DENIED } from "../../abi/status.ts";
import type { Script } from "../../guest/script/context.ts";
import { createScriptThread, nt } from "../../guest/script/services.ts";
import type { Kernel } from "../../kernel.ts";
import { MmCreateSection, type SectionObject } from "../../mm/section.ts";
import { ObDereferenceObject } from "../../ob/reference.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "../../ps/current.ts";
import { isLastThread } from "../../ps/lastthread.ts";
import { PspCreateProcess } from "../../ps/process.ts";
import { run, type Scenario, until } from "../scenario.ts";
import { must } from "../stage.ts";
import { naps } from "./cast.ts";

/** A process that is made from its parent's image while the parent exits. */
const childOfExitingParent: Scenario = {
  id: "d39-child-of-exiting-parent",
  defects: ["D39"],
  meaning: "a process is made from its parent's image; between reading and referencing the image the parent exits",
  *setUp(stage) {
    yield* stage.makeProcess("parent");
    yield* stage.makeThread("parent's thread", naps, { process: "parent" });
    const parent = stage.process("parent");
    yield* nt.call((k) => {
      parent.sectionObject = makeSection(k);
    });
    const create = nt.call(function* (k) {
      const image = { imageFileName: "child.exe", imagePath: "child.exe", section: "parent's" } as const;
      const created = yield* PspCreateProcess(k, { parent, ...image, inheritHandles: false, userMemory: true });
      if (created.ok) yield* ObDereferenceObject(k, created.value);
    });
    yield* stage.makeActor("creator", () => create);
    yield* stage.makeActor("killer", () => nt.NtTerminateProcess(stage.handle("parent"), 5));
  },
  schedule: [until("creator", "D39:between-read-and-reference"), run("killer"), run("creator")],
  violation(stage) {
    if (stage.assertion === null) return null;
    return "the child references its parent's image after the parent has let go of it and it was freed";
  },
};

function makeSection(k: Kernel): SectionObject {
  const attributes = SEC_COMMIT;
  return must(MmCreateSection(k, { maximumSize: PAGE_SIZE, protection: PAGE_READWRITE, attributes, file: null }));
}

const threadThatGrantsNothing: Scenario = {
  id: "d40-thread-that-grants-its-process-nothing",
  defects: ["D40"],
  meaning: "a process makes a thread whose descriptor grants it nothing, and then ends itself",
  *setUp(stage) {
    yield* stage.makeProcess("own");
    const live = function* (): Script<number> {
      yield* nt.call(function* (k) {
        const options = { ownAccess: 0, createSuspended: true };
        const created = must(yield* createScriptThread(k, PsGetCurrentProcess(k), naps, options));
        yield* ObDereferenceObject(k, created.thread);
      });
      return yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 5);
    };
    yield* stage.makeActor("owner", live, { process: "own" });
  },
  schedule: [run("owner")],
  violation(stage) {
    if (stage.answer("owner") !== STATUS_ACCESS_DENIED) return null;
    return "the process may not end itself any more";
  },
};

const lastButForADeadOne: Scenario = {
  id: "d41-last-thread-but-for-a-dead-one",
  defects: ["D41"],
  meaning: "a thread asks whether it is the last one of its process; a sibling has exited, and its handle is kept",
  *setUp(stage) {
    yield* stage.makeProcess("own");
    const ask = function* (): Script<boolean> {
      const sibling = must(yield* nt.NtCreateThread(function* () {}));
      yield* nt.NtWaitForSingleObject(sibling.handle);
      return yield* nt.call((k) => isLastThread(k, PsGetCurrentThread(k)));
    };
    yield* stage.makeActor("asker", ask, { process: "own" });
  },
  schedule: [run("asker")],
  violation(stage) {
    if (stage.answer("asker") !== false) return null;
    return "the only thread of the process is told that it is not the last one, and would end without a shutdown";
  },
};

export const familyScenarios: readonly Scenario[] = [childOfExitingParent, threadThatGrantsNothing, lastButForADeadOne];
