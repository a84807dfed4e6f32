/** The question about a critical object that dies, and what an answer to it means. */
import type { Kernel } from "../kernel.ts";
import { step } from "./steps.ts";

export const QUESTION = "Break, or Ignore (bi)? ";

/** Does what the answer says. @returns false if it says nothing: then the question is asked again */
export function isHandled(k: Kernel, answer: string): boolean {
  switch (answer.charAt(0).toLowerCase()) {
    case "b":
      step(k, "C3", "break");
      k.ke.kd.breakpoint();
      return true;
    case "i":
      step(k, "C3", "ignore");
      return true;
    default:
      step(k, "C3", "again");
      return false;
  }
}
