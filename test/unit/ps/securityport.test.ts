/** The security port of a process: set once, closed for ever, and dropped by exactly one. */
import { expect, test } from "vitest";
import { STATUS_PORT_ALREADY_SET, STATUS_PROCESS_IS_TERMINATING, STATUS_SUCCESS } from "../../../src/abi/status.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { headerOf } from "../../../src/ob/header.ts";
import { PsSetProcessSecurityPort } from "../../../src/ps/securityport.ts";
import { newPort } from "../../support/port.ts";
import { ended, play, processById, sleepForever, spawn } from "../../support/scene.ts";

test("X4: the port that a process has is dropped when it exits", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    const port = yield* nt.call((k) => {
      const made = newPort(k);
      expect(PsSetProcessSecurityPort(processById(k, child.id), made)).toBe(STATUS_SUCCESS);
      return made;
    });
    yield* nt.NtTerminateProcess(child.handle, 0);
    yield* ended(child.handle);
    expect(headerOf(port).deleted).toBe(true);
  });
});

test("D49: it is set once, and not at all once it is closed", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    const process = yield* nt.call((k) => processById(k, child.id));
    yield* nt.call((k) => {
      expect(PsSetProcessSecurityPort(process, newPort(k))).toBe(STATUS_SUCCESS);
      expect(PsSetProcessSecurityPort(process, process.securityPort as never)).toBe(STATUS_PORT_ALREADY_SET);
    });
    const { securityPort } = process;
    yield* nt.NtTerminateProcess(child.handle, 0);
    yield* ended(child.handle);
    expect(process.securityPort).toBe("closed");
    expect(PsSetProcessSecurityPort(process, securityPort as never)).toBe(STATUS_PROCESS_IS_TERMINATING);
  });
});
