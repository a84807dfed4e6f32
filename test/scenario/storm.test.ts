/**
 * Storms: several processes whose threads do at random everything that programs can do to one another's lives, with
 * memory failing now and then. Whatever happens, the machine comes to rest, every invariant of termination holds on the
 * way, and nothing is left. The choices come from the seed, so a storm that fails is repeated by its number.
 */
import { expect, test } from "vitest";
import { LpcMessageType } from "../../src/abi/lpc.ts";
import { CURRENT_PROCESS_HANDLE, CURRENT_THREAD_HANDLE } from "../../src/abi/ps.ts";
import type { NtResult } from "../../src/abi/status.ts";
import type { Script } from "../../src/guest/script/context.ts";
import { lpc, lpcMessage, lpcReply } from "../../src/guest/script/lpc.ts";
import { nt } from "../../src/guest/script/services.ts";
import type { PortMessage } from "../../src/lpc/message.ts";
import type { ReceivedMessage } from "../../src/lpc/receive.ts";
import { PspShutdownProcessManager } from "../../src/ps/kill.ts";
import { play } from "../support/scene.ts";

const STORMS = 60;
const ACTIONS = 40;
const LIMITS = { processes: 10, threads: 40, handles: 400 };
/** The names of the mutants and events that all processes share. */
const SHARED = ["a", "b", "c"];

/** A small generator of choices. */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed * 2654435761 + 1) >>> 0;
  }

  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }

  of<T>(list: readonly T[]): T | undefined {
    return list[this.below(list.length)];
  }
}

/** Ids of everything that was ever started: many of them lead nowhere. */
interface World {
  readonly dice: Dice;
  readonly pids: number[];
  readonly tids: number[];
}

function* withThread(world: World, act: (handle: number) => Script<unknown>): Script<void> {
  const thread = yield* nt.NtOpenThread(world.dice.of(world.tids) ?? 4);
  if (!thread.ok) return;
  yield* act(thread.value);
  if (world.dice.below(3) > 0) yield* nt.NtClose(thread.value);
}

function* withProcess(world: World, act: (handle: number) => Script<unknown>): Script<void> {
  const process = yield* nt.NtOpenProcess(world.dice.of(world.pids) ?? 4);
  if (!process.ok) return;
  yield* act(process.value);
  if (world.dice.below(3) > 0) yield* nt.NtClose(process.value);
}

function* startThread(world: World, process?: number): Script<void> {
  const options = { suspended: world.dice.below(6) === 0, ...(process === undefined ? {} : { process }) };
  const created = yield* nt.NtCreateThread(() => actor(world), options);
  if (created.ok) world.tids.push(created.value.id);
}

function* startProcess(world: World): Script<void> {
  const created = yield* nt.NtCreateProcess("storm.exe", world.dice.below(8) === 0 ? null : () => actor(world), {
    inheritHandles: world.dice.below(2) === 0,
  });
  if (created.ok) world.pids.push(created.value.id);
}

function* useMutant(world: World): Script<void> {
  const mutant = yield* nt.NtCreateMutant(false, world.dice.of(SHARED) ?? "a");
  if (!mutant.ok) return;
  yield* nt.NtWaitForSingleObject(mutant.value, world.dice.below(2) === 0, 20_000);
  yield* nt.NtDelayExecution(true, world.dice.below(5_000));
  if (world.dice.below(2) === 0) yield* nt.NtReleaseMutant(mutant.value);
  if (world.dice.below(2) === 0) yield* nt.NtClose(mutant.value);
}

function* queueApc(world: World, handle: number): Script<void> {
  yield* nt.NtQueueApcThread(handle, function* () {
    yield* nt.NtDelayExecution(world.dice.below(2) === 0, world.dice.below(3_000));
  });
}

function* registerForDeath(): Script<void> {
  const port = yield* lpc.NtCreatePort(null);
  if (port.ok) yield* lpc.NtRegisterThreadTerminatePort(port.value);
}

/** Serves for a while: accepts or refuses, replies or not, and leaves one thing or another open. */
function* serve(world: World): Script<void> {
  const { dice } = world;
  const port = yield* lpc.NtCreatePort(portName(world));
  if (!port.ok) return;
  let reply: PortMessage | null = null;
  for (let round = 0; round < 6; round++) {
    const received: NtResult<ReceivedMessage> = yield* lpc.NtReplyWaitReceivePort(port.value, reply, 20_000);
    reply = null;
    if (!received.ok) continue;
    const { message } = received.value;
    if (message.type === LpcMessageType.ConnectionRequest) yield* decide(world, message);
    else if (message.type === LpcMessageType.Request && dice.below(4) > 0) reply = lpcReply(message);
  }
  if (dice.below(2) === 0) yield* nt.NtClose(port.value);
}

