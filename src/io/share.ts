/** Share modes: which accesses to an open file exclude each other (`IoCheckShareAccess`). */
import { DELETE } from "../abi/ob.ts";
import { type NtStatus, STATUS_SUCCESS } from "../abi/status.ts";
import {
  FILE_EXECUTE,
  FILE_READ_DATA,
  FILE_SHARE_DELETE,
  FILE_SHARE_READ,
  FILE_SHARE_WRITE,
  FILE_WRITE_RIGHTS,
} from "./constants.ts";
import { STATUS_SHARING_VIOLATION } from "./status.ts";

/** What one open file does to a file, and what it lets others do. All false when it only looks at attributes. */
export interface Sharing {
  readonly read: boolean;
  readonly write: boolean;
  readonly delete: boolean;
  readonly shareRead: boolean;
  readonly shareWrite: boolean;
  readonly shareDelete: boolean;
}

/** What an open with these rights and this share mode does; null if it neither reads, writes nor deletes. */
export function sharingOf(access: number, shareAccess: number): Sharing | null {
  const read = (access & (FILE_READ_DATA | FILE_EXECUTE)) !== 0;
  const write = (access & FILE_WRITE_RIGHTS) !== 0;
  const remove = (access & DELETE) !== 0;
  if (!read && !write && !remove) return null;
  return {
    read,
    write,
    delete: remove,
    shareRead: (shareAccess & FILE_SHARE_READ) !== 0,
    shareWrite: (shareAccess & FILE_SHARE_WRITE) !== 0,
    shareDelete: (shareAccess & FILE_SHARE_DELETE) !== 0,
  };
}

/** Counts of the opens of one file. */
export class ShareAccess {
  #opens = 0;
  #readers = 0;
  #writers = 0;
  #deleters = 0;
  #sharedRead = 0;
  #sharedWrite = 0;
  #sharedDelete = 0;

  /** Whether one more open with `sharing` gets along with those there are. */
  check(sharing: Sharing): NtStatus {
    const refused =
      (sharing.read && this.#sharedRead < this.#opens) ||
      (sharing.write && this.#sharedWrite < this.#opens) ||
      (sharing.delete && this.#sharedDelete < this.#opens) ||
      (this.#readers > 0 && !sharing.shareRead) ||
      (this.#writers > 0 && !sharing.shareWrite) ||
      (this.#deleters > 0 && !sharing.shareDelete);
    return refused ? STATUS_SHARING_VIOLATION : STATUS_SUCCESS;
  }

  add(sharing: Sharing): void {
    this.#count(sharing, 1);
  }

  remove(sharing: Sharing): void {
    this.#count(sharing, -1);
  }

  #count(sharing: Sharing, by: 1 | -1): void {
    this.#opens += by;
    if (sharing.read) this.#readers += by;
    if (sharing.write) this.#writers += by;
    if (sharing.delete) this.#deleters += by;
    if (sharing.shareRead) this.#sharedRead += by;
    if (sharing.shareWrite) this.#sharedWrite += by;
    if (sharing.shareDelete) this.#sharedDelete += by;
  }
}
