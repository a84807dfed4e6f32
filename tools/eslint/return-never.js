/**
 * `return-never`: what never returns is returned.
 *
 * TypeScript does not treat what follows `yield*` of a `Blocking<never>` as unreachable; `return yield* …` makes it so for
 * the reader and for the compiler.
 */
import { neverReturns, outermostSameValue, typeServices } from "./types.js";

/** @type {import("eslint").Rule.RuleModule} */
export const returnNever = {
  meta: {
    type: "problem",
    docs: { description: "a Blocking<never> is returned" },
    messages: { unreturned: "This never returns: write `return yield* …`." },
    schema: [],
  },
  create(context) {
    const services = typeServices(context);
    const checker = services.program.getTypeChecker();
    return {
      "YieldExpression[delegate=true]"(/** @type {any} */ node) {
        if (!neverReturns(services.getTypeAtLocation(node.argument), checker)) return;
        if (outermostSameValue(node).parent.type === "ReturnStatement") return;
        context.report({ node, messageId: "unreturned" });
      },
    };
  },
};
