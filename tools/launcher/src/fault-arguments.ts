import { parseArgs } from "node:util";

/** What `npm run faults` is asked to do. */
export type FaultArguments =
  | { readonly action: "help" }
  | { readonly action: "show" }
  | { readonly action: "clear"; readonly instance: string }
  /** `rule` is as the control endpoint takes it, which checks it. */
  | { readonly action: "set"; readonly instance: string; readonly rule: object; readonly add: boolean };

/** How it is used. */
export const faultsUsage = `npm run faults [-- INSTANCE FAULT options]: makes calls to an instance fail, where the system was started with
npm start -- --faults. Without arguments it shows what is set.

  npm run faults -- order-2 --latency 500 --jitter 200 --share 0.5 --method CreateOrder
  npm run faults -- inventory --code UNAVAILABLE
  npm run faults -- all --off

INSTANCE is order, order-2, … or all. One of:
  --latency MS        calls go on so much later
  --code CODE         calls are answered with this gRPC code, such as UNAVAILABLE
  --reset WHAT        a call's stream, or its connection, is reset: stream or connection
  --black-hole        calls, and new connections unless a method is named, are never answered
  --off               all goes well again

  --jitter MS         with --latency: up to so much more
  --message TEXT      with --code: what the answer says
  --afterwards        with --code and --reset: once the instance has done its work
  --method METHOD     only calls of this method: Method, pkg.Service/* or /pkg.Service/Method (all but health checks)
  --share SHARE       only this share of them, 0 to 1 (1)
  --add               beside what is set, instead of in its place
  --help              show this`;

/** Reads the command line; throws an `Error` that says what is wrong with it. */
export function readFaultArguments(args: readonly string[]): FaultArguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      latency: { type: "string" },
      code: { type: "string" },
      reset: { type: "string" },
      "black-hole": { type: "boolean", default: false },
      off: { type: "boolean", default: false },
      jitter: { type: "string" },
      message: { type: "string" },
      afterwards: { type: "boolean", default: false },
      method: { type: "string" },
      share: { type: "string" },
      add: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return { action: "help" };
  const { latency, code, reset, off, jitter, message, afterwards, method, share, add } = values;
  const blackHole = values["black-hole"];
  const [instance, ...more] = positionals;
  if (more.length > 0) throw new Error(`one instance at a time, or all, not ${positionals.join(" and ")}`);
  const asked = [latency, code, reset].filter((value) => value !== undefined).length + Number(blackHole) + Number(off);
  if (instance === undefined && args.length === 0) return { action: "show" };
  if (instance === undefined) throw new Error("which instance? Name it first, such as order-2, or all");
  if (asked !== 1) throw new Error("say one of --latency, --code, --reset, --black-hole and --off");
  if (off) return { action: "clear", instance };
  if (jitter !== undefined && latency === undefined) throw new Error("--jitter goes with --latency");
  if (message !== undefined && code === undefined) throw new Error("--message goes with --code");
  if (afterwards && code === undefined && reset === undefined)
    throw new Error("--afterwards goes with --code and --reset");
  const fault = {
    ...(latency !== undefined && { latencyMs: readNumber("--latency", latency) }),
    ...(jitter !== undefined && { jitterMs: readNumber("--jitter", jitter) }),
    ...(code !== undefined && { code }),
    ...(message !== undefined && { message }),
    ...(reset !== undefined && { reset }),
    ...(blackHole && { blackHole }),
    ...(afterwards && { afterwards }),
  };
  const rule = {
    ...(method !== undefined && { method }),
    ...(share !== undefined && { share: readNumber("--share", share) }),
    fault,
  };
  return { action: "set", instance, rule, add };
}

function readNumber(option: string, text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new Error(`${option} must be a number, not "${text}"`);
}
