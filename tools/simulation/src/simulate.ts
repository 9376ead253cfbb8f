import type { Product } from "@shoal/inventory/domain/product";
import { derivedId } from "@shoal/kernel";
import { fingerprintOf, type Order, orderIdOf } from "@shoal/order/domain/order";
import { checkEnd, checkInventoryCommit, checkOrderCommit } from "./checks.ts";
import { type Conditions, drawConditions } from "./conditions.ts";
import { ConsumerDatabase, createConsumer } from "./consumer.ts";
import { Draw } from "./draw.ts";
import { History } from "./history.ts";
import { repeatJob } from "./jobs.ts";
import type { MemoryDatabase } from "./memory/database.ts";
import { InventoryDatabase } from "./memory/memory-inventory-store.ts";
import { OrderDatabase } from "./memory/memory-order-store.ts";
import { Session } from "./memory/session.ts";
import { Network, stalledForMs } from "./network.ts";
import { Node } from "./node.ts";
import { type Life, Scheduler } from "./scheduler.ts";
import {
  inventoryProcess,
  orderProcess,
  type PlaceRequest,
  type Plants,
  type Process,
  userProcess,
} from "./services.ts";
import { adjustStock, type ClientParts, placeOrder, reserveDirectly, shop } from "./shoppers.ts";
import { SimulatedLine } from "./simulated-line.ts";

/** When the run begins, for all clocks that are right: milliseconds since the epoch. */
const beganAtMs = 1_700_000_000_000;

/** How long a run may take to come to rest when there are no faults any more, in milliseconds of its own. */
const restWithinMs = 10 * 60_000;

/** By how much the clocks go on at the end, for what is kept for days. */
const laterMs = 3 * 24 * 60 * 60_000;

/** How much longer jobs rest when there are no faults any more: they have little to do then. */
const slowerAtRest = 4;

/** How long a transaction waits for a lock, in milliseconds, as on MySQL. */
const lockWaitMs = 1_000;

/** How a run is made. */
export interface SimulationOptions {
  /** What all that is left to chance is drawn from: a whole number of 32 bits. */
  readonly seed: number;
  /** Told of each thing that happens, in its order. Default: nobody. */
  readonly trace?: (line: string) => void;
  /** Default: none. */
  readonly plants?: Plants;
}

/** What became of a run. */
export interface SimulationResult {
  readonly seed: number;
  readonly conditions: Conditions;
  /** The first thing that must not be; `undefined` when all holds. */
  readonly violation: string | undefined;
  /** How much has happened: events, orders that were placed, and of these those that were confirmed. */
  readonly events: number;
  readonly orders: number;
  readonly confirmed: number;
}

