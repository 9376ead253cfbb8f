// The callers of the overload bench: `overload-client-process.ts NAME`, told what to do by overload-bench.ts.
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { CreateOrderRequestSchema, OrderService } from "@shoal/contracts/order/v1/order_service";
import type { Priority } from "@shoal/kernel";
import { exponential } from "../balance/random.ts";
import { obeyParent } from "../rpc/parent-link.ts";
import { encodeCall, PlainCaller } from "./plain-caller.ts";

/** A caller's deadline, in milliseconds. */
const timeoutMs = 2_000;

/** How long callers wait before they call again, half of it more or less, in milliseconds. */
const retryDelayMs = 250;

/** How often it is looked at which calls are due, in milliseconds: each look takes CPU time. */
const tickMs = 2;

/** More calls at once than this are not made: the processes' memory is bounded. */
const maxCalls = 4_000;

const ok = 0;
const resourceExhausted = 8;

/** Orders of one piece each, of any of the products. */
export interface Shop {
  /** HOST:PORT of the order service. */
  readonly address: string;
  readonly userId: string;
  readonly skus: readonly string[];
}

/** Calls by callers that do not wait for each other, at one rate after the other. */
export interface FloodOptions {
  readonly phases: readonly FloodPhase[];
  /** How often each call is made again that was refused, or failed, whatever the server says of that. */
  readonly retries: number;
  /** What comes before that is not counted, in seconds; the timetable has it. */
  readonly warmUpSeconds: number;
}

/** New calls a second, by priority; repeated ones come on top. */
export interface FloodPhase {
  readonly rates: Readonly<Record<Priority, number>>;
  readonly seconds: number;
}

/** What became of the calls that were due in the time that counts. */
export interface PriorityResult {
  readonly due: number;
  /** How many were answered well at last, whichever attempt it was. */
  readonly served: number;
  /** How long each attempt took that was answered well, in milliseconds. */
  readonly answered: readonly number[];
  /** How long each attempt took that was refused, in milliseconds. */
  readonly refused: readonly number[];
  /** How many attempts failed otherwise, by code. */
  readonly failed: Readonly<Record<number, number>>;
}

/** What became of all calls. */
export interface FloodResult {
  readonly byPriority: Readonly<Record<Priority, PriorityResult>>;
  /** How many attempts were answered well in each tenth of a second from the first phase's begin. */
  readonly timetable: readonly number[];
  /** The CPU time that these callers took, as a part of one core. */
  readonly cpu: number;
}

/** What the bench may ask of the callers. */
export interface OverloadClientTasks {
  connect(shop: Shop): Promise<void>;
  /** Calls as fast as so many callers can, one call after the other each; answers how many a second were answered well. */
  saturate(options: { readonly callers: number; readonly seconds: number }): Promise<number>;
  /** Calls at given rates, whatever becomes of the calls. */
  flood(options: FloodOptions): Promise<FloodResult>;
}

interface Template {
  readonly bytes: Buffer;
  readonly keyAt: number;
}

const priorities = ["critical", "default", "sheddable"] as const;

let caller: PlainCaller | undefined;
let templates: Readonly<Record<Priority, readonly Template[]>> = { critical: [], default: [], sheddable: [] };
let calls = 0;

const keyLength = 24;
const placeholder = "0".repeat(keyLength);
const run = `${process.pid.toString(36)}-${Date.now().toString(36)}`;

/** A call of a method, with a place for its idempotency key. */
function template({ address, userId }: Shop, sku: string, priority: Priority): Template {
  const message = toBinary(
    CreateOrderRequestSchema,
    create(CreateOrderRequestSchema, { idempotencyKey: placeholder, userId, lines: [{ sku, quantity: 1 }] }),
  );
  const path = `/${OrderService.typeName}/CreateOrder`;
  const bytes = encodeCall({ address, path, timeoutMs, priority, message });
  return { bytes, keyAt: bytes.indexOf(placeholder) };
}

/** An order of its own, for any of the products. */
function newCall(priority: Priority): Buffer {
  const some = templates[priority];
  const { bytes, keyAt } = some[Math.floor(Math.random() * some.length)] as Template;
  const call = Buffer.from(bytes);
  calls += 1;
  call.write(`${run}-${calls.toString(36)}`.padEnd(keyLength, "."), keyAt, "latin1");
  return call;
}

