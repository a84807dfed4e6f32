/**
 * `delegate-blocking`: a call that answers with a `Blocking` runs where it is made.
 *
 * A generator that nobody delegates to does nothing at all, silently. Therefore such a call is the operand of `yield*`, or a
 * plain function that declares to answer with a `Blocking` returns it. With `handOver`, which the dispatcher and the drivers
 * of tests need, it may also be given to whatever declares that it takes a `Blocking`: a parameter, a field, a variable.
 *
 * What blocks in one case and not in another is looked at first: it may be kept in a constant that is then run.
 */
import { blockingArguments, mayNotBlock, outermostSameValue, typeServices } from "./types.js";

/** @type {import("eslint").Rule.RuleModule} */
export const delegateBlocking = {
  meta: {
    type: "problem",
    docs: { description: "a Blocking is run with yield* where it is made" },
    messages: {
      undelegated: "This call blocks: write `yield*` in front of it, or it does not run at all.",
      undeclared: "A plain function that passes a Blocking on must declare that it answers with a Blocking.",
      plainYield: "`yield` hands this Blocking to the dispatcher instead of running it: write `yield*`.",
    },
    schema: [{ type: "object", properties: { handOver: { type: "boolean" } }, additionalProperties: false }],
    defaultOptions: [{ handOver: false }],
  },
  create(context) {
    const services = typeServices(context);
    const checker = services.program.getTypeChecker();
    const handOver = context.options[0]?.handOver === true;

    /** @param {any} node @returns {boolean} */
    const isBlocking = (node) => blockingArguments(services.getTypeAtLocation(node), checker) !== null;

    /** @param {any} node @returns {boolean} */
    const isExpectedBlocking = (node) => {
      const expected = checker.getContextualType(/** @type {any} */ (services.esTreeNodeToTSNodeMap.get(node)));
      return expected !== undefined && blockingArguments(expected, checker) !== null;
    };

    /** Whether `value` is kept in a constant that is delegated to, or given to what runs it. @param {any} value */
    const isRunLater = (value) => {
      const { parent } = value;
      if (parent.type !== "VariableDeclarator" || parent.parent.kind !== "const") return false;
      return context.sourceCode.getDeclaredVariables(parent).some(({ references }) =>
        references.some(({ identifier, init }) => {
          if (init === true) return false;
          const use = outermostSameValue(identifier);
          if (use.parent.type === "YieldExpression") return use.parent.delegate;
          return isBlocking(identifier) && isExpectedBlocking(use);
        }),
      );
    };

    return {
      "CallExpression, TaggedTemplateExpression"(/** @type {any} */ node) {
        if (!isBlocking(node)) return;
        const value = outermostSameValue(node);
        if (mayNotBlock(services.getTypeAtLocation(node), checker) && isRunLater(value)) return;
        const messageId = verdict(value, { handOver, isExpectedBlocking });
        if (messageId !== null) context.report({ node, messageId });
      },
    };
  },
};

/**
 * @typedef {object} Surroundings
 * @property {boolean} handOver
 * @property {(node: any) => boolean} isExpectedBlocking
 */

/**
 * What is wrong with a blocking value standing where `value` stands, as a message id; null if nothing is.
 * @param {any} value
 * @param {Surroundings} surroundings
 * @returns {string | null}
 */
function verdict(value, surroundings) {
  const { parent } = value;
  switch (parent.type) {
    case "YieldExpression":
      return parent.delegate ? null : "plainYield";
    case "ReturnStatement":
      return verdictOnReturn(enclosingFunction(parent), value, surroundings);
    case "ArrowFunctionExpression":
      return parent.body === value ? verdictOnReturn(parent, value, surroundings) : "undelegated";
    case "ExpressionStatement":
      return "undelegated";
    default:
      return surroundings.handOver && surroundings.isExpectedBlocking(value) ? null : "undelegated";
  }
}

/**
 * A generator that returns a `Blocking` without running it answers with a generator, so only plain functions may. A callback
 * needs no annotation of its own where its place says what it answers with.
 * @param {any} fn
 * @param {any} value
 * @param {Surroundings} surroundings
 * @returns {string | null}
 */
function verdictOnReturn(fn, value, { isExpectedBlocking }) {
  if (fn === null || fn.generator) return "undelegated";
  return isExpectedBlocking(value) ? null : "undeclared";
}

/** @param {any} node @returns {any} */
function enclosingFunction(node) {
  for (let current = node.parent; current; current = current.parent) {
    if (/Function/.test(current.type)) return current;
  }
  return null;
}
