// `node tools/observability/src/write-dashboards.ts`: writes deploy/observability/dashboards anew.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dashboards } from "./dashboards/index.ts";
import { files } from "./files.ts";
import { grafanaJson } from "./grafana-json.ts";

rmSync(files.dashboards, { recursive: true, force: true });
mkdirSync(files.dashboards, { recursive: true });
for (const dashboard of dashboards)
  writeFileSync(join(files.dashboards, `${dashboard.name}.json`), grafanaJson(dashboard));
