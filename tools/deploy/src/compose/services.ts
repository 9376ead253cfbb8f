import type { ServiceSpec, Services } from "@shoal/services";
import { databaseName, password, passwordsSql } from "./databases.ts";

/** The part of the compose file that tells of the services and of the gateway, which docker-compose.yml includes. */
export function servicesYaml(services: Services): string {
  const { services: ordinary, gateway } = services;
  return `${head}
services:
${[...databasesYaml(services), ...ordinary.map((service) => serviceYaml(service)), gatewayYaml(gateway, ordinary)].join("\n")}`;
}

const head = `# Written by \`npm run deploy\` from what the services say of themselves in their package.json: the services, their
# databases and their gateway. docker-compose.yml includes it, and has what they stand on: MySQL, etcd and the networks.

x-service: &service
  init: true
  read_only: true
  tmpfs: [/tmp]
  cap_drop: [ALL]
  security_opt: [no-new-privileges]
  deploy:
    resources:
      limits: { cpus: "1", memory: 512m, pids: 100 }
  logging: &logging
    driver: json-file
    options: { max-size: 10m, max-file: "3" }
  restart: unless-stopped
  # A service lets its calls finish for 10 s, then ends its other parts within 5 s, and sends its last telemetry within 2 s.
  stop_grace_period: 20s

# Traces and logs are sent where that names a collector. Metrics are fetched.
x-telemetry: &telemetry
  OTEL_EXPORTER_OTLP_ENDPOINT: \${SHOAL_COMPOSE_OTLP_ENDPOINT:-}
  OTEL_LOGS_EXPORTER: \${SHOAL_COMPOSE_LOGS_EXPORTER:-none}
  OTEL_METRICS_EXPORTER: none

x-healthcheck: &healthcheck
  interval: 5s
  timeout: 5s
  retries: 3
  start_period: 60s
`;

/** What makes the databases; nothing where no service has one. */
function databasesYaml(services: Services): readonly string[] {
  const passwords = passwordsSql(services);
  if (passwords === "") return [];
  return [
    `  # Gives every service its database, its user and the user's password, at each "up": a service, or a password, may be newer than
  # the data. That is why it is not left to MySQL's own entrypoint, which does so once, for new data. Nor is it a file that MySQL
  # runs whenever it starts (--init-file): the database would have to stop for a service that is added.
  databases:
    image: mysql:9.7
    entrypoint: [sh, -c]
    command:
      - mysql --host=mysql --user=root </etc/shoal/databases.sql && echo "$$PASSWORDS" | mysql --host=mysql --user=root
    environment:
      MYSQL_PWD: \${SHOAL_COMPOSE_MYSQL_ROOT_PASSWORD:-shoal-development}
      # A config with content would need a container that can be written to.
      PASSWORDS: |
${indented(8, passwords)}    volumes: ["../mysql/databases.sql:/etc/shoal/databases.sql:ro"]
    # The image asks for a volume there, which would be left behind.
    tmpfs: [/var/lib/mysql]
    user: mysql
    depends_on:
      mysql: { condition: service_healthy }
    networks: [database]
    init: true
    read_only: true
    cap_drop: [ALL]
    security_opt: [no-new-privileges]
    deploy:
      resources:
        limits: { cpus: "0.5", memory: 128m, pids: 20 }
    logging: *logging
`,
  ];
}

/** Of every service, the gateway included; `ports` is what goes before its networks. */
function serviceYaml({ name, grpcPort, calls, storage }: ServiceSpec, ports = ""): string {
  const prefix = `SHOAL_${name.toUpperCase()}_`;
  const stateful = storage === "sql";
  const environment = [
    `${prefix}HOST: 0.0.0.0`,
    `${prefix}REGISTRY: etcd://etcd:2379`,
    ...(stateful ? [`${prefix}DATABASE_URL: ${databaseUrl(name)}`] : []),
  ];
  const needs = [
    ...(stateful
      ? ["mysql: { condition: service_healthy }", "databases: { condition: service_completed_successfully }"]
      : []),
    ...["etcd", ...calls].map((needed) => `${needed}: { condition: service_healthy }`),
  ];
  return `  ${name}:
    <<: *service
    build:
      context: ../..
      args: { SERVICE: ${name} }
    environment:
      <<: *telemetry
${indented(6, environment.join("\n"))}
    depends_on:
${indented(6, needs.join("\n"))}
${ports}    networks: [${stateful ? "default, database" : "default"}]
    healthcheck:
      <<: *healthcheck
      test:
        [CMD, node, --eval, "fetch('http://127.0.0.1:${grpcPort + 1_000}/readyz').then((answer) => process.exit(answer.ok ? 0 : 1))"]
`;
}

/** However many instances a service has, callers find them all behind the gateway's ports. */
function gatewayYaml(gateway: ServiceSpec, services: readonly ServiceSpec[]): string {
  const ports = services.map(
    ({ name, grpcPort }) =>
      `      - "127.0.0.1:\${SHOAL_COMPOSE_${name.toUpperCase()}_PORT:-${grpcPort}}:${gateway.grpcPort}"\n`,
  );
  return `  # The door from outside: however many instances a service has, callers find them all behind each of these ports.
${serviceYaml(gateway, ports.length > 0 ? `    ports:\n${ports.join("")}` : "")}`;
}

function databaseUrl(service: string): string {
  const name = databaseName(service);
  return `mysql://${name}:${password(service)}@mysql:3306/${name}`;
}

/** Each line that is not empty, so many spaces to the right. */
function indented(spaces: number, text: string): string {
  return text.replaceAll(/^(?=.)/gm, " ".repeat(spaces));
}
