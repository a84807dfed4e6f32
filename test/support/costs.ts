/** What a hostile input costs the host: the time of the processor, which other work does not stretch, and memory. */

export class Costs {
  cases = 0;
  longestMs = 0;
  readonly #before = process.memoryUsage.rss();

  measure<T>(work: () => T): T {
    const start = process.cpuUsage();
    const result = work();
    this.#count(start);
    return result;
  }

  async measureSlowly<T>(work: () => Promise<T>): Promise<T> {
    const start = process.cpuUsage();
    const result = await work();
    this.#count(start);
    return result;
  }

  #count(start: NodeJS.CpuUsage): void {
    const { user, system } = process.cpuUsage(start);
    this.longestMs = Math.max(this.longestMs, (user + system) / 1000);
    this.cases++;
  }

  /** Growth of the process since the beginning: it bounds what any one case takes and keeps. */
  get grownBytes(): number {
    return process.memoryUsage.rss() - this.#before;
  }

  toString(): string {
    const grown = Math.round(this.grownBytes / (1 << 20));
    return `${this.cases} cases, ${this.longestMs.toFixed(0)} ms at most, ${grown} MiB more at the end`;
  }
}
