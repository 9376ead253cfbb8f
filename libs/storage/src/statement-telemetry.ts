import { basename } from "node:path";
import { SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { isAppError } from "@shoal/kernel";
import type { Instruments } from "@shoal/telemetry";
import { AliasNode, type CompiledQuery, type OperationNode, type RootOperationNode, TableNode } from "kysely";
import type { DatabaseUrl } from "./database-url.ts";

/** How much of a statement is told, in characters: rows that are inserted together make long ones. */
const maxText = 2_000;

/** Bounds of durations, in seconds: OpenTelemetry's for databases, and finer below a hundredth. */
const boundaries = [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 10];

/** What a statement does, and to which table; `table` is empty for what concerns none. */
interface Operation {
  readonly name: string;
  readonly table: string;
}

/** Sees the statements of a database. */
export interface StatementObserver {
  /** Runs a statement. */
  statement<T>(query: CompiledQuery, run: () => Promise<T>): Promise<T>;
  /** Runs what begins or ends a transaction: `BEGIN`, `COMMIT`, `ROLLBACK`. */
  transaction(name: string, run: () => Promise<void>): Promise<void>;
}

/**
 * A span for each statement within the call that is being served, and how long statements take, as OpenTelemetry's conventions
 * for SQL have it. Statements are told as they are prepared: their values stay here. What is done outside any traced call,
 * such as looking for work, makes no span of its own.
 */
export function statementTelemetry({ metrics, tracer }: Instruments, where: DatabaseUrl): StatementObserver {
  const system = where.engine;
  const durations = metrics.histogram({
    name: "db.client.operation.duration",
    unit: "s",
    description: "How long statements took, from when they were sent.",
    boundaries,
  });
  const figures = new Map<string, { record(seconds: number): void }>();
  const shared = { "db.system.name": system, ...placeOf(where) };

  const figureOf = (summary: string, { name, table }: Operation, error: string) => {
    const key = `${summary} ${error}`;
    let figure = figures.get(key);
    if (figure === undefined) {
      figure = durations.with({
        "db.system.name": system,
        "db.operation.name": name,
        ...(table !== "" && { "db.collection.name": table }),
        ...(error !== "" && { "error.type": error }),
      });
      figures.set(key, figure);
    }
    return figure;
  };

  const observe = async <T>(operation: Operation, text: string, run: () => Promise<T>): Promise<T> => {
    const { name, table } = operation;
    const summary = table === "" ? name : `${name} ${table}`;
    // Nothing comes of the others: they would not be sampled either.
    const span = trace.getActiveSpan()?.isRecording()
      ? tracer.startSpan(summary, {
          kind: SpanKind.CLIENT,
          attributes: {
            ...shared,
            "db.operation.name": name,
            "db.query.summary": summary,
            ...(table !== "" && { "db.collection.name": table }),
            ...(text !== "" && { "db.query.text": text.slice(0, maxText) }),
          },
        })
      : undefined;
    const startedAt = performance.now();
    try {
      const result = await run();
      figureOf(summary, operation, "").record((performance.now() - startedAt) / 1_000);
      return result;
    } catch (error) {
      const type = errorType(error);
      figureOf(summary, operation, type).record((performance.now() - startedAt) / 1_000);
      span?.setAttribute("error.type", type);
      span?.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span?.end();
    }
  };

  return {
    statement: (query, run) => observe(operationOf(query), query.sql, run),
    transaction: (name, run) => observe({ name, table: "" }, "", run),
  };
}

function placeOf(where: DatabaseUrl) {
  if (where.engine === "sqlite") return { "db.namespace": basename(where.path) };
  return { "server.address": where.host, "server.port": where.port, "db.namespace": where.database };
}

/** What a driver calls it, or our own reason; few different ones. */
function errorType(error: unknown): string {
  if (isAppError(error)) return error.reason;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "_OTHER";
}

const verbs: Partial<Record<RootOperationNode["kind"], string>> = {
  SelectQueryNode: "SELECT",
  InsertQueryNode: "INSERT",
  UpdateQueryNode: "UPDATE",
  DeleteQueryNode: "DELETE",
};

/** From what Kysely has built; of a statement that was written out from its first words. */
function operationOf({ query, sql }: CompiledQuery): Operation {
  const verb = verbs[query.kind];
  if (verb !== undefined) return { name: verb, table: tableOf(query) };
  const [, name = "OTHER", table = ""] =
    /^\s*(\w+)(?:\s+(?:into|table|index)\s+(?:if\s+(?:not\s+)?exists\s+)?[`"]?(\w+))?/i.exec(sql) ?? [];
  return { name: name.toUpperCase(), table };
}

function tableOf(query: RootOperationNode): string {
  switch (query.kind) {
    case "SelectQueryNode":
      return nameIn(query.from?.froms[0]);
    case "InsertQueryNode":
      return nameIn(query.into);
    case "UpdateQueryNode":
      return nameIn(query.table);
    case "DeleteQueryNode":
      return nameIn(query.from.froms[0]);
    default:
      return "";
  }
}

/** The table's name in a node that stands for one, under another name or not; a subquery has none. */
function nameIn(node: OperationNode | undefined): string {
  if (node !== undefined && AliasNode.is(node)) return nameIn(node.node);
  return node !== undefined && TableNode.is(node) ? node.table.identifier.name : "";
}
