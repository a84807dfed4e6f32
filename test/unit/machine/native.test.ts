import { expect, test } from "vitest";
import { runSample } from "../../support/machine.ts";

test("a native program prints its line and exits with its code", () => {
  const { end, stdout } = runSample("samples/native/hello.exe");
  expect(stdout).toBe("Hello from ntdll.\n");
  expect(end.outcome).toBe("exited");
});
