/** What the object manager keeps in every thread: its id, and what its pseudo-handle grants. */
import { ExThread } from "../ex/thread.ts";

export abstract class ObThread extends ExThread {
  /** What the thread may do to itself through the pseudo-handle -2. */
  grantedAccess = 0;
  /** Set while the handles of its process are being closed: nobody could answer a hard error. Self. */
  hardErrorsDisabled = false;
}
