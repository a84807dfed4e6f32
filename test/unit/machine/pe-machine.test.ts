import { expect, test } from "vitest";
import { randomDamage, soundPrograms, systematicDamage } from "../../support/damage.ts";
import { expectOrdinaryEnd, runHostile } from "../../support/hostile.ts";
import { randomFrom } from "../../support/random.ts";

const SYSTEMATIC_STEP = 13;

test("a program with a spoilt header field is refused with a reason or runs to an end", () => {
  const [program = new Uint8Array(0)] = soundPrograms();
  const kinds = new Set<string>();
  let index = 0;
  for (const file of systematicDamage(program)) {
    if (index++ % SYSTEMATIC_STEP === 0) kinds.add(expectOrdinaryEnd(file, { audit: true }));
  }
  expect([...kinds].sort()).toEqual(["refused", "run"]);
});

test("randomly spoilt programs are refused with a reason or run to an end", () => {
  const random = randomFrom(1);
  const programs = soundPrograms();
  for (let index = 0; index < 150; index++) {
    expectOrdinaryEnd(randomDamage(random.pick(programs), random), { audit: true });
  }
});

test("the file that is spoilt runs when it is sound", () => {
  const ends = soundPrograms().map((file) => runHostile(file).end?.outcome);
  expect(ends).toEqual(["exited", "exited", "exited", "deadlock"]);
});
