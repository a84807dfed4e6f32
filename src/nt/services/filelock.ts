/** System services that lock ranges of files, cancel requests and delete files by name. */
import { type NtStatus, NT_ERROR } from "../../abi/status.ts";
import { NtCancelIoFile, NtCancelIoFileEx, NtLockFile, NtUnlockFile } from "../../io/control.ts";
import { NtDeleteFile } from "../../io/createfile.ts";
import type { Kernel } from "../../kernel.ts";
import type { UserMemory } from "../../mm/usermemory.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { capture, readObjectAttributes } from "../capture.ts";
import type { NtService, ServiceArguments } from "../table.ts";

function probeStatusBlock(user: UserMemory, pointer: number): void {
  user.writeU32(pointer, user.readU32(pointer));
  user.writeU32(pointer + 4, user.readU32(pointer + 4));
}

function writeStatusBlock(k: Kernel, pointer: number, status: NtStatus): NtStatus {
  const user = capture(k);
  user.writeU32(pointer, status);
  user.writeU32(pointer + 4, 0);
  return user.faulted ? user.status : status;
}

function* lock(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, event = 0, apcRoutine = 0, apcContext = 0, statusBlock = 0, startPointer = 0] = a;
  const [, , , , , , lengthPointer = 0, key = 0, failImmediately = 0, exclusive = 0] = a;
  const user = capture(k);
  probeStatusBlock(user, statusBlock);
  const start = BigInt.asIntN(64, user.readU64(startPointer));
  const length = BigInt.asIntN(64, user.readU64(lengthPointer));
  if (user.faulted) return user.status;
  const result = yield* NtLockFile(k, handle, {
    event,
    apc: apcRoutine === 0 ? null : { routine: apcRoutine, script: null },
    apcContext,
    ioStatusBlock: statusBlock,
    writeBack: (kernel, irp) => void writeStatusBlock(kernel, statusBlock, irp.status),
    start,
    length,
    key,
    failImmediately: (failImmediately & 0xff) !== 0,
    exclusive: (exclusive & 0xff) !== 0,
  });
  return result.status;
}

function* unlock(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, statusBlock = 0, startPointer = 0, lengthPointer = 0, key = 0] = a;
  const user = capture(k);
  probeStatusBlock(user, statusBlock);
  const start = BigInt.asIntN(64, user.readU64(startPointer));
  const length = BigInt.asIntN(64, user.readU64(lengthPointer));
  if (user.faulted) return user.status;
  const status = yield* NtUnlockFile(k, handle, { start, length, key });
  return NT_ERROR(status) ? status : writeStatusBlock(k, statusBlock, status);
}

function* cancel(k: Kernel, statusBlock: number, call: () => Blocking<NtStatus>): Blocking<NtStatus> {
  const user = capture(k);
  probeStatusBlock(user, statusBlock);
  if (user.faulted) return user.status;
  const status = yield* call();
  return NT_ERROR(status) ? status : writeStatusBlock(k, statusBlock, status);
}

function* deleteFile(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const user = capture(k);
  const attributes = readObjectAttributes(user, a[0] ?? 0);
  if (user.faulted) return user.status;
  return attributes.ok ? yield* NtDeleteFile(k, attributes.value) : attributes.status;
}

export const fileLockServices: readonly NtService[] = [
  { name: "NtLockFile", arguments: 10, handler: lock },
  { name: "NtUnlockFile", arguments: 5, handler: unlock },
  {
    name: "NtCancelIoFile",
    arguments: 2,
    handler: (k, [handle = 0, statusBlock = 0]) => cancel(k, statusBlock, () => NtCancelIoFile(k, handle)),
  },
  {
    name: "NtCancelIoFileEx",
    arguments: 3,
    handler: (k, [handle = 0, which = 0, statusBlock = 0]) =>
      cancel(k, statusBlock, () => NtCancelIoFileEx(k, handle, which)),
  },
  { name: "NtDeleteFile", arguments: 1, handler: deleteFile },
];
