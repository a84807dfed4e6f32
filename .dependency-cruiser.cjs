/**
 * Who may import whom. A layer imports itself and the layers before it in this one ordered list; `src/kernel.ts` names every
 * layer's state by type, and may be imported by type from anywhere, so cycles through it vanish at run time.
 */
const LAYERS = [
  ...[
    "abi",
    "rtl",
    "sim",
    "ke",
    "ex",
    "ob",
    "se",
    "mm",
    "io",
    "cm",
    "po",
    "lpc",
    "ps",
    "dbgk",
    "win32k",
    "nt",
    "check",
  ],
  ...["cpu", "guest", "machine", "scenario", "explore", "report"],
];
/** A processor knows nothing of the kernel that it runs under. */
const NARROWER = { cpu: ["abi", "rtl"] };

const oneOf = (names) => `^src/(${names.join("|")})/`;

const layerRules = LAYERS.map((layer, index) => {
  const mayImport = [layer, ...(NARROWER[layer] ?? LAYERS.slice(0, index))];
  return {
    name: `layer-${layer}`,
    comment: `src/${layer} imports only ${mayImport.join(", ")}, and src/kernel.ts by type.`,
    severity: "error",
    from: { path: `^src/${layer}/` },
    to: { path: "^src/", pathNot: [oneOf(mayImport), "^src/kernel[.]ts$"] },
  };
});

module.exports = {
  forbidden: [
    ...layerRules,
    {
      name: "kernel-by-type",
      comment: "src/kernel.ts comes after every layer that imports it, so it is imported with `import type`.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^src/kernel[.]ts$", dependencyTypesNot: ["type-only"] },
    },
    {
      name: "kernel-of-types",
      comment: "src/kernel.ts imports nothing but types: it must not make any layer depend on a later one.",
      severity: "error",
      from: { path: "^src/kernel[.]ts$" },
      to: { dependencyTypesNot: ["type-only"], couldNotResolve: false },
    },
    {
      name: "known-layer",
      comment: "Every file of src/ lies in a layer of the list, or is kernel.ts or index.ts.",
      severity: "error",
      from: { path: "^src/", pathNot: [oneOf(LAYERS), "^src/(kernel|index)[.]ts$"] },
      to: {},
    },
    {
      name: "known-layer-used",
      comment: "Nothing in src/ imports a file of src/ that lies in no layer.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^src/", pathNot: [oneOf(LAYERS), "^src/(kernel|index)[.]ts$"] },
    },
    {
      name: "no-cycle",
      comment: "Modules that import one another at run time are initialised in an order that nobody wrote.",
      severity: "error",
      from: { path: "^src/" },
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "no-host",
      comment: "src/ runs in a browser as it runs in Node: no package, no module of Node's.",
      severity: "error",
      from: { path: "^src/" },
      // A path that begins with a dot is a file of ours that is missing; "resolvable" reports it.
      to: { pathNot: ["^src/", "^[.]"] },
    },
    {
      name: "apps-on-src",
      comment: "Applications stand on src/ and on the packages of package.json, never on benchmarks or tests.",
      severity: "error",
      from: { path: "^apps/" },
      to: { path: "^(bench|test|tools|dist|samples)/" },
    },
    {
      name: "apps-on-dependencies",
      comment:
        "What a user's installation lacks must not be imported: only dependencies, not development dependencies.",
      severity: "error",
      from: { path: "^apps/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"] },
    },
    {
      name: "resolvable",
      comment: "Every import finds its file.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.base.json" },
    doNotFollow: { path: "^node_modules/" },
    exclude: { path: "^dist/" },
    enhancedResolveOptions: {
      extensions: [".ts", ".js", ".mjs", ".cjs", ".json"],
      conditionNames: ["import", "node", "default"],
    },
  },
};
