/** Security's part of booting: the Token type, which needs the object manager and comes before the first process. */
import { READ_CONTROL } from "../abi/ob.ts";
import type { Kernel } from "../kernel.ts";
import { ObCreateObjectType } from "../ob/create.ts";
import { TOKEN_ADJUST_RIGHTS, TOKEN_ALL_ACCESS, TOKEN_EXECUTE_RIGHTS, TOKEN_QUERY } from "./rights.ts";
import type { Token } from "./token.ts";

/** Runs once, while the machine boots. */
export function SeInitSystem(k: Kernel): void {
  k.se.tokenType = ObCreateObjectType<Token>(k, {
    name: "Token",
    validAccess: TOKEN_ALL_ACCESS,
    genericMapping: {
      read: READ_CONTROL | TOKEN_QUERY,
      write: READ_CONTROL | TOKEN_ADJUST_RIGHTS,
      execute: READ_CONTROL | TOKEN_EXECUTE_RIGHTS,
      all: TOKEN_ALL_ACCESS,
    },
    poolBytes: 0x400,
    poolTag: "Toke",
  });
}
