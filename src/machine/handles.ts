/**
 * The standard handles of the first process. They are inheritable, so that its children write to the same streams, and
 * they are opened in its own context, so that they count as its handles.
 */
import { GENERIC_READ, GENERIC_WRITE } from "../abi/ob.ts";
import { SYNCHRONIZE } from "../abi/ps.ts";
import { type NtResult, success } from "../abi/status.ts";
import { FILE_SYNCHRONOUS_IO_NONALERT } from "../io/constants.ts";
import { NtOpenFile } from "../io/createfile.ts";
import { STANDARD_ERROR_PATH, STANDARD_INPUT_PATH, STANDARD_OUTPUT_PATH } from "../io/init.ts";
import type { StandardHandles } from "../guest/parameters.ts";
import { KeStackAttachProcess, KeUnstackDetachProcess } from "../ke/attach.ts";
import type { Kernel } from "../kernel.ts";
import type { EProcess } from "../ps/objects.ts";
import type { Blocking } from "../sim/blocking.ts";

const OBJ_INHERIT = 2;
const SHARE_ALL = 7;

/**
 * Opens the machine's streams in a new process; its children inherit them.
 * @returns what opening a file answers; what was opened before a failure is closed with the process
 */
export function* openStandardHandles(k: Kernel, process: EProcess): Blocking<NtResult<StandardHandles>> {
  const undo = KeStackAttachProcess(k, process);
  const handles = yield* openStreams(k);
  yield* KeUnstackDetachProcess(k, undo);
  return handles;
}

function* openStreams(k: Kernel): Blocking<NtResult<StandardHandles>> {
  const input = yield* open(k, STANDARD_INPUT_PATH, GENERIC_READ | SYNCHRONIZE);
  if (!input.ok) return input;
  const output = yield* open(k, STANDARD_OUTPUT_PATH, GENERIC_WRITE | SYNCHRONIZE);
  if (!output.ok) return output;
  const error = yield* open(k, STANDARD_ERROR_PATH, GENERIC_WRITE | SYNCHRONIZE);
  if (!error.ok) return error;
  return success({ input: input.value, output: output.value, error: error.value });
}

function* open(k: Kernel, name: string, desiredAccess: number): Blocking<NtResult<number>> {
  const opened = yield* NtOpenFile(k, {
    desiredAccess,
    attributes: { rootDirectory: 0, name, attributes: OBJ_INHERIT },
    shareAccess: SHARE_ALL,
    options: FILE_SYNCHRONOUS_IO_NONALERT,
  });
  return opened.ok ? success(opened.value.handle) : opened;
}
