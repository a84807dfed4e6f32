/** `rundown doctor`: checks what a run needs. */
import { runDoctor } from "./doctor.ts";
import type { Output } from "./output.ts";
import { wantsColor } from "./terminal.ts";

export function doctor(
  options: { readonly json: boolean; readonly color: boolean; readonly windowsDir?: string },
  { out }: { readonly out: Output },
): Promise<number> {
  const environment = process.env;
  const colour = wantsColor(options.color, out.isTerminal, environment);
  const { windowsDir } = options;
  const status = runDoctor(
    { environment, nodeVersion: process.versions.node, windowsDir },
    { out: { write: (text) => out.text(text) }, json: options.json, colour },
  );
  return Promise.resolve(status);
}
