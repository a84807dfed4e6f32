/**
 * The rules of ESLint's own that every file of ours keeps: mistakes, never taste. They are listed by name, so that a new
 * version of the linter adds nothing unseen.
 */

const NAMES = [
  ...["for-direction", "no-async-promise-executor", "no-case-declarations", "no-class-assign", "no-compare-neg-zero"],
  ...["no-cond-assign", "no-constant-binary-expression", "no-constant-condition", "no-debugger"],
  ...["no-delete-var", "no-dupe-else-if", "no-duplicate-case", "no-empty", "no-empty-character-class"],
  ...["no-empty-pattern", "no-ex-assign", "no-extra-boolean-cast", "no-fallthrough", "no-global-assign"],
  ...["no-invalid-regexp", "no-irregular-whitespace", "no-loss-of-precision", "no-misleading-character-class"],
  ...["no-octal", "no-prototype-builtins", "no-regex-spaces", "no-self-assign", "no-self-compare"],
  ...["no-shadow-restricted-names", "no-sparse-arrays", "no-unassigned-vars", "no-unmodified-loop-condition"],
  ...["no-unsafe-finally", "no-unsafe-optional-chaining", "no-unused-labels", "no-unused-private-class-members"],
  ...["no-useless-backreference", "no-useless-catch", "no-useless-escape", "require-yield", "use-isnan"],
  ...["no-var", "prefer-const"],
];

/** @type {import("eslint").Linter.RulesRecord} */
export const coreRules = {
  ...Object.fromEntries(NAMES.map((name) => [name, "error"])),
  eqeqeq: "error",
  "no-constant-condition": ["error", { checkLoops: "allExceptWhileTrue" }],
  "no-else-return": ["error", { allowElseIf: false }],
};

/** What TypeScript reports by itself, and plain JavaScript therefore needs besides. */
/** @type {import("eslint").Linter.RulesRecord} */
export const javaScriptRules = {
  "no-const-assign": "error",
  "no-dupe-args": "error",
  "no-dupe-class-members": "error",
  "no-dupe-keys": "error",
  "no-func-assign": "error",
  "no-import-assign": "error",
  "no-redeclare": "error",
  "no-this-before-super": "error",
  "no-undef": "error",
  "no-unreachable": "error",
  "no-unsafe-negation": "error",
  "no-unused-vars": "error",
  "valid-typeof": "error",
};

/** The names that Node gives to the tools. */
/** @type {Record<string, "readonly">} */
export const nodeGlobals = Object.fromEntries(
  ["Buffer", "URL", "clearTimeout", "console", "performance", "process", "setTimeout"].map((name) => [
    name,
    "readonly",
  ]),
);
