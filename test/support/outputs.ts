/** Standard output and standard error of a command that runs in the test itself. */
import { Output } from "../../apps/cli/output.ts";

/** Keeps what is written. It is no terminal. */
class KeptOutput extends Output {
  readonly #bytes: Uint8Array[] = [];

  override get isTerminal(): boolean {
    return false;
  }

  override write(bytes: Uint8Array): void {
    this.#bytes.push(bytes.slice());
  }

  get written(): string {
    return Buffer.concat(this.#bytes).toString("utf8");
  }
}

export interface KeptStreams {
  readonly out: KeptOutput;
  readonly err: KeptOutput;
}

export function keptStreams(): KeptStreams {
  return { out: new KeptOutput(1), err: new KeptOutput(2) };
}
