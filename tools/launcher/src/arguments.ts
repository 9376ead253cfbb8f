import { parseArgs } from "node:util";
import type { ServiceSpec } from "@shoal/services";

/** What the command line says. */
export interface LauncherArguments {
  readonly fresh: boolean;
  /** Whether a fault proxy stands before every instance. */
  readonly faults: boolean;
  /** How many instances of a service, by its name; not all are named. */
  readonly scale: ReadonlyMap<string, number>;
  readonly help: boolean;
}

/** More instances of one service than these are a slip of the hand. */
const maxInstances = 20;

/** Reads the command line; throws an `Error` that says what is wrong with it. */
export function readArguments(args: readonly string[], services: readonly ServiceSpec[]): LauncherArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      fresh: { type: "boolean", default: false },
      faults: { type: "boolean", default: false },
      scale: { type: "string", multiple: true, default: [] },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  return {
    fresh: values.fresh,
    faults: values.faults,
    // Who asks for help is not told first what else is wrong.
    scale: new Map(values.help ? [] : values.scale.map((text) => readScale(text, services))),
    help: values.help,
  };
}

function readScale(text: string, services: readonly ServiceSpec[]): [string, number] {
  const [, name, count] = /^([a-z0-9-]+)=(\d{1,3})$/.exec(text) ?? [];
  const number = Number(count);
  if (name === undefined || number < 1 || number > maxInstances)
    throw new Error(`--scale takes SERVICE=N with N from 1 to ${maxInstances}, such as order=3, not "${text}"`);
  if (services.some((service) => service.name === name)) return [name, number];
  throw new Error(
    `--scale: there is no service ${name}; there are ${services.map((service) => service.name).join(", ")}`,
  );
}
