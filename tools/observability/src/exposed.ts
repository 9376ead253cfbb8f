/** The labels of each metric, in any of its series. */
export type Exposed = ReadonlyMap<string, ReadonlySet<string>>;

/** What a service tells Prometheus, from the text of its `/metrics`. */
export function exposedIn(texts: readonly string[]): Exposed {
  const exposed = new Map<string, Set<string>>();
  for (const line of texts.flatMap((text) => text.split("\n"))) {
    const [, metric, labels = ""] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
    if (metric === undefined) continue;
    const known = exposed.get(metric) ?? new Set();
    for (const [, label = ""] of labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)) known.add(label);
    exposed.set(metric, known);
  }
  return exposed;
}
