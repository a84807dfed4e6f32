/**
 * What the local rules share: recognising the type `Blocking<T>`.
 *
 * `Blocking<T>` is an alias, and TypeScript drops aliases freely, so the alias's name is not relied upon: a type is blocking
 * when it is a generator whose yield type is called `Suspension`. Generators that yield anything else are never blocking.
 */
import ts from "typescript";

/** @typedef {import("typescript").Type} Type */
/** @typedef {import("typescript").TypeChecker} TypeChecker */
/** @typedef {import("typescript-eslint").ParserServicesWithTypeInformation} Services */

const GENERATORS = new Set(["Generator", "IterableIterator", "Iterator", "IteratorObject"]);
const SUSPENSION = "Suspension";

/**
 * The arguments of the generator type that makes `type` blocking: what it yields, what it returns. Null if it is not.
 * @param {Type} type
 * @param {TypeChecker} checker
 * @returns {readonly Type[] | null}
 */
export function blockingArguments(type, checker) {
  for (const part of type.isUnionOrIntersection() ? type.types : [type]) {
    const name = part.getSymbol()?.getName();
    if (name === undefined || !GENERATORS.has(name)) continue;
    const typeArguments = checker.getTypeArguments(/** @type {import("typescript").TypeReference} */ (part));
    const yielded = typeArguments[0];
    if (yielded === undefined) continue;
    if ((yielded.aliasSymbol ?? yielded.getSymbol())?.getName() === SUSPENSION) return typeArguments;
  }
  return null;
}

/**
 * Whether `type` is blocking in one case and something else in another, so that it must be looked at before it is run.
 * @param {Type} type
 * @param {TypeChecker} checker
 * @returns {boolean}
 */
export function mayNotBlock(type, checker) {
  return type.isUnion() && type.types.some((part) => blockingArguments(part, checker) === null);
}

/**
 * Whether `type` is `Blocking<never>`: a routine that does not come back.
 * @param {Type} type
 * @param {TypeChecker} checker
 * @returns {boolean}
 */
export function neverReturns(type, checker) {
  const returned = blockingArguments(type, checker)?.[1];
  return returned !== undefined && (returned.flags & ts.TypeFlags.Never) !== 0;
}

/**
 * The type services of the parser; without them the rules below cannot tell a blocking call from any other.
 * @param {import("eslint").Rule.RuleContext} context
 * @returns {Services}
 */
export function typeServices(context) {
  const services = context.sourceCode.parserServices;
  if (!services?.program) throw new Error("this rule needs typescript-eslint's type information");
  return /** @type {Services} */ (services);
}

/**
 * The outermost expression that has the same value as `node` whichever way it is evaluated: through casts, conditions,
 * `??`, `||`, `&&` and the last operand of a comma.
 * @param {any} node
 * @returns {any}
 */
export function outermostSameValue(node) {
  let current = node;
  while (passesOn(current.parent, current)) current = current.parent;
  return current;
}

/** @param {any} parent @param {any} child @returns {boolean} */
function passesOn(parent, child) {
  switch (parent?.type) {
    case "ChainExpression":
    case "TSAsExpression":
    case "TSSatisfiesExpression":
    case "TSNonNullExpression":
    case "TSTypeAssertion":
      return true;
    case "ConditionalExpression":
      return parent.test !== child;
    case "LogicalExpression":
      // The left operand of `&&` is only tested when it is a generator, which is always true.
      return parent.right === child || parent.operator !== "&&";
    case "SequenceExpression":
      return parent.expressions.at(-1) === child;
    default:
      return false;
  }
}
