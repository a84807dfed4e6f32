/** `OPEN_PACKET`: what an open asks for, carried past the object manager to the device, and what came of it. */
import type { FsNode } from "./node.ts";

/** What an open asks for. */
export interface OpenRequest {
  readonly disposition: number;
  readonly options: number;
  readonly shareAccess: number;
  readonly fileAttributes: number;
  /** Opens the directory in which the last component lies or would lie, for a rename. */
  readonly targetDirectory?: boolean;
}

export class OpenPacket {
  readonly request: OpenRequest;
  /** `OpenInformation`, once the open succeeded. */
  information = 0;
  /** For a target directory: the last component, and what is there now. */
  targetName = "";
  targetNode: FsNode | null = null;

  constructor(request: OpenRequest) {
    this.request = request;
  }
}
