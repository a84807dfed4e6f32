import {
  type Blocking,
  type Driver,
  type Kernel,
  ntoskrnl,
  STATUS_CANCELLED,
  STATUS_PENDING,
  STATUS_SUCCESS,
} from "../../src/index.ts";

const { IoCompleteRequest, IoSetCancelRoutine } = ntoskrnl;

/** `\\.\Mailbox`: a read waits until somebody writes. It also notes which processes ended while the driver was there. */
export function mailboxDriver(ended: number[]): Driver {
  const waiting: ntoskrnl.Irp[] = [];
  let device: ntoskrnl.DeviceObject | null = null;

  function read(_k: Kernel, irp: ntoskrnl.Irp): typeof STATUS_PENDING {
    waiting.push(irp);
    IoSetCancelRoutine(irp, cancel);
    return STATUS_PENDING;
  }

  function write(k: Kernel, irp: ntoskrnl.Irp): typeof STATUS_SUCCESS {
    const reader = waiting.shift();
    if (reader !== undefined) {
      // From here on nobody cancels it any more.
      IoSetCancelRoutine(reader, null);
      reader.output = irp.parameters.input.slice(0, reader.parameters.length);
      IoCompleteRequest(k, reader, STATUS_SUCCESS, reader.output.length, 0);
    }
    irp.information = irp.parameters.input.length;
    return STATUS_SUCCESS;
  }

  /** Called with the cancel spin lock held: the reader gave up, or its thread is dying. */
  function cancel(k: Kernel, irp: ntoskrnl.Irp): void {
    ntoskrnl.IoReleaseCancelSpinLock(k, irp.cancelIrql);
    waiting.splice(waiting.indexOf(irp), 1);
    IoCompleteRequest(k, irp, STATUS_CANCELLED, 0, 0);
  }

  function* processEnded(_k: Kernel, _parentPid: number, pid: number, create: boolean): Blocking<void> {
    if (!create) ended.push(pid);
  }

  return {
    name: "mailbox",
    *load(k, driver) {
      const made = ntoskrnl.IoCreateDevice(k, "Mailbox", {
        driver,
        deviceType: ntoskrnl.FILE_DEVICE_UNKNOWN,
        dispatch: { read, write },
      });
      if (!made.ok) return made.status;
      device = made.value;
      ntoskrnl.IoCreateSymbolicLink(k, "Mailbox", "\\Device\\Mailbox");
      return yield* ntoskrnl.PsSetCreateProcessNotifyRoutine(k, processEnded, { remove: false });
    },
    *unload(k) {
      yield* ntoskrnl.PsSetCreateProcessNotifyRoutine(k, processEnded, { remove: true });
      yield* ntoskrnl.IoDeleteSymbolicLink(k, "Mailbox");
      if (device !== null) yield* ntoskrnl.IoDeleteDevice(k, device);
    },
  };
}
