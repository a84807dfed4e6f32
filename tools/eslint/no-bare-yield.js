/**
 * `no-bare-yield`: only the dispatcher suspends a thread.
 *
 * A bare `yield` gives the processor back without telling the dispatcher why. Everybody else delegates with `yield*` to a
 * routine of the simulator or the dispatcher. The configuration switches this off where threads and scripts are driven.
 */

/** @type {import("eslint").Rule.RuleModule} */
export const noBareYield = {
  meta: {
    type: "problem",
    docs: { description: "only sim/, ke/ and scripted programs write a bare yield" },
    messages: { bare: "Only sim/ and ke/ suspend a thread: delegate with `yield*` to a routine that does." },
    schema: [],
  },
  create(context) {
    return {
      "YieldExpression[delegate=false]"(/** @type {any} */ node) {
        context.report({ node, messageId: "bare" });
      },
    };
  },
};
