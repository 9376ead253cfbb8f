/**
 * What the command line says, as `read` reads it. Where help is asked for, prints `usage` and ends the process with exit
 * code 0; where `read` throws, prints the error's message and `usage`, and ends it with 2.
 */
export function argumentsOrExit<A extends { readonly help: boolean }>(
  read: (args: readonly string[]) => A,
  usage: string,
): A {
  try {
    const said = read(process.argv.slice(2));
    if (!said.help) return said;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
  console.log(usage);
  process.exit(0);
}

/** The number that `text` says; throws an `Error` that names the option where it is not a whole number in these bounds. */
export function wholeNumber(option: string, text: string, min: number, max: number): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new Error(`${option} must be a whole number from ${min} to ${max}, not "${text}"`);
}