function* decide({ dice }: World, request: PortMessage): Script<void> {
  const accepted = yield* lpc.NtAcceptConnectPort(lpcReply(request), dice.below(4) > 0);
  if (!accepted.ok || accepted.value.handle === 0) return;
  if (dice.below(6) > 0) yield* lpc.NtCompleteConnectPort(accepted.value.handle);
  if (dice.below(4) === 0) yield* nt.NtClose(accepted.value.handle);
}

/** Connects to a server, if there is one, and talks to it. */
function* ask(world: World): Script<void> {
  const { dice } = world;
  const { connected } = yield* lpc.NtConnectPort(portName(world));
  if (connected === null) return;
  const { handle } = connected;
  if (dice.below(3) === 0) yield* lpc.NtRegisterThreadTerminatePort(handle);
  yield* lpc.NtRequestPort(handle, lpcMessage());
  const answer = yield* lpc.NtRequestWaitReplyPort(handle, lpcMessage());
  if (answer.ok && dice.below(2) === 0) yield* lpc.NtReplyPort(handle, lpcReply(answer.value));
  if (dice.below(2) === 0) yield* nt.NtClose(handle);
}

function portName({ dice }: World): string {
  return `\\BaseNamedObjects\\port ${dice.of(SHARED) ?? "a"}`;
}

/** Fails every so-many-th allocation from now on, or none. */
function* disturbMemory(world: World): Script<void> {
  const every = world.dice.below(2) === 0 ? 0 : 3 + world.dice.below(20);
  yield* nt.call((k) => {
    k.ex.pool.failure = every === 0 ? null : (ordinal) => ordinal % every === 0;
  });
}

const ACTIONS_OF: readonly ((world: World) => Script<void>)[] = [
  startThread,
  startThread,
  startProcess,
  useMutant,
  useMutant,
  serve,
  serve,
  ask,
  ask,
  (world) => withThread(world, (handle) => nt.NtTerminateThread(handle, 21)),
  (world) => withThread(world, (handle) => nt.NtSuspendThread(handle)),
  (world) => withThread(world, (handle) => nt.NtResumeThread(handle)),
  (world) => withThread(world, (handle) => nt.NtAlertThread(handle)),
  (world) => withThread(world, (handle) => queueApc(world, handle)),
  (world) => withThread(world, (handle) => nt.NtWaitForSingleObject(handle, true, 10_000)),
  (world) => withProcess(world, (handle) => nt.NtTerminateProcess(handle, 22)),
  (world) => withProcess(world, (handle) => nt.NtSuspendProcess(handle)),
  (world) => withProcess(world, (handle) => nt.NtResumeProcess(handle)),
  (world) => withProcess(world, (handle) => nt.NtWaitForSingleObject(handle, false, 10_000)),
  (world) => withProcess(world, (handle) => startThread(world, handle)),
  disturbMemory,
];

/** The ends that a thread may choose for itself. */
const ENDS: readonly (() => Script<unknown>)[] = [
  function* () {},
  () => nt.NtTerminateThread(CURRENT_THREAD_HANDLE, 23),
  () => nt.NtTerminateThread(0, 24),
  () => nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 25),
  function* () {
    yield* nt.NtTerminateProcess(0, 26);
    yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 26);
  },
  () => nt.NtRaiseException(0xc0000005),
];

/** What every thread of a storm does. */
function* actor(world: World): Script<void> {
  const { dice } = world;
  if (dice.below(4) === 0) yield* registerForDeath();
  for (let action = dice.below(ACTIONS); action > 0; action--) {
    const act = dice.of(ACTIONS_OF);
    if (act !== undefined) yield* act(world);
  }
  yield* dice.of(ENDS)?.() ?? nt.NtTestAlert();
}

/** Ends what is left, as a shutdown would: what is suspended would stay for ever. */
function* cleanUp(): Script<void> {
  yield* nt.call(function* (k) {
    k.ex.pool.failure = null;
    yield* PspShutdownProcessManager(k);
  });
}

for (const processors of [1, 2, 4]) {
  test(`whatever threads do to one another on ${processors} processors, all of them end and nothing is left`, () => {
    for (let seed = 1; seed <= STORMS; seed++) {
      const world: World = { dice: new Dice(seed * 31 + processors), pids: [], tids: [] };
      try {
        const scene = play(
          function* () {
            for (let index = 0; index < 3; index++) yield* startProcess(world);
            yield* nt.NtDelayExecution(false, 2_000_000);
            yield* cleanUp();
            yield* nt.NtDelayExecution(false, 2_000_000);
            yield* cleanUp();
            return 77 as never;
          },
          { processors, limits: LIMITS },
        );
        expect(scene.end.exitStatus).toBe(77);
      } catch (error) {
        throw new Error(`storm ${seed} on ${processors} processors`, { cause: error });
      }
    }
  });
}
