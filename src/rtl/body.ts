/**
 * What every kernel object has in front of its own fields: an id for the record, and the object manager's header once
 * there is one. A dispatcher object that is embedded in another (a thread's timer, say) never gets a header.
 */

export abstract class ObjectBody {
  /** Names the object in the record; unique in one machine, never reused. */
  readonly id: number;
  /** The object manager's header; only `ob/` reads or writes it. */
  objectHeader: unknown = null;

  constructor(id: number) {
    this.id = id;
  }
}
