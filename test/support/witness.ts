/** Witnesses: objects whose close procedure tells a test that, and when, a handle to them is closed. */
import { KernelMode } from "../../src/abi/ke.ts";
import { SYNCHRONIZE } from "../../src/abi/ps.ts";
import type { Script } from "../../src/guest/script/context.ts";
import { nt } from "../../src/guest/script/services.ts";
import type { Kernel } from "../../src/kernel.ts";
import { ObCreateObject, ObCreateObjectType } from "../../src/ob/create.ts";
import { ObInsertObject } from "../../src/ob/insert.ts";
import type { ObjectType } from "../../src/ob/type.ts";
import { ObjectBody } from "../../src/rtl/body.ts";
import type { Blocking } from "../../src/sim/blocking.ts";
import { newObjectId } from "../../src/sim/identity.ts";
import { must } from "./scene.ts";

class Witness extends ObjectBody {
  readonly onClose: (k: Kernel) => Blocking<void>;

  constructor(id: number, onClose: (k: Kernel) => Blocking<void>) {
    super(id);
    this.onClose = onClose;
  }
}

/** Opens a witness in the calling process. `attributes` are `OBJ_*`. */
export function openWitness(onClose: (k: Kernel) => Blocking<void>, attributes = 0): Script<number> {
  return nt.call(function* (k) {
    const witness = new Witness(newObjectId(k), onClose);
    ObCreateObject(k, witnessType(k), witness);
    const access = { desiredAccess: 1, attributes, mode: KernelMode } as const;
    return must(yield* ObInsertObject(k, witness, access)).handle;
  });
}

/** A witness that only notes its closing. */
export function openSilentWitness(log: string[], name: string, attributes = 0): Script<number> {
  return openWitness(function* () {
    log.push(name);
  }, attributes);
}

function witnessType(k: Kernel): ObjectType {
  const known = k.ob.types.find(({ name }) => name === "Witness");
  if (known !== undefined) return known;
  return ObCreateObjectType<Witness>(k, {
    name: "Witness",
    validAccess: 1 | SYNCHRONIZE,
    genericMapping: { read: 1, write: 1, execute: 1, all: 1 },
    poolBytes: 0x40,
    closeProcedure: (kernel, _process, witness) => witness.onClose(kernel),
  });
}
