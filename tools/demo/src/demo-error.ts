/** Why the demo cannot go on or has failed, in words for whoever runs it. */
export class DemoError extends Error {
  override readonly name = "DemoError";
}
