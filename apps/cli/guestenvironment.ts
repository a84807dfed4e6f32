/**
 * The environment variables that a program starts with. None comes from this machine: a run must not depend on who made
 * it, nor hand what the user keeps in variables to the guest.
 */

/** Later settings replace earlier ones, whatever their case, as Windows does. */
export function guestEnvironment(
  settings: readonly (readonly [name: string, value: string])[],
  processors: number,
): Map<string, string> {
  const variables = new Map<string, readonly [name: string, value: string]>();
  for (const [name, value] of [...defaults(processors), ...settings]) variables.set(name.toUpperCase(), [name, value]);
  const sorted = [...variables].sort(([first], [second]) => (first < second ? -1 : 1));
  return new Map(sorted.map(([, [name, value]]): [string, string] => [name, value]));
}

function defaults(processors: number): (readonly [string, string])[] {
  return [
    ["ComSpec", "C:\\windows\\system32\\cmd.exe"],
    ["NUMBER_OF_PROCESSORS", String(processors)],
    ["OS", "Windows_NT"],
    ["PATH", "C:\\windows\\system32;C:\\windows"],
    ["PATHEXT", ".COM;.EXE;.BAT;.CMD"],
    ["PROCESSOR_ARCHITECTURE", "x86"],
    ["SystemDrive", "C:"],
    ["SystemRoot", "C:\\windows"],
    ["TEMP", "C:\\windows\\temp"],
    ["TMP", "C:\\windows\\temp"],
    ["USERNAME", "user"],
    ["windir", "C:\\windows"],
  ];
}
