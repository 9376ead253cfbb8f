import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { VirtualClock } from "@shoal/testkit";
import fc from "fast-check";
import { Broadcast } from "./broadcast.ts";
import { historySettings, requireHeld } from "./fixture-histories.ts";
import { LaggedError, type SlowSubscriberPolicy, type Subscription } from "./subscription.ts";

const which = fc.nat({ max: 1_000 });
const step = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant("publish" as const), count: fc.integer({ min: 1, max: 4 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("subscribe" as const),
      whenSlow: fc.constantFrom("disconnect" as const, "drop-oldest" as const, "drop-newest" as const),
      accepts: fc.constantFrom("all" as const, "even" as const),
    }),
  },
  { weight: 10, arbitrary: fc.record({ do: fc.constant("read" as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("abort" as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("leave" as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("close" as const) }) },
);
const history = fc.record({
  queueLimit: fc.integer({ min: 1, max: 4 }),
  steps: fc.array(step, { maxLength: 80, size: "max" }),
});

interface Reader {
  readonly values: Subscription<number>;
  readonly controller: AbortController;
  readonly whenSlow: SlowSubscriberPolicy;
  readonly accepts: (value: number) => boolean;
  /** What reads brought, as they were answered, and what they must have brought. */
  readonly seen: (number | string)[];
  readonly expected: (number | string)[];
  readonly queue: number[];
  /** Reads that wait. */
  reads: number;
  dropped: number;
  state: "subscribed" | "lagged" | "finishing" | "ended";
}

test("each subscriber sees what a plain list of its own would give it, whatever comes when", async () => {
  const property = fc.asyncProperty(history, async ({ queueLimit, steps }) => {
    const clock = new VirtualClock(0);
    const broadcast = new Broadcast<number>(queueLimit);
    const readers: Reader[] = [];
    let published = 0;
    let closed = false;

    const end = (reader: Reader) => {
      reader.state = "ended";
      reader.queue.length = 0;
      for (; reader.reads > 0; reader.reads -= 1) reader.expected.push("end");
    };
    const finish = (reader: Reader) => {
      if (reader.state !== "subscribed") return;
      reader.state = "finishing";
      if (reader.queue.length === 0) end(reader);
    };
    const offer = (reader: Reader, value: number) => {
      const { queue, whenSlow } = reader;
      if (reader.state !== "subscribed" || !reader.accepts(value)) return;
      if (reader.reads > 0) {
        reader.reads -= 1;
        reader.expected.push(value);
      } else if (queue.length < queueLimit) queue.push(value);
      else if (whenSlow === "disconnect") {
        reader.state = "lagged";
        queue.length = 0;
      } else {
        reader.dropped += 1;
        if (whenSlow === "drop-oldest") queue.splice(0, queue.length, ...queue.slice(1), value);
      }
    };
    const read = (reader: Reader) => {
      const answered = (value: number | string) => reader.seen.push(value);
      reader.values.next().then(
        ({ done, value }) => answered(done ? "end" : (value as number)),
        (error: unknown) => answered(error instanceof LaggedError ? "lagged" : String(error)),
      );
      if (reader.state === "lagged") {
        reader.expected.push("lagged");
        end(reader);
        return;
      }
      const first = reader.queue.shift();
      if (first !== undefined) reader.expected.push(first);
      else if (reader.state === "ended") reader.expected.push("end");
      else reader.reads += 1;
      if (reader.state === "finishing" && reader.queue.length === 0) end(reader);
    };

    for (const step of steps) {
      const reader = "which" in step ? readers[step.which % readers.length] : undefined;
      if (step.do === "publish") {
        for (let n = 0; n < step.count; n += 1) {
          broadcast.publish(published);
          for (const each of readers) offer(each, published);
          published += 1;
        }
      } else if (step.do === "subscribe") {
        const controller = new AbortController();
        const accepts = (value: number) => step.accepts === "all" || value % 2 === 0;
        readers.push({
          values: broadcast.subscribe(accepts, controller.signal, { whenSlow: step.whenSlow }),
          controller,
          whenSlow: step.whenSlow,
          accepts,
          seen: [],
          expected: [],
          queue: [],
          reads: 0,
          dropped: 0,
          state: closed ? "ended" : "subscribed",
        });
      } else if (step.do === "close") {
        closed = true;
        broadcast.close();
        for (const each of readers) finish(each);
      } else if (reader !== undefined) {
        if (step.do === "read") read(reader);
        else {
          if (step.do === "abort") reader.controller.abort();
          else void reader.values.return();
          end(reader);
        }
      }
      await clock.advance(0);
      assert.equal(broadcast.size, readers.filter(({ state }) => state !== "ended").length);
      for (const { values, seen, expected, queue, dropped } of readers) {
        assert.deepEqual(seen, expected);
        assert.deepEqual({ queued: values.queued, dropped: values.dropped }, { queued: queue.length, dropped });
      }
    }

    for (const reader of readers) {
      reader.controller.abort();
      end(reader);
    }
    await clock.advance(0);
    assert.equal(broadcast.size, 0);
    for (const { seen, expected, controller } of readers) {
      assert.deepEqual(seen, expected);
      assert.equal(getEventListeners(controller.signal, "abort").length, 0);
    }
  });
  requireHeld(await fc.check(property, historySettings()));
});
