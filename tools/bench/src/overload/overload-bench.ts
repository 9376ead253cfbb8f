import type { Priority } from "@shoal/kernel";
import type { Bench, BenchSettings } from "../bench.ts";
import { startWorker } from "../rpc/processes.ts";
import { requireInvariants } from "../services/require-invariants.ts";
import { rotated } from "../statistics.ts";
import type { FloodPhase, FloodResult, OverloadClientTasks, PriorityResult } from "./overload-client-process.ts";
import { reportOverload } from "./overload-report.ts";
import { levels, type OverloadRound, type OverloadSubject, recoverySeconds } from "./overload-round.ts";
import { startShop } from "./shop.ts";

const subjects: readonly OverloadSubject[] = [
  { name: "shedding", what: "with load shedding", env: {} },
  {
    name: "none",
    what: "without it",
    env: Object.fromEntries(["USER", "INVENTORY", "ORDER"].map((name) => [`SHOAL_${name}_LOAD_SHEDDING`, "off"])),
  },
];
const [baseline] = subjects as readonly [OverloadSubject];

/** Callers that wait for each other's answers, at one of which the peak is. */
const closedLoops = [8, 16, 32, 64] as const;

/** What part of the peak critical calls ask for; of the rest 40 % are default ones and 60 % sheddable. */
const criticalPart = 0.1;
const defaultPart = 0.4;

/** In how many parts each level is measured, the peak before and after each: what the machine can do changes meanwhile. */
const slices = 3;

/** What comes before each part, in seconds. */
const warmUpSeconds = 2;

/** How long the peak is measured each time, in seconds. */
const peakSeconds = 3;

/** How often callers call again in the flood that the service has to recover from, and afterwards. */
const retries = 2;

/** What becomes of orders when far more are asked for than the services can place. */
export const overloadBench: Bench = {
  name: "overload",
  what: "orders at 2, 5 and 10 times what the services can place, on a MySQL-protocol database, and what comes after",
  subjects: subjects.map(({ name }) => name),
  defaults: { rounds: 1, seconds: 20 },
  run: async (settings) => {
    const chosen = subjects.filter(({ name }) => name === baseline.name || (settings.only?.includes(name) ?? true));
    const found = new Map(chosen.map((subject) => [subject, [] as OverloadRound[]]));
    for (let round = 0; round < settings.rounds; round += 1)
      for (const subject of rotated(chosen, round)) {
        const doing = `round ${round + 1} of ${settings.rounds}, ${subject.what}`;
        found.get(subject)?.push(await overload(subject, settings, (phase) => settings.progress(`${doing}: ${phase}`)));
      }
    return reportOverload(found);
  },
};

async function overload(
  { name, env }: OverloadSubject,
  { seconds, signal, profileDir }: BenchSettings,
  progress: (phase: string) => void,
): Promise<OverloadRound> {
  await using stack = new AsyncDisposableStack();
  const step = (phase: string) => {
    signal.throwIfAborted();
    progress(phase);
  };
  step("starting the services");
  const { shop, databases } = await startShop(stack, env);
  const callers = stack.use(
    startWorker<OverloadClientTasks>("../overload/overload-client-process.ts", name, profileDir),
  );
  await callers.ask("connect", shop);
  const saturate = (count: number) => callers.ask("saturate", { callers: count, seconds: peakSeconds });
  let best = { count: 0, answered: 0 };
  for (const count of [...closedLoops, ...closedLoops, ...closedLoops]) {
    step("looking for the peak");
    const answered = await saturate(count);
    if (answered > best.answered) best = { count, answered };
  }
  let peak = await saturate(best.count);
  const found = levels.map((): { readonly results: FloodResult[]; readonly peaks: number[] } => ({
    results: [],
    peaks: [],
  }));
  for (let slice = 0; slice < slices; slice += 1)
    for (const [level, times] of levels.entries()) {
      step(`${times} × the peak, ${slice + 1} of ${slices}`);
      const before = peak;
      const phases = [{ rates: ratesOf(times, before), seconds: warmUpSeconds + seconds / slices }];
      const result = await callers.ask("flood", { phases, retries: 0, warmUpSeconds });
      peak = await saturate(best.count);
      found[level]?.results.push(result);
      found[level]?.peaks.push((before + peak) / 2);
    }
  const measured = found.map(({ results, peaks }) => ({
    result: together(results),
    peak: peaks.reduce((sum, peak) => sum + peak, 0) / slices,
  }));
  const [usual] = levels;
  const worst = levels.at(-1) ?? usual;
  step(`recovery from ${worst} ×`);
  const recovery = await callers.ask("flood", {
    phases: [
      { rates: ratesOf(worst, peak), seconds },
      { rates: ratesOf(usual, peak), seconds: recoverySeconds },
    ],
    retries,
    warmUpSeconds: 0,
  });
  step("checking the databases");
  await requireInvariants(databases);
  return { levels: measured, recovery, recoveryRate: usual * peak, seconds };
}

function ratesOf(times: number, peak: number): FloodPhase["rates"] {
  const critical = criticalPart * peak;
  const rest = times * peak - critical;
  return { critical, default: defaultPart * rest, sheddable: (1 - defaultPart) * rest };
}

/** Floods of the same rates as one. */
function together(results: readonly FloodResult[]): FloodResult {
  const of = (priority: Priority): PriorityResult => {
    const all = results.map(({ byPriority }) => byPriority[priority]);
    const sum = (count: (one: PriorityResult) => number) => all.reduce((total, one) => total + count(one), 0);
    const codes = new Set(all.flatMap(({ failed }) => Object.keys(failed).map(Number)));
    return {
      due: sum(({ due }) => due),
      served: sum(({ served }) => served),
      answered: all.flatMap(({ answered }) => answered),
      refused: all.flatMap(({ refused }) => refused),
      failed: Object.fromEntries([...codes].map((code) => [code, sum(({ failed }) => failed[code] ?? 0)])),
    };
  };
  return {
    byPriority: { critical: of("critical"), default: of("default"), sheddable: of("sheddable") },
    timetable: results.flatMap(({ timetable }) => timetable),
    cpu: Math.max(...results.map(({ cpu }) => cpu)),
  };
}
