import { context, type Link, ROOT_CONTEXT, type Span, trace } from "@opentelemetry/api";
import { secondsBoundaries } from "./metrics/metrics.ts";
import type { Instruments } from "./telemetry.ts";

/** How a batcher is seen, which gathers what several callers ask for: what `BatcherOptions` takes as `observer`. */
export interface BatchTracing {
  /** What is kept of a caller: its span. */
  capture(): Span | undefined;
  /** Runs a batch of those callers, the first of whom has waited so long. */
  run<T>(callers: readonly (Span | undefined)[], waitedMs: number, work: () => Promise<T>): Promise<T>;
}

/** Callers that one batch tells of, as OpenTelemetry's SDK keeps so many links of a span. */
const maxLinks = 128;

/**
 * A span for each batch, called `name`, with how many items it has. It goes on the trace of its first caller that is sampled,
 * so that a caller who is alone in it has all in one trace, and is linked with the others' spans, and they with it. Nothing is
 * seen without `instruments`.
 */
export function batchTracing(instruments: Instruments, name: string): BatchTracing;
export function batchTracing(instruments: Instruments | undefined, name: string): BatchTracing | undefined;
export function batchTracing(instruments: Instruments | undefined, name: string): BatchTracing | undefined {
  if (instruments === undefined) return undefined;
  const { tracer, metrics } = instruments;
  const sizes = metrics
    .histogram({
      name: "shoal.batch.size",
      unit: "{item}",
      description: "Items of the batches in which what was asked for at the same time was done.",
      boundaries: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024],
    })
    .with({ "shoal.batch.name": name });
  const waits = metrics
    .histogram({
      name: "shoal.batch.wait_time",
      unit: "s",
      description: "For how long the first item of a batch had waited when the batch was begun.",
      boundaries: secondsBoundaries,
    })
    .with({ "shoal.batch.name": name });
  return {
    capture: () => trace.getActiveSpan(),
    run: async (callers, waitedMs, work) => {
      sizes.record(callers.length);
      waits.record(waitedMs / 1_000);
      const [first, ...others] = callers.filter((caller) => caller?.isRecording()) as Span[];
      const known = first ?? callers.find((caller) => caller !== undefined);
      const parent = known === undefined ? ROOT_CONTEXT : trace.setSpan(ROOT_CONTEXT, known);
      // Nothing would come of it. That its callers are not sampled is to be known further on too.
      if (known !== undefined && first === undefined) return await context.with(parent, work);
      const links: Link[] = others.slice(0, maxLinks).map((caller) => ({ context: caller.spanContext() }));
      const span = tracer.startSpan(name, { links, attributes: { "shoal.batch.size": callers.length } }, parent);
      for (const caller of others) caller.addLink({ context: span.spanContext() });
      try {
        return await context.with(trace.setSpan(parent, span), work);
      } finally {
        span.end();
      }
    },
  };
}
