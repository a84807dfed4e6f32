/** Programs of random machine code: random registers, random bytes, now and then something that might get through. */
import { MachineCode, SECTION_CODE, SECTION_WRITE, TEXT_RVA, writeProgram, IMAGE_BASE } from "./program.ts";
import type { Random } from "./random.ts";

const DATA_RVA = 0x2000;
const DATA_BYTES = 0x1000;
const MOST_BYTES = 400;
const REGISTERS = [0, 1, 2, 3, 5, 6, 7];
const ESP = 4;

/** Sequences that random bytes hardly ever hit upon. */
const SNIPPETS: readonly (readonly number[])[] = [
  [0xcd, 0x2e],
  [0xcd, 0x2d],
  [0xcc],
  [0x0f, 0x31],
  [0x0f, 0x05],
  [0x0f, 0x34],
  [0xf4],
  [0x9d],
  [0xcf],
  [0xf1],
  [0x8e, 0xd0],
  [0x8e, 0xe0],
  [0x64, 0xa1, 0x18, 0, 0, 0],
  [0x64, 0xc7, 0x05, 0, 0, 0, 0, 0, 0, 0, 0],
  [0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d],
  [0xf3, 0xaa],
  [0xf3, 0xa5],
  [0xe8, 0, 0, 0, 0],
  [0xc8, 0xff, 0xff, 31],
  [0x0f, 0xae, 0x0b],
  [0xdd, 0x23],
];

export function randomCodeProgram(random: Random): Uint8Array {
  const code = new MachineCode();
  for (const register of REGISTERS) code.bytes(0xb8 + register).word(address(random));
  if (random.oneIn(6)) code.bytes(0xb8 + ESP).word(address(random));
  for (let left = 20 + random.below(MOST_BYTES); left > 0; left--) {
    if (random.oneIn(12)) code.bytes(...random.pick(SNIPPETS));
    // mov eax, a small number: most likely that of a system service
    else if (random.oneIn(24)) code.bytes(0xb8).word(random.below(0x80));
    else code.bytes(random.below(256));
  }
  code.bytes(0xe9);
  code.word(-(code.length + 4));
  const data = Uint8Array.from({ length: DATA_BYTES }, () => random.below(256));
  // Code that may write itself, every other time.
  const characteristics = random.oneIn(2) ? (SECTION_CODE | SECTION_WRITE) >>> 0 : SECTION_CODE;
  return writeProgram([
    { name: ".text", rva: TEXT_RVA, bytes: code.finish(), characteristics },
    { name: ".data", rva: DATA_RVA, bytes: data, characteristics: SECTION_WRITE },
  ]);
}

function address(random: Random): number {
  switch (random.below(5)) {
    case 0:
      return random.word();
    case 1:
      return random.below(0x100);
    case 2:
      return IMAGE_BASE + TEXT_RVA + random.below(0x200);
    default:
      return IMAGE_BASE + DATA_RVA + random.below(DATA_BYTES + 16);
  }
}
