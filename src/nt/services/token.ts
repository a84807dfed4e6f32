/** System services on tokens: capture, call the typed routine, write back. No handle is made that could not be answered. */
import type { NtResult, NtStatus } from "../../abi/status.ts";
import type { Kernel } from "../../kernel.ts";
import { NtOpenProcessTokenEx, NtOpenThreadTokenEx, NtQueryInformationToken } from "../../se/tokenservice.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { answer, capture, probeOut } from "../capture.ts";
import type { NtService, ServiceArguments } from "../table.ts";

/** A service that answers a handle through a pointer, which is probed before the handle is made. */
function* open(k: Kernel, out: number, make: () => Blocking<NtResult<number>>): Blocking<NtStatus> {
  const user = capture(k);
  probeOut(user, out);
  if (user.faulted) return user.status;
  return answer(k, out, yield* make());
}

function* queryToken(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, informationClass = 0, buffer = 0, length = 0, returnLength = 0] = a;
  const user = capture(k);
  probeOut(user, returnLength);
  if (user.faulted) return user.status;
  const result = yield* NtQueryInformationToken(k, handle, informationClass, buffer, length);
  if (!result.ok) return result.status;
  const out = capture(k);
  if (returnLength !== 0) out.writeU32(returnLength, result.value.returnLength);
  out.writeBytes(buffer, result.value.bytes);
  return out.faulted ? out.status : result.value.status;
}

export const tokenServices: readonly NtService[] = [
  {
    name: "NtOpenProcessToken",
    arguments: 3,
    handler: (k, [h = 0, access = 0, out = 0]) => open(k, out, () => NtOpenProcessTokenEx(k, h, access, 0)),
  },
  {
    name: "NtOpenProcessTokenEx",
    arguments: 4,
    handler: (k, [h = 0, access = 0, attributes = 0, out = 0]) =>
      open(k, out, () => NtOpenProcessTokenEx(k, h, access, attributes)),
  },
  {
    name: "NtOpenThreadToken",
    arguments: 4,
    handler: (k, [h = 0, access = 0, , out = 0]) => open(k, out, () => NtOpenThreadTokenEx(k, h, access, 0)),
  },
  {
    name: "NtOpenThreadTokenEx",
    arguments: 5,
    handler: (k, [h = 0, access = 0, , attributes = 0, out = 0]) =>
      open(k, out, () => NtOpenThreadTokenEx(k, h, access, attributes)),
  },
  { name: "NtQueryInformationToken", arguments: 5, handler: queryToken },
];
