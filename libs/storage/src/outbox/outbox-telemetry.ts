import { context, type Link, SpanKind, trace } from "@opentelemetry/api";
import { type Instruments, parseTraceparent } from "@shoal/telemetry";
import type { PublishedEvent } from "./outbox.ts";

/** Sees an outbox. */
export interface OutboxObserver {
  onPublished(count: number): void;
  onBehind(): void;
  onCaughtUp(): void;
  onRead(events: readonly PublishedEvent[]): () => void;
}

/** Events that one span is linked with, as OpenTelemetry's SDK keeps so many. */
const maxLinks = 128;

/**
 * How many events are published, and for how long some have been waiting; and for each group of events that a reader gets a
 * span, until it asks for more, which is linked with where they were made: traces go on through the outbox. Groups without a
 * sampled event make none.
 */
export function outboxTelemetry({ metrics, tracer }: Instruments): OutboxObserver {
  const published = metrics
    .counter({
      name: "shoal.outbox.published",
      unit: "{event}",
      description: "Events that this instance has published.",
    })
    .with({});
  let caughtUpAt = performance.now();
  let isBehind = false;
  metrics.gauge(
    {
      name: "shoal.outbox.lag",
      unit: "s",
      description: "For how long there have been events, without a break, that are not published.",
    },
    (observe) => observe(isBehind ? (performance.now() - caughtUpAt) / 1_000 : 0),
  );
  return {
    onPublished: (count) => published.add(count),
    onBehind: () => {
      isBehind = true;
    },
    onCaughtUp: () => {
      caughtUpAt = performance.now();
      isBehind = false;
    },
    onRead: (events) => {
      const links: Link[] = [];
      for (const { traceparent } of events)
        if (traceparent !== undefined && links.length < maxLinks)
          links.push({ context: parseTraceparent(traceparent) });
      if (links.length === 0) return () => {};
      // A watch may last for days: that it is not sampled itself says nothing of what it gets.
      const [first] = links;
      const isSampled = trace.getActiveSpan()?.isRecording();
      const parent =
        isSampled || first === undefined ? context.active() : trace.setSpanContext(context.active(), first.context);
      const topics = [...new Set(events.map(({ topic }) => topic))].join(" ");
      const span = tracer.startSpan(
        `process ${topics}`,
        {
          kind: SpanKind.CONSUMER,
          links,
          attributes: {
            "messaging.system": "shoal.outbox",
            "messaging.operation.type": "process",
            "messaging.operation.name": "process",
            "messaging.destination.name": topics,
            "messaging.batch.message_count": events.length,
          },
        },
        parent,
      );
      return () => span.end();
    },
  };
}
