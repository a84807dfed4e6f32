/**
 * `no-kernel-throw`: the kernel neither throws nor catches, and has no `finally`.
 *
 * An abandoned run is a generator that is dropped, and a `finally` would run when it is collected or closed. Failures of the
 * caller are statuses, failures of NT are bugchecks, our own are assertions. `throws` lists the classes that a file may
 * throw with `new`; `catches` lets a file catch. Neither ever allows `finally`.
 */

/** @type {import("eslint").Rule.RuleModule} */
export const noKernelThrow = {
  meta: {
    type: "problem",
    docs: { description: "kernel code neither throws nor catches" },
    messages: {
      throws: "Kernel code does not throw: return a status, call KeBugCheckEx, or assert.",
      catches: "Kernel code does not catch: nothing in it throws but a bugcheck, which ends the machine.",
      finally: "Kernel code has no `finally`: an abandoned run must leave no tracks.",
    },
    schema: [
      {
        type: "object",
        properties: {
          throws: { type: "array", items: { type: "string" } },
          catches: { type: "boolean" },
        },
        additionalProperties: false,
      },
    ],
    defaultOptions: [{ throws: [], catches: false }],
  },
  create(context) {
    const { throws = [], catches = false } = context.options[0] ?? {};
    return {
      ThrowStatement(/** @type {any} */ node) {
        if (catches && rethrows(node)) return;
        const { argument } = node;
        if (argument.type === "NewExpression" && throws.includes(argument.callee.name)) return;
        context.report({ node, messageId: "throws" });
      },
      TryStatement(/** @type {any} */ node) {
        if (node.finalizer !== null) context.report({ node: node.finalizer, messageId: "finally" });
        if (node.handler !== null && !catches) context.report({ node: node.handler, messageId: "catches" });
      },
    };
  },
};

/**
 * Whether a `throw` passes on exactly what the nearest `catch` around it caught.
 * @param {any} node
 * @returns {boolean}
 */
function rethrows(node) {
  if (node.argument.type !== "Identifier") return false;
  for (let current = node.parent; current; current = current.parent) {
    if (current.type === "CatchClause") return current.param?.name === node.argument.name;
  }
  return false;
}
