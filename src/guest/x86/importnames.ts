/** Which import lies behind an import-address slot of the program. */
import type { Library } from "../library.ts";
import { readImports } from "../peimports.ts";

export interface ImportNames {
  /** Name of the import whose address is at `rva`, or undefined. */
  nameAt(rva: number): string | undefined;
}

/** Read on first use: only a kill asks. */
export function importNamesOf(library: Library): ImportNames {
  let names: Map<number, string> | null = null;
  return {
    nameAt(rva) {
      names ??= readNames(library);
      return names.get(rva);
    },
  };
}

function readNames(library: Library): Map<number, string> {
  const names = new Map<number, string>();
  const imports = readImports(library.pe);
  if (!imports.ok) return names;
  for (const { symbols } of imports.value) {
    for (const symbol of symbols) if ("name" in symbol) names.set(symbol.iatRva, symbol.name);
  }
  return names;
}
