/**
 * The tree of a volume: directories and files, each with its times, attributes and sharing state. A directory that is
 * mounted from the host, and everything below it, is read from the host when it is first looked at and kept from then
 * on, so what a run sees does not depend on when the host changes.
 *
 * Invariants: a directory holds each upcased name once; a node that is `removed` is in no directory and only open files
 * know it.
 */
import { upcaseName } from "../ob/directory.ts";
import { assert } from "../rtl/assert.ts";
import { FILE_ATTRIBUTE_ARCHIVE, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_NORMAL } from "./constants.ts";
import { type ByteAccount, type FileContent, HostContent, MemoryContent } from "./content.ts";
import type { HostDirectory } from "./hostdirectory.ts";
import type { ByteRangeLocks } from "./bytelocks.ts";
import { isValidComponent } from "./name.ts";
import { NameTable } from "./nametable.ts";
import { ShareAccess } from "./share.ts";
import type { Volume } from "./volume.ts";

/** A host directory at its place in a volume. */
export interface HostMount {
  readonly directory: HostDirectory;
  readonly readOnly: boolean;
  /** The directory node that stands for the mounted directory. */
  readonly root: FsDirectory;
  readonly account: ByteAccount;
}

/** Times of a node: 100 ns since 1601. */
export interface FsTimes {
  creation: bigint;
  lastAccess: bigint;
  lastWrite: bigint;
  change: bigint;
}

export abstract class FsNode {
  readonly volume: Volume;
  /** The file's number in its volume, never reused. */
  readonly fileId: number;
  name: string;
  parent: FsDirectory | null;
  /** The mount it belongs to, or null for what lives in memory. */
  readonly mount: HostMount | null;
  /** Settable attribute bits; the directory and normal bits follow from the rest. */
  attributes = 0;
  readonly times: FsTimes;
  readonly share: ShareAccess = new ShareAccess();
  /** Open file objects whose last handle is still to be closed. */
  openCount = 0;
  /** Set by a delete disposition: nobody may open it any more, and the last close removes it. */
  deletePending = false;
  removed = false;
  /** Part of the system: writing, renaming and deleting are denied whatever the attributes say. */
  protectedNode = false;

  constructor(init: NodeInit) {
    this.volume = init.volume;
    this.fileId = init.volume.nextFileId();
    this.name = init.name;
    this.parent = init.parent;
    this.mount = init.mount;
    this.times = { creation: init.time, lastAccess: init.time, lastWrite: init.time, change: init.time };
  }

  /** The attributes as a query reports them. */
  abstract get reportedAttributes(): number;
  /** Bytes in use; 0 for directories. */
  abstract get length(): number;
}

/** What every node is made from. */
export interface NodeInit {
  readonly volume: Volume;
  readonly name: string;
  readonly parent: FsDirectory | null;
  readonly mount: HostMount | null;
  readonly time: bigint;
}

export class FsFile extends FsNode {
  readonly content: FileContent;
  /** Counts writes, so that a cache of the file's bytes can tell which ones it holds. */
  generation = 0;
  /** Byte-range locks; null until the first one. */
  locks: ByteRangeLocks | null = null;

  constructor(init: NodeInit, content: FileContent | null, hostLength = 0) {
    super(init);
    const mount = this.mount;
    assert((content === null) === (mount !== null), "the content of a file on the host is the host's");
    this.content = content ?? new HostContent(bindingOf(this), hostLength);
  }

  override get reportedAttributes(): number {
    return this.attributes === 0 ? FILE_ATTRIBUTE_NORMAL : this.attributes;
  }

  override get length(): number {
    return this.content.length;
  }

  /** Bytes that the file takes from its volume's quota. */
  get memoryBytes(): number {
    return this.content instanceof MemoryContent ? this.content.length : 0;
  }

  /** Names the bytes as they are now: the same for every open of the file until it is written. */
  get identity(): string {
    return `${String(this.volume.number)}:${String(this.fileId)}:${String(this.generation)}`;
  }
}

