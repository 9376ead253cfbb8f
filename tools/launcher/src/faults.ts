// `npm run faults`: see `faultsUsage`. Exit code 0 when done, 1 when that failed, 2 for arguments that it does not know.
import { type FaultArguments, faultsUsage, readFaultArguments } from "./fault-arguments.ts";
import { readFaultControls } from "./fault-controls.ts";
import { homeOf } from "./launch.ts";

const asked = argumentsOrExit();
if (asked.action === "help") console.log(faultsUsage);
else {
  try {
    await act(asked);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}

async function act(asked: Exclude<FaultArguments, { readonly action: "help" }>): Promise<void> {
  const controls = readFaultControls(homeOf(process.env));
  if (controls === undefined) throw new Error("Nothing runs here with faults: npm start -- --faults");
  if (asked.action !== "show") {
    for (const instance of named(asked.instance, [...controls.keys()])) {
      const address = controls.get(instance) ?? "";
      const before = asked.action === "set" && asked.add ? await read(instance, address) : [];
      await write(instance, address, asked.action === "set" ? [...before, asked.rule] : []);
    }
  }
  for (const [instance, address] of controls) {
    const rules = (await read(instance, address)).map((rule) => JSON.stringify(rule));
    const struck = await request(instance, address, "struck", { method: "GET" });
    console.log(`${instance}: ${rules.length === 0 ? "no faults" : rules.join(" ")} (${struck} struck so far)`);
  }
}

function named(instance: string, instances: readonly string[]): readonly string[] {
  if (instance === "all") return instances;
  if (instances.includes(instance)) return [instance];
  throw new Error(`There is no instance ${instance}; there are ${instances.join(", ")}.`);
}

async function read(instance: string, address: string): Promise<readonly unknown[]> {
  return (await request(instance, address, "faults", { method: "GET" })) as readonly unknown[];
}

async function write(instance: string, address: string, rules: readonly unknown[]): Promise<void> {
  await request(instance, address, "faults", { method: "PUT", body: JSON.stringify(rules) });
}

async function request(instance: string, address: string, path: string, init: RequestInit): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(`http://${address}/${path}`, { ...init, signal: AbortSignal.timeout(5_000) });
  } catch (cause) {
    throw new Error(`The fault proxy of ${instance} does not answer on ${address}.`, { cause });
  }
  const body: unknown = await response.json();
  if (response.ok) return body;
  throw new Error(String((body as { readonly error?: unknown }).error));
}

function argumentsOrExit(): FaultArguments {
  try {
    return readFaultArguments(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${faultsUsage}`);
    process.exit(2);
  }
}
