import { describe, expect, it } from "vitest";
import {
  parseChoice,
  parseChoices,
  parseCount,
  parseDuration,
  parseMount,
  parseVariable,
  parseWhole,
  UsageError,
} from "../../../apps/cli/values.ts";

describe("a count", () => {
  it.each([
    ["1000", 1000],
    ["600k", 600_000],
    ["5M", 5_000_000],
    ["2.5G", 2_500_000_000],
    ["1e6", 1_000_000],
  ])("written %s is %i", (text, value) => {
    expect(parseCount(text)).toBe(value);
  });

  it.each(["0", "-1", "", "k", "1.5", "5T", "1e99", "NaN", "1 000"])("is not written %j", (text) => {
    expect(() => parseCount(text)).toThrow(UsageError);
  });
});

describe("a duration", () => {
  it.each([
    ["10s", 10_000],
    ["500ms", 500],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["3", 3000],
    ["0.5 s", 500],
  ])("written %s is %i ms", (text, value) => {
    expect(parseDuration(text)).toBe(value);
  });

  it.each(["", "s", "-1s", "0", "10 years", "1e3s", "Infinity"])("is not written %j", (text) => {
    expect(() => parseDuration(text)).toThrow(UsageError);
  });
});

describe("a mount", () => {
  it.each([
    ["./data:D:", { host: "./data", guest: "D:\\", readOnly: false }],
    ["./data:d:/", { host: "./data", guest: "D:\\", readOnly: false }],
    ["./src:C:\\src:ro", { host: "./src", guest: "C:\\src", readOnly: true }],
    ["/a:b/c:E:\\x\\y\\:rw", { host: "/a:b/c", guest: "E:\\x\\y", readOnly: false }],
    ["C:\\host:D:\\guest", { host: "C:\\host", guest: "D:\\guest", readOnly: false }],
    [".:C:/a//b", { host: ".", guest: "C:\\a\\b", readOnly: false }],
  ])("written %s has a host's and a guest's side", (text, mount) => {
    expect(parseMount(text)).toEqual(mount);
  });

  it.each(["", "./data", "./data:", ":D:", "./data:data", "./data:/data", "./data:C:\\..\\x", "./data:ro"])(
    "is not written %j",
    (text) => {
      expect(() => parseMount(text)).toThrow(UsageError);
    },
  );
});

describe("an environment variable", () => {
  it("may have equals signs in its value", () => {
    expect(parseVariable("A=b=c")).toEqual(["A", "b=c"]);
  });

  it("may have a name that begins with an equals sign, as cmd's have", () => {
    expect(parseVariable("=C:=C:\\x")).toEqual(["=C:", "C:\\x"]);
  });

  it("may be empty", () => {
    expect(parseVariable("A=")).toEqual(["A", ""]);
  });

  it.each(["A", "", "=", "A=\0"])("is not written %j", (text) => {
    expect(() => parseVariable(text)).toThrow(UsageError);
  });
});

describe("other values", () => {
  it("a whole number may be hexadecimal", () => {
    expect(parseWhole("0x10", { least: 0, most: 16 })).toBe(16);
  });

  it.each(["17", "-1", "1.5", ""])("a whole number from 0 to 16 is not %j", (text) => {
    expect(() => parseWhole(text, { least: 0, most: 16 })).toThrow("from 0 to 16");
  });

  it("a choice that does not exist is told with those that do", () => {
    expect(() => parseChoice("x", ["a", "b"])).toThrow("must be one of a, b");
  });

  it("several choices are separated by commas", () => {
    expect(parseChoices("a, b", ["a", "b"])).toEqual(["a", "b"]);
  });
});
