/** What tidy asks of code: the length of files and functions, how a file opens, and that no module keeps a variable. */
import ts from "typescript";

const FILE_LINES = 400;
const FUNCTION_LINES = 60;
const OPENING_WORDS = 5;
const OPENING_WORDS_OF_TABLES = 2;
/** Calls whose callback only holds the tests in it, and is as long as they are. */
const CONTAINERS = new Set(["describe"]);

/** @typedef {{ line: number, message: string }} Problem */

/**
 * @param {string} path from the root, with slashes
 * @param {string} text
 * @returns {Problem[]}
 */
export function checkCode(path, text) {
  const problems = checkLength(text);
  if (!/\.(ts|js|mjs|cjs)$/.test(path)) return problems;
  const source = ts.createSourceFile(path, text, { languageVersion: ts.ScriptTarget.ESNext }, true);
  problems.push(...checkFunctions(source));
  if (path.startsWith("src/") && !path.endsWith(".d.ts")) {
    problems.push(...checkOpening(path, source), ...checkVariables(source));
  }
  return problems;
}

/** @param {string} text @returns {Problem[]} */
function checkLength(text) {
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  if (lines <= FILE_LINES) return [];
  return [{ line: FILE_LINES + 1, message: `the file has ${lines} lines, more than ${FILE_LINES}` }];
}

/** @param {ts.SourceFile} source @returns {Problem[]} */
function checkFunctions(source) {
  /** @type {Problem[]} */
  const problems = [];
  /** @param {ts.Node} node */
  const visit = (node) => {
    if (ts.isFunctionLike(node) && "body" in node && node.body !== undefined && !isContainer(node)) {
      const line = lineOf(source, node.getStart(source));
      const lines = lineOf(source, node.end) - line + 1;
      if (lines > FUNCTION_LINES) {
        problems.push({ line, message: `${nameOf(node)} has ${lines} lines, more than ${FUNCTION_LINES}` });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return problems;
}

/** @param {ts.Node} node @returns {boolean} */
function isContainer(node) {
  const call = node.parent;
  if (!ts.isCallExpression(call) || !call.arguments.some((argument) => argument === node)) return false;
  // `describe(…)`, `describe.only(…)` and `describe.each(…)(…)` alike.
  let callee = call.expression;
  while (!ts.isIdentifier(callee)) {
    if (!ts.isCallExpression(callee) && !ts.isPropertyAccessExpression(callee)) return false;
    callee = callee.expression;
  }
  return CONTAINERS.has(callee.text);
}

/** @param {ts.Node} node @returns {string} */
function nameOf(node) {
  const named = /** @type {{ name?: ts.Node }} */ (node).name ?? /** @type {{ name?: ts.Node }} */ (node.parent).name;
  return named !== undefined && ts.isIdentifier(named) ? `the function ${named.text}` : "this function";
}

/** @param {string} path @param {ts.SourceFile} source @returns {Problem[]} */
function checkOpening(path, source) {
  const first = ts.getLeadingCommentRanges(source.text, 0)?.[0];
  const needed = path.startsWith("src/abi/") ? OPENING_WORDS_OF_TABLES : OPENING_WORDS;
  const opening =
    first === undefined || source.text.slice(0, first.pos).trim() !== "" ? "" : commentAt(source.text, first);
  const words = opening.match(/[A-Za-z]{2,}/g)?.length ?? 0;
  if (words >= needed) return [];
  return [{ line: 1, message: "the file does not open with a comment that says what it is for" }];
}

/** @param {string} text @param {ts.CommentRange} first @returns {string} the comment, with the `//` lines that go on from it */
function commentAt(text, first) {
  if (first.kind === ts.SyntaxKind.MultiLineCommentTrivia) return text.slice(first.pos, first.end);
  const lines = text.slice(first.pos).split("\n");
  const end = lines.findIndex((line) => !line.startsWith("//"));
  return lines.slice(0, end === -1 ? lines.length : end).join("\n");
}

/** @param {ts.SourceFile} source @returns {Problem[]} */
function checkVariables(source) {
  /** @type {Problem[]} */
  const problems = [];
  for (const statement of source.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    if (statement.declarationList.flags & (ts.NodeFlags.Const | ts.NodeFlags.Using)) continue;
    const line = lineOf(source, statement.getStart(source));
    problems.push({ line, message: "a module keeps no variable: all state hangs on the Kernel" });
  }
  return problems;
}

/** @param {ts.SourceFile} source @param {number} position @returns {number} counted from 1 */
function lineOf(source, position) {
  return source.getLineAndCharacterOfPosition(position).line + 1;
}
