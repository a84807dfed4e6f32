/** Entry of the command line. */
import { Output } from "./output.ts";
import { usedParts } from "./parts.ts";
import { perform } from "./perform.ts";

export { usedParts };

void perform(process.argv.slice(2), { out: new Output(1), err: new Output(2) }).then((status) => {
  process.exitCode = status;
});
