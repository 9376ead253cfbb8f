import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { repositoryRoot, type ServiceSpec, type Services, services, gateway as shoalGateway } from "@shoal/services";
import { parse } from "yaml";
import { composeFiles } from "./compose.ts";

/** A service of a compose file, as far as it is looked at here. */
interface Container {
  readonly build?: { readonly context: string; readonly args: Readonly<Record<string, string>> };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly healthcheck?: { readonly test: readonly string[]; readonly interval: string };
  readonly networks?: readonly string[];
  readonly ports?: readonly string[];
  readonly read_only?: boolean;
  readonly volumes?: readonly string[];
}

interface ComposeFile {
  readonly services: Readonly<Record<string, Container>>;
  readonly networks?: Readonly<Record<string, unknown>>;
}

const spec = (name: string, grpcPort: number, storage: ServiceSpec["storage"], ...calls: string[]): ServiceSpec => ({
  name,
  entry: `/apps/${name}/src/main.ts`,
  grpcPort,
  calls,
  storage,
});
/** A chain of calls; the one in the middle keeps no state. */
const chain: Services = {
  services: [spec("base", 4_001, "sql"), spec("middle", 4_002, "none", "base"), spec("top", 4_003, "sql", "middle")],
  gateway: spec("door", 4_000, "none", "base", "middle", "top"),
};

function composed(services: Services): ComposeFile {
  return parse(composeFiles(services).get("deploy/compose/services.yml") ?? "", { merge: true });
}

test("every service and the gateway are there, built from their folders and asked at their admin ports", () => {
  for (const list of [chain, { services, gateway: shoalGateway }]) {
    const { services: containers } = composed(list);
    const all = [...list.services, list.gateway];
    assert.deepEqual(Object.keys(containers), ["databases", ...all.map(({ name }) => name)]);
    for (const { name, grpcPort } of all) {
      const { build, healthcheck, read_only, environment } = containers[name] ?? {};
      assert.deepEqual(build, { context: "../..", args: { SERVICE: name } });
      assert.match(healthcheck?.test.join(" ") ?? "", new RegExp(`//127\\.0\\.0\\.1:${grpcPort + 1_000}/readyz'`));
      assert.equal(healthcheck?.interval, "5s");
      assert.equal(read_only, true);
      assert.equal(environment?.["OTEL_METRICS_EXPORTER"], "none");
    }
  }
});

test("only who keeps state gets a database, its network, and waits for it", () => {
  const { base, middle } = composed(chain).services;
  assert.deepEqual(shoalSettings(base), {
    SHOAL_BASE_HOST: "0.0.0.0",
    SHOAL_BASE_REGISTRY: "etcd://etcd:2379",
    SHOAL_BASE_DATABASE_URL: `mysql://shoal_base:\${SHOAL_COMPOSE_BASE_PASSWORD:-shoal-development}@mysql:3306/shoal_base`,
  });
  assert.deepEqual(waits(base), {
    mysql: "service_healthy",
    databases: "service_completed_successfully",
    etcd: "service_healthy",
  });
  assert.deepEqual(base?.networks, ["default", "database"]);
  assert.deepEqual(shoalSettings(middle), { SHOAL_MIDDLE_HOST: "0.0.0.0", SHOAL_MIDDLE_REGISTRY: "etcd://etcd:2379" });
  assert.deepEqual(waits(middle), { etcd: "service_healthy", base: "service_healthy" });
  assert.deepEqual(middle?.networks, ["default"]);
});

test("the gateway waits for every service and has a port for each", () => {
  const { door } = composed(chain).services;
  assert.deepEqual(Object.keys(door?.depends_on ?? {}), ["etcd", "base", "middle", "top"]);
  assert.deepEqual(door?.ports, [
    `127.0.0.1:\${SHOAL_COMPOSE_BASE_PORT:-4001}:4000`,
    `127.0.0.1:\${SHOAL_COMPOSE_MIDDLE_PORT:-4002}:4000`,
    `127.0.0.1:\${SHOAL_COMPOSE_TOP_PORT:-4003}:4000`,
  ]);
});

test("where no service keeps state, nothing makes databases", () => {
  const { services: containers } = composed({ ...chain, services: [spec("alone", 4_001, "none")] });
  assert.deepEqual(Object.keys(containers), ["alone", "door"]);
});

test("what the services stand on is in docker-compose.yml, and nothing is in both", () => {
  const main = parse(readFileSync(join(repositoryRoot, "docker-compose.yml"), "utf8")) as ComposeFile;
  const written = composed({ services, gateway: shoalGateway });
  const here = Object.keys(written.services);
  const there = Object.keys(main.services);
  assert.deepEqual(
    here.filter((name) => there.includes(name)),
    [],
  );
  const known = new Set([...here, ...there]);
  const networks = new Set(["default", ...Object.keys(main.networks ?? {})]);
  for (const container of Object.values(written.services)) {
    for (const needed of Object.keys(container.depends_on ?? {})) assert.ok(known.has(needed), needed);
    for (const network of container.networks ?? []) assert.ok(networks.has(network), network);
  }
  for (const container of Object.values(main.services))
    for (const url of Object.values(container.environment ?? {}))
      if (url.startsWith("mysql:"))
        assert.ok(
          Object.values(written.services).some((one) => hasUrl(one, url)),
          url,
        );
});

test("what makes the databases has the SQL that is written, and a password for each user", () => {
  const { volumes = [], environment } = composed(chain).services["databases"] ?? {};
  const paths = volumes.map((volume) => join("deploy/compose", volume.split(":")[0] ?? ""));
  assert.deepEqual(paths, ["deploy/mysql/databases.sql"]);
  assert.ok(composeFiles(chain).has(paths[0] ?? ""));
  assert.equal(
    environment?.["PASSWORDS"],
    `alter user shoal_base identified by '\${SHOAL_COMPOSE_BASE_PASSWORD:-shoal-development}' account unlock;
alter user shoal_top identified by '\${SHOAL_COMPOSE_TOP_PASSWORD:-shoal-development}' account unlock;
`,
  );
});

test("Prometheus finds every service and the gateway at their admin ports", () => {
  const text = composeFiles(chain).get("deploy/observability/prometheus/services.yml") ?? "";
  const { scrape_configs } = parse(text) as {
    scrape_configs: { dns_sd_configs: { names: string[]; port: number }[] }[];
  };
  assert.deepEqual(
    scrape_configs.flatMap(({ dns_sd_configs }) => dns_sd_configs.map(({ names, port }) => [...names, port])),
    [
      ["base", 5_001],
      ["middle", 5_002],
      ["top", 5_003],
      ["door", 5_000],
    ],
  );
});

function shoalSettings(container: Container | undefined): Record<string, string> {
  const settings = Object.entries(container?.environment ?? {});
  return Object.fromEntries(settings.filter(([name]) => name.startsWith("SHOAL_")));
}

function waits(container: Container | undefined): Record<string, string> {
  const needs = Object.entries(container?.depends_on ?? {});
  return Object.fromEntries(needs.map(([name, { condition }]) => [name, condition]));
}

function hasUrl({ environment = {} }: Container, url: string): boolean {
  return Object.values(environment).includes(url);
}
