/** RDTSC, which faults in ring 3 so that it reads the machine's time and not the host's. */
import type { Engine } from "./engine.ts";
import { EAX, EDX } from "./layout.ts";
import { userPhysical } from "./memory.ts";
import { type Trap, VECTOR_QUANTUM } from "./trap.ts";

/** If the instruction at `eip` is RDTSC, executes it. */
export function readTimestamp(engine: Engine, trap: Trap, timestamp: number): boolean {
  const first = userPhysical(engine, trap.eip, false);
  const second = userPhysical(engine, trap.eip + 1, false);
  if (first < 0 || second < 0 || engine.ramU8[first] !== 0x0f || engine.ramU8[second] !== 0x31) return false;
  engine.general[EAX] = (timestamp % 0x1_0000_0000) | 0;
  engine.general[EDX] = Math.floor(timestamp / 0x1_0000_0000) | 0;
  trap.eip = (trap.eip + 2) >>> 0;
  trap.vector = VECTOR_QUANTUM;
  return true;
}
