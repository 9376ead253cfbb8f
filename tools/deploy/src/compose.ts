import type { Services } from "@shoal/services";

/** What Docker Compose must know of every service. */
export function composeFiles(_services: Services): ReadonlyMap<string, string> {
  return new Map();
}
