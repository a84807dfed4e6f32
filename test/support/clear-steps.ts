/** Before the tests: forgets which steps earlier runs reached. */
import { rmSync } from "node:fs";

export function setup(): void {
  rmSync("coverage/steps", { recursive: true, force: true });
}
