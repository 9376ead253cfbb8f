// `npm start [-- --fresh --faults --scale SERVICE=N]`: runs all services on this machine until Ctrl-C. Exit code 0 after
// an orderly stop, 1 when a service could not start or died, 2 for arguments that it does not know, 130 when Ctrl-C was pressed again.

import { services } from "@shoal/services";
import { argumentsOrExit } from "@shoal/tools-repo/command-line";
import { onParentGone } from "@shoal/tools-repo/parent";
import { readArguments } from "./arguments.ts";
import { Deaths } from "./deaths.ts";
import { createStack, homeOf } from "./launch.ts";
import { LaunchError } from "./launch-error.ts";
import * as report from "./report.ts";
import { hasOwnDatabase, settingsOfNobody } from "./service-environment.ts";

const usage = `npm start [-- options]: starts every service of Shoal on this machine; Ctrl-C stops them.

  --fresh             delete the data of earlier runs first; a database set by SHOAL_<SERVICE>_DATABASE_URL is kept
  --scale order=3     run so many instances of a service, 1 to 20; may be given for each service. An instance that dies
                      is started again while another one of its service is there, unless it dies at once each time.
  --faults            put a fault proxy before every instance: npm run faults then slows, fails and cuts off calls
  --help              show this

Every service takes its settings from the environment, such as SHOAL_ORDER_GRPC_PORT=6000 or
SHOAL_USER_DATABASE_URL=mysql://user:password@127.0.0.1:3306/users. SHOAL_HOME is the folder for
data and logs, .shoal in the repository unless set. The services find each other in a registry
on port 50050, or SHOAL_REGISTRY_PORT.`;

const { fresh, faults, scale } = argumentsOrExit((args) => readArguments(args, services), usage);
const began = performance.now();
const home = homeOf(process.env);
const deaths = new Deaths();
const stack = createStack({
  home,
  fresh,
  scale,
  faults,
  onReady: (service) => {
    deaths.ready(service.name, performance.now());
    report.reportReady(service);
  },
  onWarning: report.reportWarning,
  onDeath: (end) => {
    report.reportDeath(end);
    if (deaths.died(end.service, performance.now()) && stack.othersOf(end.service).length > 0)
      void replace(end.service);
    else leaveOut(end.service);
  },
  onWait: report.reportWait,
});

let exitCode: number | undefined;
let interrupts = 0;
process.on("SIGINT", () => {
  interrupts += 1;
  if (interrupts > 1) {
    stack.kill();
    process.exit(130);
  }
  void stop(0);
});
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => void stop(0));
onParentGone(() => void stop(0));

for (const name of settingsOfNobody(process.env)) report.reportUnknown(name);
try {
  await stack.start();
  const kept = services.filter(({ name }) => fresh && hasOwnDatabase(name, process.env));
  for (const { name } of kept) report.reportKept(name);
  if (faults) report.reportFaults(stack.faultControls);
  report.reportRunning(stack.addresses, { home, registryUrl: stack.registryUrl, tookMs: performance.now() - began });
} catch (error) {
  if (exitCode === undefined) {
    report.reportTrouble(error instanceof LaunchError ? error.message : String((error as Error)?.stack ?? error));
    process.exit(1);
  }
}

/** Stops everything and ends this process; the first exit code given counts. */
async function stop(code: number): Promise<void> {
  if (exitCode !== undefined) return;
  exitCode = code;
  report.reportStopping();
  await stack.stop();
  report.reportStopped();
  process.exit(code);
}

/** Starts an instance again. One that cannot be is given up. */
async function replace(name: string): Promise<void> {
  try {
    await stack.restart(name);
  } catch (error) {
    if (exitCode !== undefined) return;
    report.reportTrouble((error as Error).message);
    leaveOut(name);
  }
}

/** The others of its service go on; where there are none, nothing does. */
function leaveOut(name: string): void {
  if (stack.othersOf(name).length === 0) void stop(1);
  else report.reportTrouble(`${name} is left out.`);
}
