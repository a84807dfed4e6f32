/**
 * The timer heap: everything that expires, ordered by due time and then by the order in which it was set, so that two
 * runs expire the same timers in the same order.
 */
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { TimerEntry } from "./objects.ts";

/** Arms `timer` for `dueTime` (100 ns of interrupt time). */
export function insertTimer(k: Kernel, timer: TimerEntry, dueTime: number): void {
  assert(timer.heapIndex < 0, "a timer is set once at a time");
  timer.dueTime = dueTime;
  timer.sequence = ++k.ke.timerSequence;
  const heap = k.ke.timers;
  timer.heapIndex = heap.length;
  heap.push(timer);
  siftUp(heap, timer.heapIndex);
}

/** Disarms it. @returns whether it was armed */
export function removeTimer(k: Kernel, timer: TimerEntry): boolean {
  const index = timer.heapIndex;
  if (index < 0) return false;
  const heap = k.ke.timers;
  const last = heap.pop();
  timer.heapIndex = -1;
  if (last === undefined || last === timer) return true;
  heap[index] = last;
  last.heapIndex = index;
  siftUp(heap, index);
  siftDown(heap, last.heapIndex);
  return true;
}

/** The timer that expires next, or null. */
export function nextTimer(k: Kernel): TimerEntry | null {
  return k.ke.timers[0] ?? null;
}

function before(a: TimerEntry, b: TimerEntry): boolean {
  return a.dueTime < b.dueTime || (a.dueTime === b.dueTime && a.sequence < b.sequence);
}

function siftUp(heap: TimerEntry[], from: number): void {
  let index = from;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (!swapIfBefore(heap, index, parent)) return;
    index = parent;
  }
}

function siftDown(heap: TimerEntry[], from: number): void {
  let index = from;
  for (;;) {
    const left = 2 * index + 1;
    const right = left + 1;
    const leftTimer = heap[left];
    if (leftTimer === undefined) return;
    const rightTimer = heap[right];
    const child = rightTimer !== undefined && before(rightTimer, leftTimer) ? right : left;
    if (!swapIfBefore(heap, child, index)) return;
    index = child;
  }
}

/** Exchanges a child with its parent if the child expires first. */
function swapIfBefore(heap: TimerEntry[], child: number, parent: number): boolean {
  const c = heap[child];
  const p = heap[parent];
  assert(c !== undefined && p !== undefined, "heap indices are inside the heap");
  if (!before(c, p)) return false;
  heap[child] = p;
  heap[parent] = c;
  p.heapIndex = child;
  c.heapIndex = parent;
  return true;
}
