import { isIP } from "node:net";
import { z } from "zod";

/** Any text that is not empty. */
export function text(fallback: string): z.ZodType<string, string | undefined> {
  return z.string().default(fallback);
}

/** A whole number from `min` to `max`. */
export function integer(fallback: number, min: number, max: number): z.ZodType<number, string | undefined> {
  const message = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .default(String(fallback))
    .transform((value, ctx) => {
      const number = /^-?\d+$/.test(value) ? Number(value) : Number.NaN;
      if (number >= min && number <= max) return number;
      ctx.addIssue({ code: "custom", message: `${message}, not "${value}"` });
      return z.NEVER;
    });
}

/** A TCP port; 0 lets the system choose one. */
export function port(fallback: number): z.ZodType<number, string | undefined> {
  return integer(fallback, 0, 65_535);
}

/** A span of time in milliseconds, from `min` to `max`. */
export function duration(fallback: number, min: number, max: number): z.ZodType<number, string | undefined> {
  return integer(fallback, min, max);
}

/** An address to listen on: a host name or an IP address without a port. */
export function host(fallback: string): z.ZodType<string, string | undefined> {
  return z
    .string()
    .default(fallback)
    .refine(
      (value) => isIP(value) !== 0 || /^[A-Za-z0-9_.-]+$/.test(value),
      "must be a host name or an IP address without a port",
    );
}

/** How much is logged: everything from this level up. */
export function logLevel(): z.ZodType<"trace" | "debug" | "info" | "warn" | "error" | "fatal", string | undefined> {
  const levels = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
  return z
    .string()
    .default("info")
    .pipe(z.enum(levels, `must be one of ${levels.join(", ")}`));
}

/** One of some words; the first unless set. */
export function oneOf<const W extends string>(first: W, ...others: readonly W[]): z.ZodType<W, string | undefined> {
  const words = [first, ...others] as const;
  return z
    .string()
    .default(first)
    .pipe(z.enum(words, `must be one of ${words.join(", ")}`));
}

/** Whether something is done. */
export function onOrOff(fallback: "on" | "off"): z.ZodType<boolean, string | undefined> {
  return z
    .string()
    .default(fallback)
    .pipe(z.enum(["on", "off"], "must be on or off"))
    .transform((value) => value === "on");
}

/** Where a service answers: a host name or IP address, a colon and a port; IPv6 addresses in brackets. */
export function address(fallback: string): z.ZodType<string, string | undefined> {
  return z.string().default(fallback).refine(isAddress, "must be HOST:PORT");
}

/** Where the service `name` is called: an {@link address}, or `shoal:///<name>`, its instances as the registry names them. */
export function target(name: string, fallback: string): z.ZodType<string, string | undefined> {
  const registered = `shoal:///${name}`;
  return z
    .string()
    .default(fallback)
    .refine((value) => value === registered || isAddress(value), `must be HOST:PORT or ${registered}`);
}

function isAddress(value: string): boolean {
  const [, port] = /^(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/.exec(value) ?? [];
  return Number(port) >= 1 && Number(port) <= 65_535;
}

/** What `parse` makes of the text: it throws an `Error` that says what is wrong. */
export function parsed<T>(fallback: string, parse: (value: string) => T): z.ZodType<T, string | undefined> {
  return z
    .string()
    .default(fallback)
    .transform((value, ctx) => {
      try {
        return parse(value);
      } catch (error) {
        ctx.addIssue({ code: "custom", message: error instanceof Error ? error.message : "cannot be used" });
        return z.NEVER;
      }
    });
}

/** Text that `check` accepts: it throws an `Error` that says what is wrong, and repeats no secret. */
export function checkedText(
  fallback: string,
  check: (value: string) => unknown,
): z.ZodType<string, string | undefined> {
  return z
    .string()
    .default(fallback)
    .superRefine((value, ctx) => {
      try {
        check(value);
      } catch (error) {
        ctx.addIssue({ code: "custom", message: error instanceof Error ? error.message : "cannot be used" });
      }
    });
}
