/** Programs that do one thing without end, until they are refused. */
import { IMAGE_BASE, MachineCode, SECTION_CODE, SECTION_WRITE, TEXT_RVA, writeProgram } from "./program.ts";
import { callableServices } from "./syscallprogram.ts";

const DATA_RVA = 0x2000;
const DATA = IMAGE_BASE + DATA_RVA;

/** The number of a system service. */
export function service(name: string): number {
  const number = callableServices().find((candidate) => candidate.name === name)?.number;
  if (number === undefined) throw new Error(`the built-in ntdll has ${name}`);
  return number;
}

/** Places in the data of the programs below. */
export const OUT: number = DATA + 0x00;
export const STATUS_BLOCK: number = DATA + 0x10;
export const ATTRIBUTES: number = DATA + 0x20;
const STRING = DATA + 0x40;
export const NAME: number = DATA + 0x60;
export const PARAMETERS: number = DATA + 0x200;
export const BUFFER: number = DATA + 0x1000;
export const BUFFER_BYTES: number = 0x8000;
/** `\??\C:\windows\temp\` and two characters that count. */
export const FILE_NAME = "\\??\\C:\\windows\\temp\\\u4000\u4000";

/** A program that does `body` again and again until EAX is an error, and exits with that. */
export function endless(body: (code: MachineCode) => void): Uint8Array {
  const code = new MachineCode();
  // mov eax,[esp+4]; mov eax,[eax+10h]; mov [parameters],eax
  code.bytes(0x8b, 0x44, 0x24, 4, 0x8b, 0x40, 0x10, 0xa3).word(PARAMETERS);
  code.place("again");
  body(code);
  // test eax,eax; jns again; push eax; push -1; push 0; NtTerminateProcess
  code.bytes(0x85, 0xc0, 0x0f, 0x89).distance("again").bytes(0x50).push(0xffffffff);
  code.trap(service("NtTerminateProcess"), 2);
  const data = new Uint8Array(0x1000 + BUFFER_BYTES);
  const view = new DataView(data.buffer);
  const put = (at: number, value: number): void => view.setUint32(at - DATA, value, true);
  put(ATTRIBUTES, 24);
  put(ATTRIBUTES + 8, STRING);
  view.setUint16(STRING - DATA, 2 * FILE_NAME.length, true);
  view.setUint16(STRING - DATA + 2, 2 * FILE_NAME.length, true);
  put(STRING + 4, NAME);
  for (let i = 0; i < FILE_NAME.length; i++) view.setUint16(NAME - DATA + 2 * i, FILE_NAME.charCodeAt(i), true);
  return writeProgram([
    { name: ".text", rva: TEXT_RVA, bytes: code.finish(), characteristics: SECTION_CODE },
    { name: ".data", rva: DATA_RVA, bytes: data, characteristics: SECTION_WRITE },
  ]);
}
