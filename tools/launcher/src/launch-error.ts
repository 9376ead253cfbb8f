/** Why the services cannot run, in words for the person who started them. */
export class LaunchError extends Error {
  override readonly name = "LaunchError";
}
