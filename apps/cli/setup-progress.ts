/**
 * Says on standard error how far a long job is: one line that redraws itself on a terminal, plain lines elsewhere.
 *
 * Nothing is written to standard output, which belongs to the guest, and no line is left half drawn: `end` closes it.
 */

export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export interface Progress {
  /** A new stage of the job begins. */
  step(text: string): void;
  /** The current stage is at `fraction` (0 to 1) of its work. */
  fraction(fraction: number): void;
  /** The job is over; `text`, when given, is its last line. */
  end(text?: string): void;
}

/** A sink that says nothing (`--quiet`). */
export const silentProgress: Progress = { step: () => undefined, fraction: () => undefined, end: () => undefined };

/**
 * Draws on `stream`. A terminal gets a line that is redrawn, unless it is dumb or a CI log; everything else gets a line a
 * stage. Colour is used only for the bar, and not at all under NO_COLOR.
 */
export function createProgress(
  stream: ProgressStream,
  environment: Readonly<Record<string, string | undefined>>,
): Progress {
  const redraw = stream.isTTY === true && environment["TERM"] !== "dumb" && (environment["CI"] ?? "") === "";
  if (!redraw) return plainProgress(stream);
  return terminalProgress(stream, (environment["NO_COLOR"] ?? "") === "");
}

function plainProgress(stream: ProgressStream): Progress {
  return {
    step: (text) => void stream.write(`${text}\n`),
    fraction: () => undefined,
    end: (text) => void (text === undefined ? undefined : stream.write(`${text}\n`)),
  };
}

const BAR_CELLS = 20;

function terminalProgress(stream: ProgressStream, colour: boolean): Progress {
  let label = "";
  let shown = "";
  const draw = (line: string): void => {
    if (line === shown) return;
    shown = line;
    stream.write(`\r\x1b[K${line}`);
  };
  return {
    step(text) {
      label = text;
      draw(clip(text, stream));
    },
    fraction(fraction) {
      const part = Math.min(1, Math.max(0, fraction));
      const filled = Math.round(part * BAR_CELLS);
      const bar = "━".repeat(filled);
      const rest = "─".repeat(BAR_CELLS - filled);
      const percent = `${Math.floor(part * 100)} %`.padStart(5);
      const text = clip(`${label} `, stream, BAR_CELLS + 7);
      draw(`${text}${colour ? `\x1b[36m${bar}\x1b[39m` : bar}${rest} ${percent}`);
    },
    end(text) {
      if (shown !== "") stream.write("\r\x1b[K");
      shown = "";
      if (text !== undefined) stream.write(`${text}\n`);
    },
  };
}

/** Shortens `text` so that it and `reserved` more cells fit on one line: a wrapped line cannot be redrawn. */
function clip(text: string, stream: ProgressStream, reserved = 0): string {
  const room = Math.max(8, (stream.columns || 80) - 1 - reserved);
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}
