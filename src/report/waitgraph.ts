/**
 * Finds the ring in a wait graph: threads each of which waits for something that only the next can give.
 *
 * Invariant: the answer depends only on the graph, so it is the same in every run; the walk is a loop, since a guest may
 * build a chain of any length.
 */
import type { WaitGraph, WaitGraphEdge, WaitGraphThread } from "../abi/report.ts";

export type { WaitGraph, WaitGraphEdge, WaitGraphThread };

/** The graph with its ring filled in, whatever it said before. */
export function withCycle(graph: WaitGraph): WaitGraph {
  return { threads: graph.threads, cycle: findCycle(graph.threads) };
}

interface Visit {
  readonly thread: WaitGraphThread;
  nextEdge: number;
}

/**
 * The first ring that is met from the first thread on, beginning with its lowest thread id; empty if there is none. A
 * thread that waits for itself (a lock that does not recurse) is a ring of one.
 */
export function findCycle(threads: readonly WaitGraphThread[]): number[] {
  const byTid = new Map(threads.map((thread) => [thread.tid, thread]));
  const finished = new Set<number>();
  for (const thread of threads) {
    const ring = walkFrom(thread, byTid, finished);
    if (ring.length > 0) return ring;
  }
  return [];
}

function walkFrom(
  first: WaitGraphThread,
  byTid: ReadonlyMap<number, WaitGraphThread>,
  finished: Set<number>,
): number[] {
  if (finished.has(first.tid)) return [];
  const path: Visit[] = [{ thread: first, nextEdge: 0 }];
  const depths = new Map<number, number>([[first.tid, 0]]);
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const edge = top.thread.waitsFor[top.nextEdge++];
    if (edge === undefined) {
      finished.add(top.thread.tid);
      depths.delete(top.thread.tid);
      path.pop();
      continue;
    }
    const next = edge.owner === null ? undefined : byTid.get(edge.owner);
    if (next === undefined || finished.has(next.tid)) continue;
    const depth = depths.get(next.tid);
    if (depth !== undefined) return lowestFirst(path.slice(depth).map((visit) => visit.thread.tid));
    depths.set(next.tid, path.length);
    path.push({ thread: next, nextEdge: 0 });
  }
  return [];
}

function lowestFirst(ring: readonly number[]): number[] {
  const lowest = ring.reduce((best, tid, index) => (tid < (ring[best] ?? Infinity) ? index : best), 0);
  return [...ring.slice(lowest), ...ring.slice(0, lowest)];
}
