/** Objects of a type made for tests: they note what the object manager asks of them. */
import type { GenericMapping } from "../../src/abi/ob.ts";
import { SYNCHRONIZE } from "../../src/abi/ps.ts";
import { ObCreateObject, ObCreateObjectType } from "../../src/ob/create.ts";
import type { ObjectType, ObjectTypeInit } from "../../src/ob/type.ts";
import { ObjectBody } from "../../src/rtl/body.ts";
import { newObjectId } from "../../src/sim/identity.ts";
import type { TestKernel } from "./kernel.ts";

export class Thing extends ObjectBody {
  readonly name: string;

  constructor(id: number, name: string) {
    super(id);
    this.name = name;
  }
}

export const THING_READ = 0x1;
export const THING_WRITE = 0x2;
export const THING_ALL: number = 0xf0000 | SYNCHRONIZE | 0x3;

const mapping: GenericMapping = {
  read: 0x20000 | THING_READ,
  write: 0x20000 | THING_WRITE,
  execute: 0x20000,
  all: THING_ALL,
};

/** A type whose procedures write into `log`. */
export function thingType(k: TestKernel, log: string[], more: Partial<ObjectTypeInit<Thing>> = {}): ObjectType {
  return ObCreateObjectType<Thing>(k, {
    name: "Thing",
    validAccess: THING_ALL,
    genericMapping: mapping,
    poolBytes: 100,

    deleteProcedure: function* (_k, body) {
      log.push(`delete ${body.name}`);
    },

    closeProcedure: function* (_k, _process, body, _access, processCount, systemCount) {
      log.push(`close ${body.name} ${processCount}/${systemCount}`);
    },
    ...more,
  });
}

/** An object of the type, with one reference. */
export function newThing(k: TestKernel, type: ObjectType, name = "thing"): Thing {
  const thing = new Thing(newObjectId(k), name);
  if (ObCreateObject(k, type, thing) !== 0) throw new Error("there is no pool for a thing");
  return thing;
}
