/**
 * All state of one machine. Each layer owns one property and nobody else writes to it. This file is the one place that
 * names every layer's state; it imports types only, so no layer depends on a later one at run time.
 */
import type { SimState } from "./sim/state.ts";
import type { KeState } from "./ke/state.ts";
import type { ExState } from "./ex/state.ts";
import type { ObState } from "./ob/state.ts";
import type { SeState } from "./se/state.ts";
import type { MmState } from "./mm/state.ts";
import type { IoState } from "./io/state.ts";
import type { CmState } from "./cm/state.ts";
import type { PoState } from "./po/state.ts";
import type { LpcState } from "./lpc/state.ts";
import type { PsState } from "./ps/state.ts";
import type { DbgkState } from "./dbgk/state.ts";
import type { NtState } from "./nt/state.ts";

/** One machine. Passed as the first argument to every routine. */
export interface Kernel {
  readonly sim: SimState;
  readonly ke: KeState;
  readonly ex: ExState;
  readonly ob: ObState;
  readonly se: SeState;
  readonly mm: MmState;
  readonly io: IoState;
  readonly cm: CmState;
  readonly po: PoState;
  readonly lpc: LpcState;
  readonly ps: PsState;
  readonly dbgk: DbgkState;
  readonly nt: NtState;
}
