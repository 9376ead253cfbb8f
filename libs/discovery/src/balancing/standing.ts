import { OutcomeWindow } from "./outcome-window.ts";
import type { PendingCall } from "./pending-call.ts";

/** An ejected endpoint's way back. */
export interface Exile {
  /** From when on calls may probe it. */
  readonly probeAt: number;
  /** How many probes in a row have succeeded. */
  successes: number;
  /** The call that probes it now. */
  probe: PendingCall | undefined;
  /** When that was sent on its way. */
  probedAt: number;
}

/** What ejection remembers of an endpoint. */
export class Standing {
  /** How its calls ended lately. */
  readonly window: OutcomeWindow;
  /** How many failures it has had since its last success. */
  streak = 0;
  /** How many calls of all endpoints had ended when the streak began, and how many of them had failed. */
  callsBefore = 0;
  failuresBefore = 0;
  /** How often it was ejected, without a long good time between. */
  ejections = 0;
  /** When it came back last. */
  restoredAt = Number.NEGATIVE_INFINITY;
  /** Set while it is ejected. */
  exile: Exile | undefined = undefined;

  constructor(windowMs: number) {
    this.window = new OutcomeWindow(windowMs);
  }
}
