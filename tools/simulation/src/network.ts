import { AppError } from "@shoal/kernel";
import { errorOf, statusOf } from "@shoal/rpc";
import type { Conditions } from "./conditions.ts";
import type { Draw } from "./draw.ts";
import type { Node } from "./node.ts";
import type { Life, Scheduler } from "./scheduler.ts";

/** How much longer than others a stalled message takes at most, in milliseconds. */
export const stalledForMs = 8_000;

/** Who calls: a name for the history, and the process that waits. */
export interface Caller {
  readonly name: string;
  readonly life: Life | undefined;
}

/** Carries calls to one of the nodes of a service, and their answers back: late, twice, in any order, or not at all. */
export class Network {
  readonly #scheduler: Scheduler;
  readonly #draw: Draw;
  readonly #conditions: Conditions;
  readonly #onFault: (error: unknown, where: string) => void;
  readonly #services = new Map<string, Node[]>();
  #calls = 0;
  /** Whether messages may be lost, doubled and stalled. */
  hasFaults = true;

  /** `onFault` is told of what a node fails with that is no answer of its domain. */
  constructor(
    scheduler: Scheduler,
    draw: Draw,
    conditions: Conditions,
    onFault: (error: unknown, where: string) => void,
  ) {
    this.#scheduler = scheduler;
    this.#draw = draw;
    this.#conditions = conditions;
    this.#onFault = onFault;
  }

  /** Adds a node of a service. */
  add(service: string, node: Node): void {
    this.#services.set(service, [...(this.#services.get(service) ?? []), node]);
  }

  /** Calls one of the nodes; rejects with an `AppError`, as a client does. Whether it was done, a failed caller cannot know. */
  call(caller: Caller, service: string, method: string, request: unknown): Promise<unknown> {
    const node = this.#draw.oneOf(this.#services.get(service) ?? []);
    this.#calls += 1;
    const name = `call ${this.#calls} of ${caller.name}: ${node.name} ${method}`;
    return new Promise((resolve, reject) => {
      const { timeoutMs } = this.#conditions;
      const over = this.#scheduler.after(timeoutMs, `${name}: time is over`, () => reject(tooLate()), caller.life);
      const answer = (what: string, act: () => void) =>
        this.#send(`${name}: ${what}`, caller.life, () => {
          over();
          act();
        });
      this.#send(name, undefined, () => {
        const handle = node.handlers?.[method];
        if (handle === undefined) {
          answer("refused", () => reject(refused(node.name)));
          return;
        }
        handle(request as never).then(
          (value) => answer("answered", () => resolve(value)),
          (error: unknown) => {
            if (!(error instanceof AppError)) this.#onFault(error, name);
            const sent = errorOf(statusOf(error));
            answer(sent.reason, () => reject(sent));
          },
        );
      });
    });
  }

  #send(what: string, life: Life | undefined, arrive: () => void): void {
    const { losing, doubling, stalling } = this.#conditions;
    if (this.hasFaults && this.#draw.chance(losing)) {
      this.#scheduler.note(`lost: ${what}`);
      return;
    }
    const copies = this.hasFaults && this.#draw.chance(doubling) ? 2 : 1;
    for (let n = 0; n < copies; n += 1) {
      const stalledMs = this.hasFaults && this.#draw.chance(stalling) ? this.#draw.between(0, stalledForMs) : 0;
      this.#scheduler.after(this.#draw.delay(this.#conditions.messageMs) + stalledMs, what, arrive, life);
    }
  }
}

function tooLate(): AppError {
  return new AppError({
    kind: "timeout",
    reason: "DEADLINE_EXCEEDED",
    domain: "grpc",
    message: "the deadline has passed",
  });
}

function refused(node: string): AppError {
  return new AppError({ kind: "unavailable", reason: "UNAVAILABLE", domain: "grpc", message: `${node} is down` });
}
