/**
 * Names with what they stand for, found by hashing and listed in order.
 *
 * Invariant: once somebody asked for the order it is kept up to date by binary search, so that adding, removing and
 * listing in turns never sorts again: a hostile guest does exactly that.
 */

export class NameTable<T> {
  readonly #items: Map<string, T> = new Map();
  /** The keys in order; null until somebody asks for it. */
  #sorted: string[] | null = null;

  get size(): number {
    return this.#items.size;
  }

  get(key: string): T | null {
    return this.#items.get(key) ?? null;
  }

  /** Adds or replaces. */
  set(key: string, item: T): void {
    if (this.#sorted !== null && !this.#items.has(key)) this.#sorted.splice(rank(this.#sorted, key), 0, key);
    this.#items.set(key, item);
  }

  /** @returns whether there was such a name */
  delete(key: string): boolean {
    if (!this.#items.delete(key)) return false;
    this.#sorted?.splice(rank(this.#sorted, key), 1);
    return true;
  }

  /** All items, in no order that means anything. */
  values(): Iterable<T> {
    return this.#items.values();
  }

  /** The item at a place in the order, or null behind the last. */
  at(index: number): T | null {
    const key = this.#order()[index];
    return key === undefined ? null : this.get(key);
  }

  /** All items in the order of their names. */
  list(): T[] {
    return this.#order().flatMap((key) => this.#items.get(key) ?? []);
  }

  #order(): string[] {
    // Without a comparator, sort compares by code unit: the host's language has no say.
    this.#sorted ??= [...this.#items.keys()].sort();
    return this.#sorted;
  }
}

/** How many of the sorted keys come before `key`. */
function rank(sorted: readonly string[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? "") < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
