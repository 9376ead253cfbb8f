import { currentContext } from "@shoal/kernel";
import type { Conditions } from "./conditions.ts";
import type { Draw } from "./draw.ts";
import type { MemoryTransaction } from "./memory/database.ts";
import type { Line, StatementFault, StatementPlace } from "./memory/session.ts";
import type { Life, Scheduler } from "./scheduler.ts";

/** How long a database takes at most to notice that a process is gone, in milliseconds. */
const noticedWithinMs = 50;

/** The connections of one process to its database. */
export class SimulatedLine implements Line {
  readonly #scheduler: Scheduler;
  readonly #draw: Draw;
  readonly #conditions: Conditions;
  readonly #name: string;
  readonly #life: Life;
  readonly #hasFaults: () => boolean;
  readonly #open = new Set<MemoryTransaction>();

  /** `name`: of the process, for the history. */
  constructor(
    { scheduler, draw, conditions }: { scheduler: Scheduler; draw: Draw; conditions: Conditions },
    { name, life }: { readonly name: string; readonly life: Life },
    hasFaults: () => boolean,
  ) {
    this.#scheduler = scheduler;
    this.#draw = draw;
    this.#conditions = conditions;
    this.#name = name;
    this.#life = life;
    this.#hasFaults = hasFaults;
  }

  async send(statement: string, place: StatementPlace): Promise<StatementFault | undefined> {
    currentContext()?.signal.throwIfAborted();
    const fault = this.#hasFaults() ? this.#drawFault(place) : undefined;
    const what = `${this.#name} sql: ${statement}${fault === undefined ? "" : ` (${fault})`}`;
    await this.#scheduler.pause(this.#draw.delay(this.#conditions.statementMs), what);
    return fault;
  }

  async back(statement: string, place: StatementPlace): Promise<void> {
    const delayMs = this.#draw.delay(this.#conditions.statementMs);
    await this.#scheduler.pause(delayMs, `${this.#name} sql done: ${statement}`, this.#life);
    // A call that is over stops its statements; a commit that was sent is waited for.
    if (place !== "commit") currentContext()?.signal.throwIfAborted();
  }

  began(transaction: MemoryTransaction): void {
    this.#open.add(transaction);
  }

  ended(transaction: MemoryTransaction): void {
    this.#open.delete(transaction);
  }

  /** The process is gone: the database notices, and takes back what is open. */
  cut(): void {
    for (const transaction of this.#open)
      this.#scheduler.after(this.#draw.between(0, noticedWithinMs), `${this.#name} sql: connection gone`, () =>
        transaction.rollBack(),
      );
  }

  #drawFault(place: StatementPlace): StatementFault | undefined {
    const { deadlocking, disconnecting } = this.#conditions;
    if (place === "within" && this.#draw.chance(deadlocking)) return "deadlock";
    if (!this.#draw.chance(disconnecting)) return undefined;
    return this.#draw.chance(0.5) ? "lost before" : "lost after";
  }
}
