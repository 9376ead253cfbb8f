import { setTimeout as sleep } from "node:timers/promises";
import type { Bench, BenchSettings } from "../bench.ts";
import { openSubject, orderSubjects } from "../orders/order-subjects.ts";
import { type CalledSubject, measureOrders } from "../orders/orders-bench.ts";
import type { OrdersClientTasks } from "../orders/orders-client-process.ts";
import { startWorker } from "../rpc/processes.ts";
import { requireInvariants } from "../services/require-invariants.ts";
import { rotated } from "../statistics.ts";
import { type CatalogueResult, type CatalogueSize, catalogueSizes, reportCatalogue } from "./catalogue-report.ts";
import { type CatalogueFigures, fillCatalogue } from "./fill-catalogue.ts";

const callersAtOnce = 64;
const piecesEach = 1_000_000_000;
const env = orderSubjects.find(({ name }) => name === "shoal")?.env;

interface Catalogue extends CalledSubject {
  readonly size: CatalogueSize;
  readonly figures: CatalogueFigures;
}

/** What an order costs where there are many products. */
export const catalogueBench: Bench = {
  name: "catalogue",
  what: "CreateOrder where there are 1,000, 100,000 and 1,000,000 products",
  subjects: catalogueSizes.map(({ name }) => name),
  takesDatabase: true,
  defaults: { rounds: 5, seconds: 3 },
  run: async (settings) => {
    const { rounds, seconds, only, database, signal, progress } = settings;
    if (database === "sqlite") throw new Error("the catalogue bench takes a MySQL-protocol server only");
    await using stack = new AsyncDisposableStack();
    const [smallest] = catalogueSizes;
    const catalogues: Catalogue[] = [];
    for (const size of catalogueSizes)
      if (size === smallest || (only?.includes(size.name) ?? true))
        catalogues.push(await openCatalogue(stack, size, settings));
    for (const { size, callers } of catalogues) {
      progress(`warming up: ${size.title}`);
      await callers.ask("begin", { callers: callersAtOnce, spread: true });
      await sleep(seconds * 1_000, undefined, { signal });
      await callers.ask("end");
    }
    const results: CatalogueResult[] = catalogues.flatMap(({ size, figures }) =>
      (["spread", "hot"] as const).map((skus) => ({ size, figures, skus, samples: [] })),
    );
    for (let round = 0; round < rounds; round += 1)
      for (const skus of ["spread", "hot"] as const)
        for (const one of rotated(catalogues, round)) {
          progress(`round ${round + 1} of ${rounds}: ${one.size.title}, ${skus}`);
          const sample = await measureOrders(one, { skus, callers: callersAtOnce }, settings);
          results.find((result) => result.size === one.size && result.skus === skus)?.samples.push(sample);
        }
    for (const { size, kept } of catalogues) {
      if (kept === undefined) continue;
      progress(`checking the databases of ${size.title}`);
      await requireInvariants(kept);
    }
    const undurable = new Set(catalogues.flatMap((one) => one.database?.undurable ?? []));
    return reportCatalogue(results, { rounds, seconds, callers: callersAtOnce, undurable: [...undurable] });
  },
};

async function openCatalogue(
  stack: AsyncDisposableStack,
  size: CatalogueSize,
  { database, profileDir, signal, progress }: BenchSettings,
): Promise<Catalogue> {
  signal.throwIfAborted();
  progress(`starting the services with ${size.title}`);
  const opened = await openSubject(stack, { name: `catalogue_${size.name}`, env }, database, profileDir);
  const { shop, kept } = opened;
  if (kept === undefined) throw new Error("the inventory's database is not known");
  const more = Array.from({ length: size.products - shop.skus.length }, (_, n) => `SKU-${shop.skus.length + n}`);
  progress(`filling in ${size.title}`);
  const figures = await fillCatalogue(kept.inventory, more, piecesEach, signal);
  const script = "../orders/orders-client-process.ts";
  const callers = stack.use(startWorker<OrdersClientTasks>(script, size.name, profileDir));
  await callers.ask("connect", { ...shop, skus: [...shop.skus, ...more] });
  return { ...opened, size, figures, callers };
}
