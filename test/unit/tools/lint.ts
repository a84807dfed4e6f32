/**
 * Lints text as though it stood in the tree, with the committed configuration and full type information.
 *
 * The text overlays one path that need not exist; whatever it imports is read from the tree, so what is proven is proven of
 * the real `Blocking` and not of a copy.
 */
import { ESLint } from "eslint";
import ts from "typescript";

const ROOT = new URL("../../../", import.meta.url).pathname;
const OPTIONS: ts.CompilerOptions = {
  strict: true,
  noEmit: true,
  target: ts.ScriptTarget.ES2023,
  lib: ["lib.es2023.d.ts"],
  types: [],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  allowImportingTsExtensions: true,
  skipLibCheck: true,
};
const parsed = new Map<string, ts.SourceFile | undefined>();

/** @returns the names of the rules that `code` breaks when it is the text of `path`, in the order of its lines */
export async function rulesBrokenBy(path: string, code: string): Promise<string[]> {
  const program = programOver(ROOT + path, code);
  const file = program.getSourceFile(ROOT + path);
  const mistakes = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
  if (mistakes.length > 0) throw new Error(ts.flattenDiagnosticMessageText(mistakes[0]!.messageText, " "));
  const eslint = new ESLint({
    cwd: ROOT,
    overrideConfig: [
      { files: ["**/*.ts"], languageOptions: { parserOptions: { projectService: false, programs: [program] } } },
    ],
  });
  const [result] = await eslint.lintText(code, { filePath: ROOT + path });
  return result!.messages.map((message) => message.ruleId ?? message.message);
}

function programOver(file: string, code: string): ts.Program {
  const host = ts.createCompilerHost(OPTIONS);
  const fileExists = host.fileExists.bind(host);
  const getSourceFile = host.getSourceFile.bind(host);
  host.fileExists = (name) => name === file || fileExists(name);
  host.getSourceFile = (name, version) => {
    if (name === file) return ts.createSourceFile(name, code, { ...asObject(version) }, true);
    if (!parsed.has(name)) parsed.set(name, getSourceFile(name, version));
    return parsed.get(name);
  };
  return ts.createProgram([file], OPTIONS, host);
}

function asObject(version: ts.ScriptTarget | ts.CreateSourceFileOptions): ts.CreateSourceFileOptions {
  return typeof version === "object" ? version : { languageVersion: version };
}
