/** `payment` as a type is called: `Payment`. */
export function pascalCase(name: string): string {
  return name
    .split(/[-_]/)
    .map((word) => `${word[0]?.toUpperCase() ?? ""}${word.slice(1)}`)
    .join("");
}

/** `UserId` or `user_id` as a value is called: `userId`. */
export function camelCase(name: string): string {
  const pascal = pascalCase(name);
  return `${pascal[0]?.toLowerCase() ?? ""}${pascal.slice(1)}`;
}

/** `RefundOrder` as a file is called: `refund-order`. */
export function kebabCase(name: string): string {
  return name.replaceAll(/(?<=[a-z0-9])[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
}

/** `RefundOrder` as a reason is written: `REFUND_ORDER`. */
export function upperSnakeCase(name: string): string {
  return kebabCase(name).replaceAll("-", "_").toUpperCase();
}

/** More than one of a regular English noun: `payments`, `boxes`, `categories`. */
export function plural(noun: string): string {
  if (/[^aeiou]y$/.test(noun)) return `${noun.slice(0, -1)}ies`;
  return /(?:s|x|z|ch|sh)$/.test(noun) ? `${noun}es` : `${noun}s`;
}

/** `payment` with its article: `a payment`, `an order`. */
export function withArticle(noun: string): string {
  return `${/^(?:[aeio]|u(?!s|ni|ri))/.test(noun) ? "an" : "a"} ${noun}`;
}

/** What may be read as one of several words, or as a list that is empty: `a, b` is `["a", "b"]`. */
export function listOf(text: string | undefined): readonly string[] {
  return (text ?? "")
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

/** The same words with a capital letter first. */
export function sentence(words: string): string {
  return words.replace(/^./, (letter) => letter.toUpperCase());
}

/** Throws an `Error` where a method cannot be called that. */
export function requireMethodName(method: string, example: string): void {
  if (!/^[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+$/.test(method))
    throw new Error(`"${method}" cannot be a method's name: a verb and a noun, such as ${example}`);
}