/** Runs the services and their clients once, as the seed says; the same seed does the same again. One run at a time. */
export async function simulate({ seed, trace, plants = {} }: SimulationOptions): Promise<SimulationResult> {
  const world = new World(seed, trace, plants);
  const { stackTraceLimit } = Error;
  // Refusals are many, and nobody asks where they come from.
  Error.stackTraceLimit = 0;
  try {
    await world.run();
    return world.result;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** One run: all its nodes, clients and databases. */
class World {
  readonly #seed: number;
  readonly #draw: Draw;
  readonly #conditions: Conditions;
  readonly #scheduler: Scheduler;
  readonly #network: Network;
  readonly #history: History;
  readonly #plants: Plants;
  readonly #orders: OrderDatabase;
  readonly #inventory: InventoryDatabase;
  readonly #followed = { order: new ConsumerDatabase(), stock: new ConsumerDatabase() };
  readonly #skus = ["A", "B", "C"];
  readonly #users = ["ada", "bob", "cy"].map((name) => derivedId("user", name));
  readonly #inactive = new Set<string>();
  readonly #requests: PlaceRequest[] = [];
  #laterMs = 0;
  #isFaulty = true;
  #violation: string | undefined;

  constructor(seed: number, trace: ((line: string) => void) | undefined, plants: Plants) {
    this.#seed = seed;
    this.#plants = plants;
    this.#draw = new Draw(seed);
    this.#conditions = drawConditions(this.#draw);
    this.#scheduler = new Scheduler(trace);
    this.#network = new Network(this.#scheduler, this.#draw, this.#conditions, this.#onFault);
    this.#history = new History(this.#report);
    this.#orders = new OrderDatabase(this.#conditions.isolation);
    this.#inventory = new InventoryDatabase(this.#conditions.isolation);
    for (const database of [this.#orders, this.#inventory])
      database.afterLockWait = (run) => this.#scheduler.after(lockWaitMs, "a lock was waited for in vain", run);
  }

  get result(): SimulationResult {
    const orders = [...this.#orders.orders.rows.values()];
    return {
      seed: this.#seed,
      conditions: this.#conditions,
      violation: this.#violation,
      events: this.#scheduler.events,
      orders: orders.length,
      confirmed: orders.filter(({ status }) => status === "confirmed").length,
    };
  }

  async run(): Promise<void> {
    await this.#stockUp();
    this.#orders.onCommit = (changes) => checkOrderCommit(this.#orders, this.#inventory, changes, this.#report);
    this.#inventory.onCommit = (changes) => checkInventoryCommit(this.#inventory, changes, this.#history, this.#report);
    this.#startNodes();
    await this.#finish(this.#startClients());
    // Nobody calls any more: what is under way ends, late messages come, and holds whose time is over.
    await this.#until(() => this.#isAtRest);
    await this.#askAgain(() => true);
    // Orders answer for themselves, however long ago they were placed.
    this.#laterMs = laterMs;
    await this.#pass(this.#conditions.jobIntervalMs * 20);
    await this.#askAgain((answer) => "order" in answer);
    await this.#until(() => this.#isAtRest);
    if (this.#violation !== undefined) return;
    const effects = { order: this.#followed.order.effects.rows, stock: this.#followed.stock.effects.rows };
    checkEnd(this.#orders, this.#inventory, effects, this.#history, this.#report);
  }

  readonly #report = (violation: string): void => {
    this.#scheduler.note(`VIOLATION ${violation}`);
    this.#violation ??= violation;
  };

  readonly #onFault = (error: unknown, where: string): void =>
    this.#report(`${where} failed with what is none of its answers: ${error}`);

  get #now(): number {
    return this.#scheduler.now;
  }

  async #stockUp(): Promise<void> {
    const tx = this.#inventory.begin();
    for (const sku of this.#skus) {
      const price = { minorUnits: BigInt(this.#draw.whole(1, 1_000)), currency: "EUR" };
      const times = { createdAtMs: beganAtMs, updatedAtMs: beganAtMs };
      const product: Product = { sku, name: sku, description: "", price, version: 1, ...times };
      const available = this.#draw.whole(0, 6);
      const stock = { sku, available, held: 0, sold: 0, version: 0 };
      const adjustment = {
        source: "create",
        id: sku,
        sku,
        delta: available,
        reason: "",
        createdAtMs: beganAtMs,
      } as const;
      await tx.insert(this.#inventory.products, sku, { product, stock });
      await tx.insert(this.#inventory.adjustments, `create/${sku}`, adjustment);
    }
    tx.commit();
  }

  #startNodes(): void {
    const { orderNodes, inventoryNodes, batching, jobIntervalMs, holdMs, faultsUntilMs } = this.#conditions;
    const shared = { batching, jobIntervalMs, plants: this.#plants, onFault: this.#onFault };
    for (let n = 1; n <= orderNodes; n += 1)
      this.#startNode("order", n, (node, sessionTo, life) => {
        const caller = { name: node.name, life };
        return orderProcess(
          { ...shared, session: sessionTo(this.#orders), database: this.#orders, clock: node.clock },
          holdMs,
          (service, method, request) => this.#network.call(caller, service, method, request),
        );
      });
    for (let n = 1; n <= inventoryNodes; n += 1)
      this.#startNode("inventory", n, (node, sessionTo) =>
        inventoryProcess({
          ...shared,
          session: sessionTo(this.#inventory),
          database: this.#inventory,
          clock: node.clock,
        }),
      );
    this.#startNode("user", 1, () =>
      userProcess((id) => (this.#users.includes(id) ? !this.#inactive.has(id) : undefined)),
    );
    const followed = [
      { name: "order", database: this.#followed.order, source: this.#orders },
      { name: "stock", database: this.#followed.stock, source: this.#inventory },
    ] as const;
    for (const { name, database, source } of followed)
      this.#startNode(`${name} events`, 1, (_, sessionTo) => {
        const from = { session: sessionTo(source), outbox: source.outbox };
        const consumer = createConsumer({ session: sessionTo(database), database }, from, this.#draw, this.#plants);
        return { handlers: {}, jobs: [{ name: `follow ${name}`, intervalMs: jobIntervalMs, run: consumer.run }] };
      });
    if (this.#draw.chance(0.3))
      this.#scheduler.after(this.#draw.between(0, faultsUntilMs), "a user is deactivated", () =>
        this.#inactive.add(this.#draw.oneOf(this.#users)),
      );
  }

  /** Starts a node, and what befalls it. */
  #startNode(
    service: string,
    number: number,
    build: (node: Node, sessionTo: (database: MemoryDatabase) => Session, life: Life) => Process,
  ): void {
    const { skewMs, crashEveryMs, jumpEveryMs } = this.#conditions;
    const scheduler = this.#scheduler;
    const draw = this.#draw;
    const node = new Node(`${service}-${number}`, () => beganAtMs + this.#laterMs + this.#now);
    let lines: SimulatedLine[] = [];
    const start = () => {
      lines = [];
      node.start((life) => {
        const sessionTo = (database: MemoryDatabase) => {
          const line = new SimulatedLine(
            { scheduler, draw, conditions: this.#conditions },
            { name: node.name, life },
            () => this.#isFaulty,
          );
          lines.push(line);
          return new Session(database, line);
        };
        const { handlers, jobs } = build(node, sessionTo, life);
        const unhurried = () => (this.#isFaulty ? 1 : slowerAtRest);
        for (const job of jobs)
          repeatJob(
            { scheduler, draw, unhurried },
            life,
            { ...job, name: `${node.name} job: ${job.name}` },
            this.#onFault,
          );
        return handlers;
      });
    };
    const crash = () => {
      if (!this.#isFaulty) return;
      node.crash();
      for (const line of lines) line.cut();
      scheduler.after(draw.delay(100), `${node.name} starts`, () => {
        start();
        crashLater();
      });
    };
    const crashLater = () => this.#sometimes(crashEveryMs, `${node.name} crashes`, crash);
    const jump = () => {
      node.skewMs = draw.between(-skewMs, skewMs);
      this.#sometimes(jumpEveryMs, `the clock of ${node.name} jumps`, jump);
    };
    this.#network.add(service, node);
    start();
    jump();
    crashLater();
  }

  /** Has it happen after `meanMs` on average; not where that is `Infinity`. */
  #sometimes(meanMs: number, what: string, run: () => void): void {
    if (Number.isFinite(meanMs) && this.#isFaulty) this.#scheduler.after(this.#draw.delay(meanMs), what, run);
  }

  /** Lets clients come; answers when the last of them is done. */
  #startClients(): Promise<unknown> {
    const { shoppers, rushMs, holdMs } = this.#conditions;
    const draw = this.#draw;
    const parts = this.#clients;
    const coming = (name: string, come: () => Promise<unknown>) =>
      this.#scheduler.pause(draw.between(0, rushMs), `${name} comes`).then(come);
    const all: Promise<unknown>[] = [];
    for (let n = 1; n <= shoppers; n += 1) {
      const name = `shopper ${n}`;
      const request = this.#drawRequest(n);
      all.push(coming(name, () => shop(parts, name, request, draw.chance(0.7) ? 200 : holdMs * 1.3)));
    }
    const dealers = draw.whole(0, 3);
    const counters = draw.whole(0, 3);
    for (let n = 1; n <= dealers; n += 1)
      all.push(coming(`dealer ${n}`, () => reserveDirectly(parts, `dealer ${n}`, this.#skus)));
    for (let n = 1; n <= counters; n += 1)
      all.push(coming(`counter ${n}`, () => adjustStock(parts, `counter ${n}`, this.#skus)));
    return Promise.all(all);
  }

  #drawRequest(n: number): PlaceRequest {
    const draw = this.#draw;
    const isHot = draw.chance(0.5);
    const skus = isHot ? ["A"] : draw.shuffled(this.#skus).slice(0, draw.whole(1, 3));
    const wanted = draw.chance(0.03) ? [...skus, "unknown"] : skus;
    const request: PlaceRequest = {
      userId: draw.chance(0.03) ? derivedId("user", "nobody") : draw.oneOf(this.#users),
      key: `key ${n}`,
      lines: wanted.map((sku) => ({ sku, quantity: draw.whole(1, 2) })),
    };
    this.#requests.push(request);
    return request;
  }

  get #clients(): ClientParts {
    return { scheduler: this.#scheduler, draw: this.#draw, network: this.#network, history: this.#history };
  }

  /** Everybody who was answered asks once more, and must get the same answer. */
  async #askAgain(isWanted: (answer: { readonly order: Order } | object) => boolean): Promise<void> {
    const asking = this.#requests.map(async (request, n) => {
      const id = orderIdOf(request.userId, request.key);
      const told = this.#history.answers.get(id);
      if (told === undefined || told.fingerprint !== fingerprintOf(request.lines) || !isWanted(told.answer)) return;
      await placeOrder(this.#clients, `shopper ${n + 1}, at the end`, request);
    });
    await this.#finish(Promise.all(asking));
  }

  /** Goes on until that is done, and faults have ended. */
  async #finish(work: Promise<unknown>): Promise<void> {
    let isDone = false;
    work.then(
      () => {
        isDone = true;
      },
      (error: unknown) => this.#onFault(error, "a client"),
    );
    await this.#until(() => isDone);
  }

  /** Goes on until that is so. Looked at now and then, as it costs something. */
  async #until(isSo: () => boolean): Promise<void> {
    const untilMs = this.#now + restWithinMs;
    while (this.#violation === undefined && !isSo()) {
      if (this.#now > untilMs) this.#report("I6: what is under way does not end");
      await this.#pass(500);
    }
  }

  /** Lets time pass. */
  async #pass(ms: number): Promise<void> {
    await this.#scheduler.run(() => this.#violation !== undefined, this.#now + ms);
    if (this.#isFaulty && this.#now >= this.#conditions.faultsUntilMs) {
      this.#isFaulty = false;
      this.#network.hasFaults = false;
    }
  }

  /** Whether nothing is left to be done by anybody. */
  get #isAtRest(): boolean {
    const { faultsUntilMs, stalling } = this.#conditions;
    const isRead = ({ place }: { readonly place: number | undefined }, database: ConsumerDatabase) =>
      place !== undefined && place <= (database.position.rows.get("1") ?? 0);
    return (
      this.#now > faultsUntilMs + (stalling > 0 ? stalledForMs : 0) &&
      [...this.#orders.orders.rows.values()].every(({ status }) => status !== "placed") &&
      [...this.#inventory.reservations.rows.values()].every(({ status }) => status !== "held") &&
      [...this.#orders.outbox.events.rows.values()].every((event) => isRead(event, this.#followed.order)) &&
      [...this.#inventory.outbox.events.rows.values()].every((event) => isRead(event, this.#followed.stock))
    );
  }
}
