/**
 * What a text becomes by the hunks of a diff, which `@@` separates: in each, the lines that begin with a space or `-` must stand
 * together, in one place only, and those that begin with a space or `+` take their place. Line numbers are not asked for. Throws
 * an `Error` with the hunk that does not fit.
 */
export function applyChange(text: string, diff: string): string {
  return diff.split(/^@@.*\n/m).reduce((changed, hunk) => {
    const before = linesOf(hunk, "-");
    const places = changed.split(before).length - 1;
    if (before === "" || places !== 1) throw new Error(`this stands in ${places} places, not in one:\n${before}`);
    return changed.replace(before, () => linesOf(hunk, "+"));
  }, text);
}

function linesOf(hunk: string, mark: "-" | "+"): string {
  const lines = hunk.split(/(?<=\n)/).filter((line) => line.startsWith(mark) || line.startsWith(" "));
  return lines.map((line) => line.slice(1)).join("");
}
