/**
 * Lays lines out: columns of equal width, and paragraphs that go on under their own beginning. Works on plain text;
 * colour is put on afterwards, cell by cell, so that it never counts as width.
 */

/** What a cell means, for whoever colours it. */
export type Style = "good" | "bad" | "warning" | "name" | "faint" | "none";

export interface Cell {
  readonly text: string;
  readonly style: Style;
}

/** Puts colour on a piece of text, or leaves it. */
export type Paint = (style: Style, text: string) => string;

export function cell(text: string, style: Style = "none"): Cell {
  return { text, style };
}

/**
 * Rows with aligned columns. The last column is a paragraph: it is broken at `width` and goes on under its own first
 * letter. Every row has as many cells as the first.
 */
export function table(rows: readonly (readonly Cell[])[], indent: number, width: number, paint: Paint): string[] {
  const columns = (rows[0]?.length ?? 0) - 1;
  const widths: number[] = [];
  for (let column = 0; column < columns; column++) {
    widths.push(rows.reduce((widest, row) => Math.max(widest, row[column]?.text.length ?? 0), 0));
  }
  return rows.flatMap((row) => tableRow(row, widths, indent, width, paint));
}

function tableRow(row: readonly Cell[], widths: readonly number[], indent: number, width: number, paint: Paint) {
  let line = " ".repeat(indent);
  let used = indent;
  for (const [column, columnWidth] of widths.entries()) {
    const { text, style } = row[column] ?? cell("");
    line += painted(paint, style, text) + " ".repeat(columnWidth - text.length + 2);
    used += columnWidth + 2;
  }
  const last = row.at(-1) ?? cell("");
  const [first = "", ...more] = wrap(last.text, Math.max(width - used, 30));
  const lines = [(line + painted(paint, last.style, first)).trimEnd()];
  for (const text of more) lines.push(" ".repeat(used) + painted(paint, last.style, text));
  return lines;
}

/** Breaks text at spaces into lines of at most `width`; a longer word stands alone. */
export function wrap(text: string, width: number): string[] {
  if (text.length <= width) return [text];
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line === "") line = word;
    else if (line.length + 1 + word.length <= width) line += ` ${word}`;
    else {
      lines.push(line);
      line = word;
    }
  }
  lines.push(line);
  return lines;
}

function painted(paint: Paint, style: Style, text: string): string {
  return text === "" || style === "none" ? text : paint(style, text);
}
