import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GuestOutput, Output } from "../../../apps/cli/output.ts";
import { lazily } from "../../../apps/cli/input.ts";

let folder = "";
let descriptor = -1;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rundown-output-"));
  descriptor = openSync(join(folder, "both"), "a");
});
afterEach(() => {
  closeSync(descriptor);
  rmSync(folder, { recursive: true });
});

const written = (): string => readFileSync(join(folder, "both"), "utf8");
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("the guest's output", () => {
  it("keeps the order of two streams that end in one file", () => {
    const guest = new GuestOutput(new Output(descriptor), new Output(descriptor));
    for (const text of ["1", "2"]) guest.stdout(bytes(text));
    guest.stderr(bytes("3"));
    guest.stdout(bytes("4"));
    guest.flush();
    expect(written()).toBe("1234");
  });

  it("is gathered while it is small", () => {
    const guest = new GuestOutput(new Output(descriptor), new Output(descriptor));
    guest.stdout(bytes("x"));
    expect(written()).toBe("");
  });

  it("passes through in order when pieces are larger than what is gathered", () => {
    const guest = new GuestOutput(new Output(descriptor), new Output(descriptor));
    guest.stdout(bytes("a"));
    guest.stdout(bytes("b".repeat(100_000)));
    guest.stdout(bytes("c"));
    guest.flush();
    expect(written()).toBe(`a${"b".repeat(100_000)}c`);
  });

  it("is copied, since the guest's memory changes under it", () => {
    const guest = new GuestOutput(new Output(descriptor), new Output(descriptor));
    const memory = bytes("before");
    guest.stdout(memory);
    memory.fill(0);
    guest.flush();
    expect(written()).toBe("before");
  });

  it("is not changed, whatever bytes it has", () => {
    const guest = new GuestOutput(new Output(descriptor), new Output(descriptor));
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    guest.stdout(all);
    guest.flush();
    expect(new Uint8Array(readFileSync(join(folder, "both")))).toEqual(all);
  });
});

describe("an output", () => {
  it("that cannot be written to is a failure", () => {
    const readOnly = new Output(openSync(join(folder, "both"), "r"));
    expect(() => readOnly.text("x")).toThrow("cannot write");
    closeSync(readOnly.descriptor);
  });
});

describe("a lazy value", () => {
  it("is made once, when it is first asked for", () => {
    let made = 0;
    const value = lazily(() => ++made);
    expect([made, value(), value(), made]).toEqual([0, 1, 1, 1]);
  });
});
