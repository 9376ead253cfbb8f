import type { Metrics } from "@shoal/telemetry";
import { secondsBoundaries } from "@shoal/telemetry";

/** The figures of the calls of one method. */
interface MethodFigures {
  readonly active: { add(by: number): void };
  readonly durations: Map<string, { record(seconds: number): void }>;
}

/**
 * How long calls take, by method and status code, and how many are at work, of a server's or of a client's side, named as
 * OpenTelemetry's conventions for RPC name them. The labels have as many values as the contracts have methods.
 */
export class CallMetrics {
  readonly #durations;
  readonly #active;
  readonly #methods = new Map<string, MethodFigures>();

  constructor(metrics: Metrics, side: "server" | "client") {
    const done = side === "server" ? "served" : "made";
    this.#durations = metrics.histogram({
      name: `rpc.${side}.call.duration`,
      unit: "s",
      description: `How long the calls took that were ${done}, with all their attempts and messages.`,
      boundaries: secondsBoundaries,
    });
    this.#active = metrics.upDownCounter({
      name: `shoal.rpc.${side}.active_calls`,
      unit: "{call}",
      description: `Calls that are being ${done}.`,
    });
  }

  /** A call of `/package.Service/Method` has begun. */
  begin(path: string): void {
    this.#of(path).active.add(1);
  }

  /** It has ended with `code`, by name. */
  end(path: string, code: string, durationMs: number): void {
    const { active, durations } = this.#of(path);
    active.add(-1);
    let ofCode = durations.get(code);
    if (ofCode === undefined) {
      const labels = { "rpc.system.name": "grpc", "rpc.method": path.slice(1), "rpc.status_code": code };
      ofCode = this.#durations.with(code === "OK" ? labels : { ...labels, "error.type": code });
      durations.set(code, ofCode);
    }
    ofCode.record(durationMs / 1_000);
  }

  #of(path: string): MethodFigures {
    let figures = this.#methods.get(path);
    if (figures === undefined) {
      figures = { active: this.#active.with({ "rpc.method": path.slice(1) }), durations: new Map() };
      this.#methods.set(path, figures);
    }
    return figures;
  }
}
