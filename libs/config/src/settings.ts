import type { z } from "zod";

/** One setting: the environment variable that sets it, what it may be, and what it is for. */
export interface Setting<T = unknown> {
  /** The whole name of the variable, such as `SHOAL_ORDER_DATABASE_URL`. */
  readonly env: string;
  /** Reads the variable's text. Give it a default unless the setting must be set. */
  readonly schema: z.ZodType<T, string | undefined>;
  /** One sentence for the reader of an error or a README, with the unit. */
  readonly about: string;
}

/** The values that a declaration of settings yields. */
export type SettingsOf<D extends Readonly<Record<string, Setting>>> = {
  readonly [K in keyof D]: D[K] extends Setting<infer T> ? T : never;
};

/** Settings that cannot be used; its message has one line for each problem, and says what is expected. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

/**
 * Reads the declared settings from `env`, all of them or none: throws one {@link SettingsError} that lists every
 * problem. A variable that starts with `prefix` and is declared nowhere is a problem too, so that a misspelt name
 * does not go unnoticed. An empty value counts as not set.
 */
export function readSettings<D extends Readonly<Record<string, Setting>>>(
  prefix: string,
  declared: D,
  env: Readonly<Record<string, string | undefined>>,
): SettingsOf<D> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(declared)) {
    const result = setting.schema.safeParse(env[setting.env] || undefined);
    if (result.success) values[key] = result.data;
    else problems.push(`${setting.env}: ${result.error.issues[0]?.message}. ${setting.about}`);
  }
  const known = new Set(Object.values(declared).map((setting) => setting.env));
  for (const name of Object.keys(env)) {
    if (name.startsWith(prefix) && !known.has(name))
      problems.push(`${name}: there is no such setting. Known: ${[...known].sort().join(", ")}`);
  }
  if (problems.length > 0) throw new SettingsError(problems.join("\n"));
  return Object.freeze(values) as SettingsOf<D>;
}