function bindingOf(file: FsFile): ConstructorParameters<typeof HostContent>[0] {
  const mount = file.mount;
  assert(mount !== null, "a file on the host belongs to a mount");
  return { host: mount.directory, account: mount.account, path: () => hostPathOf(file) };
}

export class FsDirectory extends FsNode {
  /** Null until a mounted directory is first looked at. */
  #children: NameTable<FsNode> | null = null;
  /** Set on the directory where a mount begins. */
  #ownMount: HostMount | null = null;

  override get reportedAttributes(): number {
    return this.attributes | FILE_ATTRIBUTE_DIRECTORY;
  }

  override get length(): number {
    return 0;
  }

  /** The mount that new children of this directory belong to. */
  get childMount(): HostMount | null {
    return this.#ownMount ?? this.mount;
  }

  /** Whether a mount begins here. */
  get isMountPoint(): boolean {
    return this.#ownMount !== null;
  }

  /** Makes this directory, which must be empty, stand for a host's. */
  attachHost(directory: HostDirectory, options: { readonly readOnly: boolean; readonly account: ByteAccount }): void {
    assert(this.childMount === null && this.isEmpty, "a mount point is an empty directory in memory");
    this.#children = null;
    this.#ownMount = { directory, readOnly: options.readOnly, root: this, account: options.account };
  }

  get(name: string): FsNode | null {
    return this.#load().get(upcaseName(name));
  }

  add(node: FsNode): void {
    const children = this.#load();
    const key = upcaseName(node.name);
    assert(children.get(key) === null, "a directory holds each name once");
    children.set(key, node);
    node.parent = this;
  }

  delete(node: FsNode): void {
    const removed = this.#load().delete(upcaseName(node.name));
    assert(removed, "a node is taken out of the directory that holds it");
  }

  get isEmpty(): boolean {
    return this.#load().size === 0;
  }

  /** The children, sorted by upcased name. */
  list(): readonly FsNode[] {
    return this.#load().list();
  }

  #load(): NameTable<FsNode> {
    if (this.#children !== null) return this.#children;
    this.#children = new NameTable();
    const mount = this.childMount;
    if (mount !== null) this.#loadFromHost(mount, this.#children);
    return this.#children;
  }

  /** Names that Windows could not have, and all but the first of those that differ in case only, stay invisible. */
  #loadFromHost(mount: HostMount, children: NameTable<FsNode>): void {
    const entries = mount.directory.list(hostPathOf(this)) ?? [];
    for (const entry of entries) {
      const key = upcaseName(entry.name);
      if (!isValidComponent(entry.name) || children.get(key) !== null) continue;
      if (!this.volume.chargeNode()) return;
      const init: NodeInit = { volume: this.volume, name: entry.name, parent: this, mount, time: this.times.creation };
      const node = entry.kind === "file" ? new FsFile(init, null, entry.size) : new FsDirectory(init);
      if (entry.kind === "file") node.attributes = FILE_ATTRIBUTE_ARCHIVE;
      children.set(key, node);
    }
  }
}

/** Path of a node inside its host mount. */
export function hostPathOf(node: FsNode): string {
  const parts: string[] = [];
  let at: FsNode = node;
  while (!(at instanceof FsDirectory && at.isMountPoint)) {
    parts.push(at.name);
    assert(at.parent !== null, "a node on the host lies below its mount point");
    at = at.parent;
  }
  return parts.reverse().join("/");
}

/** Path of a node in its volume: `\windows\system32`; the root is `\`. */
export function pathOf(node: FsNode): string {
  const parts: string[] = [];
  for (let at: FsNode = node; at.parent !== null; at = at.parent) parts.push(at.name);
  return `\\${parts.reverse().join("\\")}`;
}

/** Whether `node` is `ancestor` or lies below it. */
export function isInside(node: FsNode, ancestor: FsNode): boolean {
  for (let at: FsNode | null = node; at !== null; at = at.parent) if (at === ancestor) return true;
  return false;
}
