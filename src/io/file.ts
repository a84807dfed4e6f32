/**
 * File objects: one open of a file, a directory, a volume or a device.
 *
 * Invariant: what an open did to its file (share counts, open count) is undone exactly once, by {@link cleanupFile}.
 */
import { DispatcherType } from "../abi/ke.ts";
import type { Kernel } from "../kernel.ts";
import { KEvent } from "../ke/objects.ts";
import { ObjectBody } from "../rtl/body.ts";
import { newObjectId } from "../sim/identity.ts";
import { FILE_SYNCHRONOUS_IO_ALERT, FILE_SYNCHRONOUS_IO_NONALERT } from "./constants.ts";
import type { IoCompletionPort } from "./completionport.ts";
import type { DeviceObject } from "./device.ts";
import type { DirectoryScan } from "./scan.ts";
import type { FsNode } from "./node.ts";
import type { Sharing } from "./share.ts";

/** Where completions of a file's requests are posted. */
export interface CompletionContext {
  readonly port: IoCompletionPort;
  readonly key: number;
}

export class FileObject extends ObjectBody {
  readonly device: DeviceObject;
  /** The file or directory, for an open inside a volume. */
  node: FsNode | null;
  /** What the device was asked to open: the path behind its name, empty for the device itself. */
  readonly fileName: string;
  /** `CreateOptions` of the open. */
  options: number;
  /** Rights of the open, as the share check saw them. */
  readonly access: number;
  /** Null when this open takes no part in sharing. */
  sharing: Sharing | null = null;
  /** The file pointer. */
  currentOffset = 0;
  deleteOnClose = false;
  /** Whether the device agreed to the open: only then is it told of its end. */
  opened = true;
  cleanedUp = false;
  /** What a wait for the file waits for: set while no request is under way. */
  readonly event: KEvent;
  /** Serialises the requests of a synchronous file: whoever finds `busy` waits for the event, and makes it first. */
  busy = false;
  lock: KEvent | null = null;
  completion: CompletionContext | null = null;
  /** `FileIoCompletionNotificationInformation`. */
  notificationFlags = 0;
  scan: DirectoryScan | null = null;
  /** The device's own. */
  context: unknown = null;

  constructor(k: Kernel, init: FileInit) {
    super(newObjectId(k));
    this.device = init.device;
    this.node = init.node;
    this.fileName = init.fileName;
    this.options = init.options;
    this.access = init.access;
    this.event = new KEvent(newObjectId(k), DispatcherType.EventNotification, 1);
  }

  /** Whether requests wait for their end before they return (`FO_SYNCHRONOUS_IO`). */
  get synchronous(): boolean {
    return (this.options & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT)) !== 0;
  }

  /** Whether an alert or a user APC ends such a wait. */
  get alertable(): boolean {
    return (this.options & FILE_SYNCHRONOUS_IO_ALERT) !== 0;
  }
}

export interface FileInit {
  readonly device: DeviceObject;
  readonly node: FsNode | null;
  readonly fileName: string;
  readonly options: number;
  readonly access: number;
}
