/**
 * What the linter enforces, and where. The rules that are particular to this kernel are in tools/eslint/; the rest is
 * ESLint's own rules against mistakes and typescript-eslint's type-aware preset.
 *
 * Later entries replace the options of a rule that earlier ones set, so each rule's list is built once and given whole.
 */
import tseslint from "typescript-eslint";

import { coreRules, javaScriptRules, nodeGlobals } from "./tools/eslint/core.js";
import { rundown } from "./tools/eslint/index.js";

const KERNEL_LAYERS = "abi,rtl,sim,ke,ex,ob,se,mm,io,cm,po,lpc,ps,dbgk,win32k,nt";
const HOST_GLOBALS = [
  ...["Date", "Promise", "console", "process", "performance", "globalThis", "queueMicrotask", "fetch", "crypto"],
  ...["setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "clearImmediate", "Buffer"],
];

/** Syntax that no TypeScript of ours uses. */
const EVERYWHERE = [
  { selector: "TSEnumDeclaration", message: "Write a const object, not an enum." },
  {
    selector: "ForInStatement",
    message: "Object keys have no order that we rely on: iterate an array, a Map or a Set.",
  },
];

/** Syntax that makes a machine depend on its host, or on the machine beside it. */
const ONE_MACHINE = [
  {
    selector: ":matches(Program, Program > ExportNamedDeclaration) > VariableDeclaration[kind!='const']",
    message: "All state hangs on the Kernel: no variable outlives a routine.",
  },
  { selector: ":function[async=true]", message: "Nothing in src/ is asynchronous: the order would be the host's." },
  { selector: ":matches(AwaitExpression, ForOfStatement[await=true])", message: "Nothing in src/ waits for the host." },
  {
    selector:
      "TSTypeReference[typeName.name=/^(Promise|PromiseLike|AsyncGenerator|AsyncIterable|AsyncIterator|Date)$/]",
    message: "Nothing in src/ hands out what only the host can finish, or the host's time.",
  },
  { selector: "ImportExpression", message: "A dynamic import is asynchronous: import statically." },
  {
    selector: "FunctionDeclaration[generator=true]:not([returnType])",
    message: "The colour of a routine is its contract: declare what this generator answers with.",
  },
];

const TYPESCRIPT_RULES = {
  ...coreRules,
  "no-restricted-syntax": ["error", ...EVERYWHERE],
  "@typescript-eslint/no-non-null-assertion": "error",
  "@typescript-eslint/no-unused-vars": [
    "error",
    { argsIgnorePattern: "^_", caughtErrors: "all", ignoreRestSiblings: true },
  ],
  "@typescript-eslint/prefer-readonly": "error",
  "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
  "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
  "rundown/delegate-blocking": "error",
  "rundown/no-bare-yield": "error",
  "rundown/return-never": "error",
};

export default tseslint.config(
  { ignores: ["dist/", "coverage/", ".cache/", "test/golden/", "samples/"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },

  {
    name: "rundown/typescript",
    files: ["{src,apps,bench,test}/**/*.ts"],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { rundown },
    rules: TYPESCRIPT_RULES,
  },

  {
    name: "rundown/one-machine",
    files: ["src/**/*.ts"],
    rules: {
      "no-restricted-globals": [
        "error",
        ...HOST_GLOBALS.map((name) => ({ name, message: "src/ runs without a host." })),
      ],
      "no-restricted-properties": [
        "error",
        { object: "Math", property: "random", message: "Chance comes from the choice source of the machine." },
      ],
      "no-restricted-syntax": ["error", ...EVERYWHERE, ...ONE_MACHINE],
    },
  },

  {
    name: "rundown/kernel",
    files: [`src/{${KERNEL_LAYERS}}/**/*.ts`],
    rules: { "rundown/no-kernel-throw": "error" },
  },
  // The two ways in which a machine ends at once, and the one place that catches the second of them.
  { files: ["src/rtl/assert.ts"], rules: { "rundown/no-kernel-throw": ["error", { throws: ["AssertionFailure"] }] } },
  { files: ["src/ke/bugcheck.ts"], rules: { "rundown/no-kernel-throw": ["error", { throws: ["BugCheckSignal"] }] } },
  { files: ["src/ke/run.ts"], rules: { "rundown/no-kernel-throw": ["error", { catches: true }] } },

  {
    name: "rundown/drivers",
    // Who starts a routine in a thread's name: the dispatcher, the boot of a machine before there is one, tests.
    files: ["src/{sim,ke}/**/*.ts", "src/machine/kernel.ts", "test/**/*.ts"],
    rules: { "rundown/delegate-blocking": ["error", { handOver: true }] },
  },
  {
    name: "rundown/suspenders",
    // A bare yield suspends a thread, or is the system call of a scripted program.
    files: ["src/{sim,ke,scenario}/**/*.ts", "src/guest/script/**/*.ts", "test/**/*.ts"],
    rules: { "rundown/no-bare-yield": "off" },
  },

  {
    name: "rundown/tests",
    files: ["test/**/*.ts"],
    rules: {
      // A test that is wrong about a value being there fails at once, and readably.
      "@typescript-eslint/no-non-null-assertion": "off",
      // The body of a thread under test may have nothing to wait for.
      "require-yield": "off",
    },
  },

  {
    name: "rundown/tools",
    files: ["tools/**/*.{js,mjs}", "*.{js,cjs,mjs}", ".dependency-cruiser.cjs", "bin/rundown"],
    languageOptions: { globals: nodeGlobals },
    rules: { ...coreRules, ...javaScriptRules },
  },
  {
    // Old versions of Node must be able to parse the launcher far enough to be told that they are too old.
    name: "rundown/launcher",
    files: ["bin/rundown"],
    languageOptions: { sourceType: "commonjs", globals: { __dirname: "readonly", require: "readonly" } },
    rules: { "no-var": "off", "prefer-const": "off" },
  },
  { files: ["**/*.cjs"], languageOptions: { sourceType: "commonjs" } },
);
