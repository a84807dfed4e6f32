/** What no file of the tree may say: where it happened to be written, and from where its packages came. */

/** @typedef {{ line: number, message: string }} Problem */

// The patterns are put together here so that this file does not say what it forbids.
const ROOTS = ["work", "tmp", "root"].join("|");
const MACHINE_PATH = new RegExp(`(?<![\\w.@~})\\]-])/(?:${ROOTS})/`);
const REGISTRY = new RegExp(`https?://[^/\\s"'\`]*(?:registry|artifact|mirror|proxy)[^/\\s"'\`]*`, "i");

/** @param {string} text @returns {Problem[]} */
export function checkWords(text) {
  /** @type {Problem[]} */
  const problems = [];
  for (const [index, line] of text.split("\n").entries()) {
    const path = MACHINE_PATH.exec(line)?.[0];
    if (path !== undefined) problems.push({ line: index + 1, message: `${path} is a path of one machine` });
    if (REGISTRY.test(line)) problems.push({ line: index + 1, message: "this names a host that packages come from" });
  }
  return problems;
}
