import { type Metrics, secondsBoundaries } from "@shoal/telemetry";

/** What an attempt of a call was, told when it has ended. */
export interface AttemptEnd {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** The gRPC code that it ended with, by name. */
  readonly code: string;
  readonly durationMs: number;
  /** How long its messages were altogether, before they are compressed. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Is told of the attempts of a client. */
export interface AttemptObserver {
  started(path: string): void;
  ended(end: AttemptEnd): void;
}

interface Figure {
  record(value: number): void;
}

interface MethodFigures {
  readonly started: { add(): void };
  readonly byCode: Map<string, { readonly duration: Figure; readonly sent: Figure; readonly received: Figure }>;
}

/** In bytes, by proposal A66: from 1 KiB on four times as many each, to 4 GiB. */
const sizeBoundaries = [0, 1_024, 2_048, ...Array.from({ length: 11 }, (_, n) => 4_096 * 4 ** n)];

/** What gRPC's proposal A66 has a client tell of its attempts, by method, target and status. */
export class AttemptMetrics {
  readonly #started;
  readonly #duration;
  readonly #sent;
  readonly #received;

  constructor(metrics: Metrics) {
    this.#started = metrics.counter({
      name: "grpc.client.attempt.started",
      unit: "{attempt}",
      description: "Attempts of calls that were begun.",
    });
    this.#duration = metrics.histogram({
      name: "grpc.client.attempt.duration",
      unit: "s",
      description: "How long attempts of calls took.",
      boundaries: secondsBoundaries,
    });
    const size = (which: string, description: string) =>
      metrics.histogram({
        name: `grpc.client.attempt.${which}_total_compressed_message_size`,
        unit: "By",
        description,
        boundaries: sizeBoundaries,
      });
    this.#sent = size("sent", "How long the requests of an attempt were altogether, before they were compressed.");
    this.#received = size("rcvd", "How long the answers of an attempt were altogether, when they were decompressed.");
  }

  /** Counts the attempts of one client, which calls `target`. */
  of(target: string): AttemptObserver {
    const methods = new Map<string, MethodFigures>();
    const figuresOf = (path: string): MethodFigures => {
      let figures = methods.get(path);
      if (figures === undefined) {
        const labels = { "grpc.method": path.slice(1), "grpc.target": target };
        figures = { started: this.#started.with(labels), byCode: new Map() };
        methods.set(path, figures);
      }
      return figures;
    };
    return {
      started: (path) => figuresOf(path).started.add(),
      ended: ({ path, code, durationMs, sentBytes, receivedBytes }) => {
        const { byCode } = figuresOf(path);
        let figures = byCode.get(code);
        if (figures === undefined) {
          const labels = { "grpc.method": path.slice(1), "grpc.target": target, "grpc.status": code };
          figures = {
            duration: this.#duration.with(labels),
            sent: this.#sent.with(labels),
            received: this.#received.with(labels),
          };
          byCode.set(code, figures);
        }
        figures.duration.record(durationMs / 1_000);
        figures.sent.record(sentBytes);
        figures.received.record(receivedBytes);
      },
    };
  }
}
