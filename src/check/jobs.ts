/**
 * A job counts the members that count, and their pages; a process is a member of its job and of every job around it. No
 * job is told that a member is gone before it was told that the member is there.
 */
import type { Kernel } from "../kernel.ts";
import { headerOf } from "../ob/header.ts";
import { isActiveMember, type Job, jobChain } from "../ps/job.ts";
import type { KernelEvent } from "../sim/record.ts";
import { activeProcesses, type Check, type Require } from "./rule.ts";

/** Steps around which jobs change. */
const LOOKED_AT = new Set(["X6", "E40", "E43", "DP1", "DP3", "PT2", "NP6"]);

export class JobCheck implements Check {
  readonly #k: Kernel;
  readonly #require: Require;

  constructor(k: Kernel, require: Require) {
    this.#k = k;
    this.#require = require;
  }

  see(event: KernelEvent): void {
    const changed = event.kind === "process-job" || event.kind === "process-signaled";
    if (this.#k.ps.lastJobNumber > 0 && (changed || (event.kind === "step" && LOOKED_AT.has(event.step)))) this.#look();
  }

  #look(): void {
    const jobs = new Set<Job>();
    for (const process of activeProcesses(this.#k)) {
      for (const job of jobChain(process.job)) {
        jobs.add(job);
        const known = job.members.has(process);
        this.#require(known, `process ${process.pid} is in job ${job.number}, which does not know it`);
      }
    }
    for (const job of jobs) this.#lookAt(job);
  }

  #lookAt(job: Job): void {
    const { number, members, activeProcesses: counted, totalProcesses, parent } = job;
    this.#require(this.#k.ob.live.has(headerOf(job)), `job ${number} is deleted and has members`);
    const active = [...members.keys()].filter(isActiveMember).length;
    this.#require(active === counted, `job ${number} counts ${counted} active processes, not ${active}`);
    this.#require(members.size <= totalProcesses, `job ${number} has more members than it ever had`);
    this.#require(parent === null || parent.children.has(job), `job ${number} lies in a job that does not know it`);
    this.#lookAtMembers(job);
  }

  #lookAtMembers(job: Job): void {
    const { number, parent } = job;
    let pages = 0;
    for (const [process, member] of job.members) {
      const { pid, addressSpace } = process;
      pages += member.committedPages;
      const right = addressSpace === null || addressSpace.committedPages === member.committedPages;
      this.#require(right, `job ${number} counts ${member.committedPages} pages of process ${pid}`);
      this.#require(jobChain(process.job).includes(job), `job ${number} has a member ${pid} that is in other jobs`);
      const outside = parent === null || parent.members.has(process);
      this.#require(outside, `job ${number} has a member ${pid} that the job around it has not`);
      this.#require(member.newReported || !member.exitReported, `job ${number} has told of the end of ${pid} alone`);
    }
    this.#require(pages === job.committedPages, `job ${number} counts ${job.committedPages} pages, not ${pages}`);
  }
}
