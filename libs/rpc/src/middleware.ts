/**
 * One layer around a call. `next` runs what is further in and settles when the call has ended: for streams, when the last
 * message has gone. A layer that throws ends the call with that error; one that does not call `next` answers nothing, so
 * it throws.
 */
export type Middleware<C> = (call: C, next: () => Promise<void>) => Promise<void>;

/** A layer with the name it has in lists of layers. */
export interface Layer<C> {
  readonly name: string;
  readonly run: Middleware<C>;
}

/** Puts `layers` around `core`, the first outermost. */
export function compose<C>(
  layers: readonly Middleware<C>[],
  core: (call: C) => Promise<void>,
): (call: C) => Promise<void> {
  return layers.reduceRight<(call: C) => Promise<void>>(
    (inner, layer) => (call) => layer(call, () => inner(call)),
    core,
  );
}

/** Names a value of type `T` that layers and handlers pass on to each other with a call. */
export interface ContextKey<T> {
  readonly name: string;
  /** Never set: it only tells the compiler of `T`. */
  readonly type?: T;
}

/** A key of its own for each time this is called; `name` is for people. */
export function contextKey<T>(name: string): ContextKey<T> {
  return { name };
}

/** What travels with one call, inside this process only. */
export interface ContextValues {
  /** What was set under `key`, or `undefined`. */
  get<T>(key: ContextKey<T>): T | undefined;
  set<T>(key: ContextKey<T>, value: T): void;
}
