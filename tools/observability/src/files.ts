import { join } from "node:path";
import { repositoryRoot } from "@shoal/services";

const folder = join(repositoryRoot, "deploy/observability");

/** Where what this package makes and checks is kept. */
export const files = {
  compose: join(repositoryRoot, "docker-compose.yml"),
  /** What it includes. */
  composeServices: join(repositoryRoot, "deploy/compose/services.yml"),
  collector: join(folder, "collector.yaml"),
  loki: join(folder, "loki.yaml"),
  grafana: join(folder, "grafana"),
  dashboards: join(folder, "dashboards"),
  prometheus: join(folder, "prometheus/prometheus.yml"),
  /** Whom Prometheus asks: the scrape config file that prometheus.yml names. */
  scrapeConfigs: join(folder, "prometheus/services.yml"),
  /** Recording rules and alerts. */
  rules: [join(folder, "prometheus/slo.yml"), join(folder, "prometheus/alerts.yml")],
  ruleTests: join(folder, "prometheus/alerts.test.yml"),
  guide: join(repositoryRoot, "docs/observability.md"),
} as const;