obeyParent<OverloadClientTasks>({
  connect: async (shop) => {
    caller?.close();
    caller = new PlainCaller(shop.address, maxCalls);
    const all = (priority: Priority) => shop.skus.map((sku) => template(shop, sku, priority));
    templates = { critical: all("critical"), default: all("default"), sheddable: all("sheddable") };
  },
  saturate: async ({ callers, seconds }) => {
    const end = performance.now() + seconds * 1_000;
    let answered = 0;
    const one = async () => {
      while (performance.now() < end) {
        const code = await new Promise<number>((resolve) => caller?.call(newCall("default"), resolve));
        if (code !== ok) await sleep(10);
        else if (performance.now() < end) answered += 1;
      }
    };
    await Promise.all(Array.from({ length: callers }, one));
    return answered / seconds;
  },
  flood: async (options) => new Flood(options).run(),
});

/** Calls that come by chance, so many a second. */
class Arrivals {
  readonly priority: Priority;
  readonly #meanMs: number;
  #nextAt: number;

  constructor(priority: Priority, perSecond: number, from: number) {
    this.priority = priority;
    this.#meanMs = 1_000 / perSecond;
    this.#nextAt = from + exponential(this.#meanMs, Math.random);
  }

  /** Calls `begin` for each that is due, with the time at which it was. */
  take(now: number, begin: (dueAt: number) => void): void {
    while (this.#nextAt <= now) {
      begin(this.#nextAt);
      this.#nextAt += exponential(this.#meanMs, Math.random);
    }
  }
}

/** One flood from its first call to the end of its last one. */
class Flood {
  readonly #options: FloodOptions;
  readonly #results = new Map(
    priorities.map((priority) => [
      priority,
      { due: 0, served: 0, answered: [] as number[], refused: [] as number[], failed: {} as Record<number, number> },
    ]),
  );
  readonly #timetable: number[] = [];
  readonly #startedAt = performance.now();
  readonly #countFrom: number;
  #open = 0;

  constructor(options: FloodOptions) {
    this.#options = options;
    this.#countFrom = this.#startedAt + options.warmUpSeconds * 1_000;
  }

  async run(): Promise<FloodResult> {
    const cpu = process.cpuUsage();
    let from = this.#startedAt;
    for (const { rates, seconds } of this.#options.phases) {
      const end = from + seconds * 1_000;
      const arrivals = priorities.map((priority) => new Arrivals(priority, rates[priority], from));
      while (performance.now() < end) {
        for (const due of arrivals) due.take(performance.now(), (dueAt) => this.#begin(due.priority, dueAt));
        await sleep(tickMs);
      }
      from = end;
    }
    const { user, system } = process.cpuUsage(cpu);
    const elapsedMs = performance.now() - this.#startedAt;
    while (this.#open > 0) await sleep(10);
    return {
      byPriority: Object.fromEntries(this.#results) as unknown as FloodResult["byPriority"],
      timetable: Array.from(this.#timetable, (count) => count ?? 0),
      cpu: (user + system) / 1_000 / elapsedMs,
    };
  }

  #begin(priority: Priority, dueAt: number): void {
    const counts = dueAt >= this.#countFrom;
    if (counts) this.#of(priority).due += 1;
    this.#attempt(newCall(priority), priority, dueAt, counts, this.#options.retries);
  }

  #attempt(request: Buffer, priority: Priority, dueAt: number, counts: boolean, retries: number): void {
    if (this.#open >= maxCalls) {
      if (counts) this.#fail(priority, -2);
      return;
    }
    this.#open += 1;
    caller?.call(request, (code) => {
      this.#open -= 1;
      const now = performance.now();
      const result = this.#of(priority);
      if (code === ok) {
        const tenth = Math.floor((now - this.#startedAt) / 100);
        this.#timetable[tenth] = (this.#timetable[tenth] ?? 0) + 1;
        if (counts) result.served += 1;
      }
      if (dueAt >= this.#countFrom) {
        if (code === ok) result.answered.push(now - dueAt);
        else if (code === resourceExhausted) result.refused.push(now - dueAt);
        else this.#fail(priority, code);
      }
      if (code === ok || retries === 0) return;
      const waitMs = retryDelayMs * (0.5 + Math.random());
      this.#open += 1;
      setTimeout(() => {
        this.#open -= 1;
        this.#attempt(request, priority, performance.now(), counts, retries - 1);
      }, waitMs);
    });
  }

  #fail(priority: Priority, code: number): void {
    const { failed } = this.#of(priority);
    failed[code] = (failed[code] ?? 0) + 1;
  }

  #of(priority: Priority) {
    const result = this.#results.get(priority);
    if (result === undefined) throw new Error(`there is no priority ${priority}`);
    return result;
  }
}
