/**
 * `@source FILE:FIRST-LAST[, Routine]` says which lines of NT's source a routine of ours stands for. Every citation resolves
 * against a table of lengths and routines, so that no copy of that source is needed; where the listing is at hand, the
 * table itself is checked against it.
 */

/** @typedef {{ lines: number, routines: Record<string, [number, number]> }} SourceFile */
/** @typedef {Record<string, SourceFile>} SourceTable */
/** @typedef {{ line: number, message: string }} Problem */

const CITATION = /^(\S+?):(\d+)-(\d+)(?:, ([A-Za-z_]\w*))?$/;

/**
 * @param {string} text
 * @param {SourceTable} table
 * @returns {Problem[]}
 */
export function checkCitations(text, table) {
  /** @type {Problem[]} */
  const problems = [];
  for (const [index, line] of text.split("\n").entries()) {
    const tag = /^\s*(?:\/\*\*|\*|\/\/)\s*@source\b(.*?)(?:\*\/)?\s*$/.exec(line);
    if (tag === null) continue;
    const message = judge((tag[1] ?? "").trim(), table);
    if (message !== null) problems.push({ line: index + 1, message });
  }
  return problems;
}

/** @param {string} citation @param {SourceTable} table @returns {string | null} what is wrong with it */
function judge(citation, table) {
  const parts = CITATION.exec(citation);
  if (parts === null) return `@source must read FILE:FIRST-LAST or FILE:FIRST-LAST, Routine; it reads “${citation}”`;
  const [, path = "", firstText, lastText, routine] = parts;
  const [first, last] = [Number(firstText), Number(lastText)];
  const file = table[path];
  if (file === undefined) return `@source cites ${path}, of which nothing is known`;
  if (first < 1 || last < first) return `@source cites lines ${first}-${last}, which is not a range`;
  if (last > file.lines) return `@source cites line ${last} of ${path}, which has ${file.lines}`;
  return routine === undefined ? null : judgeRoutine({ first, last, routine, span: file.routines[routine] });
}

/**
 * A step that was cut out of a routine cites lines inside it; whoever cites its beginning cites the whole.
 * @param {{ first: number, last: number, routine: string, span: [number, number] | undefined }} cited
 * @returns {string | null}
 */
function judgeRoutine({ first, last, routine, span }) {
  if (span === undefined) return `@source names ${routine}, which is not a routine of that file`;
  const whole = first === span[0] && last === span[1];
  const part = first > span[0] && last <= span[1];
  return whole || part ? null : `@source cites ${first}-${last}, but ${routine} spans ${span[0]}-${span[1]}`;
}

/**
 * Compares the table's entry for one file with a numbered listing of it.
 * @param {string} listing a title line, then lines that begin with their number
 * @param {string} path
 * @param {SourceTable} table
 * @returns {string[]} how the two differ
 */
export function compareWithListing(listing, path, table) {
  const lines = listing.split("\n").flatMap((line) => {
    const numbered = /^(\d+)(?:\s(.*))?$/.exec(line);
    return numbered === null ? [] : [{ number: Number(numbered[1]), text: numbered[2] ?? "" }];
  });
  const known = table[path];
  if (known === undefined) return [`the table lacks ${path}`];
  const last = lines.at(-1)?.number ?? 0;
  const differences = last === known.lines ? [] : [`${path} has ${last} lines, the table says ${known.lines}`];
  const found = routinesOf(lines);
  for (const name of new Set([...found.keys(), ...Object.keys(known.routines)])) {
    const [is, says] = [found.get(name)?.join("-") ?? "nowhere", known.routines[name]?.join("-") ?? "nowhere"];
    if (is !== says) differences.push(`${name} is at ${is}, the table says ${says}`);
  }
  return differences;
}

/**
 * A routine starts at its return type, two lines above its name, and ends at the first closing brace in the first column.
 * @param {{ number: number, text: string }[]} lines
 * @returns {Map<string, [number, number]>}
 */
function routinesOf(lines) {
  /** @type {Map<string, [number, number]>} */
  const routines = new Map();
  for (const [index, line] of lines.entries()) {
    const name = /^([A-Za-z_]\w*)\(/.exec(line.text)?.[1];
    const start = lines[index - 2];
    const end = lines.slice(index).find((later) => later.text.startsWith("}"));
    if (name !== undefined && start !== undefined && end !== undefined) routines.set(name, [start.number, end.number]);
  }
  return routines;
}
