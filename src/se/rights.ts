/** `TOKEN_*`: the rights that a handle to a token may grant, and what the generic ones mean. */

export const TOKEN_DUPLICATE = 0x002;
export const TOKEN_IMPERSONATE = 0x004;
export const TOKEN_QUERY = 0x008;
export const TOKEN_QUERY_SOURCE = 0x010;
export const TOKEN_ADJUST_PRIVILEGES = 0x020;
const TOKEN_ADJUST_GROUPS = 0x040;
const TOKEN_ADJUST_DEFAULT = 0x080;
export const TOKEN_ALL_ACCESS = 0xf01ff;
/** What the generic right to write means. */
export const TOKEN_ADJUST_RIGHTS: number = TOKEN_ADJUST_PRIVILEGES | TOKEN_ADJUST_GROUPS | TOKEN_ADJUST_DEFAULT;
/** What the generic right to execute means. */
export const TOKEN_EXECUTE_RIGHTS = 0;
