/** The local rules, as one ESLint plugin. `eslint.config.js` says where each applies. */
import { delegateBlocking } from "./delegate-blocking.js";
import { noBareYield } from "./no-bare-yield.js";
import { noKernelThrow } from "./no-kernel-throw.js";
import { returnNever } from "./return-never.js";

/** @type {import("eslint").ESLint.Plugin} */
export const rundown = {
  meta: { name: "rundown" },
  rules: {
    "delegate-blocking": delegateBlocking,
    "no-bare-yield": noBareYield,
    "no-kernel-throw": noKernelThrow,
    "return-never": returnNever,
  },
};
