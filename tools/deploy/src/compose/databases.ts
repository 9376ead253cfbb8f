import type { Services } from "@shoal/services";

/** The database of a service, and the user who may use it: both have this name. */
export function databaseName(service: string): string {
  return `shoal_${service}`;
}

/**
 * The SQL that gives each service that keeps state its database and its user, who stays locked until a password is set. May be
 * run again and again: it takes nothing away, and leaves data and passwords as they are. A statement each line.
 */
export function databasesSql(services: Services): string {
  return `${head}\n${stateful(services).map(statements).join("\n")}`;
}

/**
 * The SQL that sets the users' passwords, those of the environment once Docker Compose has filled them in, and lets the users in.
 * May be run again and again, after `databasesSql`. A statement each line; empty where no service keeps state.
 */
export function passwordsSql(services: Services): string {
  const lines = stateful(services).map(
    (name) => `alter user ${databaseName(name)} identified by '${password(name)}' account unlock;\n`,
  );
  return lines.join("");
}

/** A service's password in MySQL, as Docker Compose takes it from the environment. */
export function password(service: string): string {
  return `\${SHOAL_COMPOSE_${service.toUpperCase()}_PASSWORD:-shoal-development}`;
}

const head = `-- Written by \`npm run deploy\` from what the services say of themselves in their package.json: a database for each of those that
-- keep state, and a user who may use that one alone: nobody else's tables, no server settings, no other users. Docker Compose
-- runs it at each "up". It takes nothing away, so that it may be run again and again.
--
-- SELECT, INSERT, UPDATE, DELETE   what the service does with its rows
-- CREATE, ALTER, INDEX             its migrations, which it runs itself when it starts
--
-- Not granted: DROP, for no service deletes a table (a migration that must is for an operator), and all that reaches beyond
-- tables: FILE, PROCESS, CREATE USER, GRANT OPTION, routines, triggers, events. In a grant, _ stands for any character unless
-- it is escaped.
--
-- A user is locked until it has a password. Docker Compose sets it; elsewhere do it yourself:
-- alter user shoal_... identified by '...' account unlock;
`;

const privileges = "select, insert, update, delete, create, alter, index";

function statements(service: string): string {
  const name = databaseName(service);
  return `create database if not exists ${name} character set utf8mb4;
create user if not exists ${name} account lock;
grant ${privileges} on \`${name.replaceAll("_", "\\_")}\`.* to ${name};
`;
}

function stateful({ services, gateway }: Services): readonly string[] {
  return [...services, gateway].filter(({ storage }) => storage === "sql").map(({ name }) => name);
}
