/**
 * The process parameters (`RTL_USER_PROCESS_PARAMETERS`) of a first process: command line, directories, environment and
 * standard handles, laid out in one allocation of its own, because ntdll copies and frees it.
 */
import { PROCESS_PARAMETERS, PROCESS_PARAMETERS_NORMALIZED } from "../abi/peb.ts";

export interface StandardHandles {
  readonly input: number;
  readonly output: number;
  readonly error: number;
}

export interface ProcessParameters {
  /** NT-style Win32 path of the image, `C:\app\hello.exe`. */
  readonly imagePath: string;
  readonly commandLine: string;
  /** With a trailing backslash. */
  readonly currentDirectory: string;
  /** Names and values, or a block that is encoded already. */
  readonly environment: ReadonlyMap<string, string> | Uint8Array;
  readonly handles: StandardHandles;
}

/** Room that the current directory may grow into. */
const CURRENT_DIRECTORY_BYTES = 520;

/** Bytes that {@link encodeParameters} needs at the most. */
export function parameterBytes(parameters: ProcessParameters): number {
  const { imagePath, commandLine } = parameters;
  const strings = 2 * imagePath.length * 2 + commandLine.length * 2 + CURRENT_DIRECTORY_BYTES + 128;
  return PROCESS_PARAMETERS.bytes + strings + encodeEnvironment(parameters.environment).length + 64;
}

/** The parameters as they lie in memory at `base`. */
export function encodeParameters(parameters: ProcessParameters, base: number): Uint8Array {
  const image = new Uint8Array(parameterBytes(parameters));
  const view = new DataView(image.buffer);
  let position: number = PROCESS_PARAMETERS.bytes;
  const put = (offset: number, text: string, room = 0): void => {
    const bytes = 2 * text.length;
    const maximum = Math.max(bytes + 2, room);
    view.setUint16(offset, bytes, true);
    view.setUint16(offset + 2, maximum, true);
    view.setUint32(offset + 4, base + position, true);
    for (let index = 0; index < text.length; index++) {
      view.setUint16(position + 2 * index, text.charCodeAt(index), true);
    }
    position = (position + maximum + 3) & ~3;
  };
  view.setUint32(PROCESS_PARAMETERS.maximumLength, image.length, true);
  view.setUint32(PROCESS_PARAMETERS.length, image.length, true);
  view.setUint32(PROCESS_PARAMETERS.flags, PROCESS_PARAMETERS_NORMALIZED, true);
  view.setUint32(PROCESS_PARAMETERS.standardInput, parameters.handles.input, true);
  view.setUint32(PROCESS_PARAMETERS.standardOutput, parameters.handles.output, true);
  view.setUint32(PROCESS_PARAMETERS.standardError, parameters.handles.error, true);
  put(PROCESS_PARAMETERS.currentDirectory, parameters.currentDirectory, CURRENT_DIRECTORY_BYTES);
  put(PROCESS_PARAMETERS.imagePathName, parameters.imagePath);
  put(PROCESS_PARAMETERS.commandLine, parameters.commandLine);
  put(PROCESS_PARAMETERS.windowTitle, parameters.imagePath);
  put(PROCESS_PARAMETERS.desktopInfo, "WinSta0\\Default");
  put(PROCESS_PARAMETERS.shellInfo, "");
  const environment = encodeEnvironment(parameters.environment);
  view.setUint32(PROCESS_PARAMETERS.environment, base + position, true);
  view.setUint32(PROCESS_PARAMETERS.environmentSize, environment.length, true);
  image.set(environment, position);
  return image;
}

/** `NAME=value` strings in UTF-16, in the order of the map, closed by an empty one. */
function encodeEnvironment(environment: ReadonlyMap<string, string> | Uint8Array): Uint8Array {
  if (environment instanceof Uint8Array) return environment;
  let text = "";
  for (const [name, value] of environment) text += `${name}=${value}\0`;
  text += text === "" ? "\0\0" : "\0";
  const image = new Uint8Array(2 * text.length);
  const view = new DataView(image.buffer);
  for (let index = 0; index < text.length; index++) view.setUint16(2 * index, text.charCodeAt(index), true);
  return image;
}

/**
 * Joins arguments to a command line that `CommandLineToArgvW` and the C run-time take apart again: quotes where needed,
 * backslashes doubled before quotes.
 */
export function joinCommandLine(program: string, args: readonly string[]): string {
  return [`"${program}"`, ...args.map(quoteArgument)].join(" ");
}

function quoteArgument(argument: string): string {
  if (argument !== "" && !/[\s"]/.test(argument)) return argument;
  const escaped = argument.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, "$1$1");
  return `"${escaped}"`;
}
