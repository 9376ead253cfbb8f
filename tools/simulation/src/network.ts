import { AppError, createContext, currentContext, runWithContext } from "@shoal/kernel";
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
      const calling = currentContext()?.signal;
      // The server learns of it by itself, or later: see `serve`.
      const ended = () => reject(calling?.reason);
      calling?.addEventListener("abort", ended);
      const isOver = () => {
        calling?.removeEventListener("abort", ended);
        reject(callEnded());
      };
      const over = this.#scheduler.after(timeoutMs, `${name}: time is over`, isOver, caller.life);
      const answer = (what: string, act: () => void) =>
        this.#send(`${name}: ${what}`, caller.life, () => {
          over();
          calling?.removeEventListener("abort", ended);
          act();
        });
      this.#send(name, undefined, () => {
        const handle = node.handlers?.[method];
        if (handle === undefined) {
          answer("refused", () => reject(refused(node.name)));
          return;
        }
        this.#serve(name, node.life, () => handle(request as never)).then(
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

  /** Serves a call, within a context that ends when the caller waits no more, or a little earlier or later. */
  async #serve<T>(name: string, life: Life, handle: () => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const delayMs = this.#conditions.timeoutMs * this.#draw.between(0.8, 1.2);
    const served = this.#scheduler.after(delayMs, `${name}: ends`, () => controller.abort(callEnded()), life);
    try {
      return await runWithContext(createContext({ requestId: name, signal: controller.signal }), handle);
    } finally {
      served();
    }
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

/** As all learn of it who work for a call that is over. */
function callEnded(): AppError {
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
