/**
 * Symbolic links of the object name space. A link's target is fixed when it is made, and is text: it may lead nowhere.
 */
import { ObjectBody } from "../rtl/body.ts";

/** A name that stands for another path. */
export class ObjectSymbolicLink extends ObjectBody {
  readonly target: string;

  constructor(id: number, target: string) {
    super(id);
    this.target = target;
  }
}
