import { formatRate, rateOf } from "./progress.ts";
import type { DemoResult } from "./run-demo.ts";
import type { Level, Pieces } from "./stock-check.ts";

/** What a run did, laid out for a terminal; `scarceSku` is the product that was wanted more often than there is. */
export function formatSummary(
  { steps, placing, settling, before, loaded, stock }: DemoResult,
  scarceSku: string,
): string {
  const { left, invalid, soldOut } = placing;
  const expiry = new Date(placing.firstExpiryMs).toTimeString().slice(0, 8);
  const { available, held, sold } = stock.after;
  const was = [...before.values()].reduce((sum, level) => sum + piecesIn(level), 0n);
  const lines = [
    ...steps.map(({ what, count, durationMs }) =>
      row(what, count, seconds(durationMs), `${formatRate(rateOf(count, durationMs))}/s`.padStart(9)),
    ),
    "",
    row("confirmed", settling.confirmed.count),
    row("cancelled", settling.cancelled),
    row("still placed", left.count, left.count > 0 ? `held until ${expiry} at least` : ""),
    row(
      "sold out",
      soldOut,
      soldOut > 0 ? `refused, as it should be: more of ${scarceSku} is wanted than there is` : "",
    ),
    row("invalid", invalid.length, `refused, as it should be: ${invalid.join("; ")}`),
    "",
    `pieces: ${group(was)} before + ${group(total(loaded))} loaded = ` +
      `${group(available)} available + ${group(held)} held + ${group(sold)} sold`,
  ];
  if (stock.expired > 0n) lines.push(`${group(stock.expired)} pieces held since earlier have come free meanwhile`);
  return lines.join("\n");
}

function row(what: string, count: number, ...rest: readonly string[]): string {
  return [what.padEnd(17), group(count).padStart(7), ...rest].join("  ").trimEnd();
}

function total(pieces: Pieces): bigint {
  return [...pieces.values()].reduce((sum, quantity) => sum + quantity, 0n);
}

function piecesIn({ available, held, sold }: Level): bigint {
  return available + held + sold;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`.padStart(7);
}

function group(count: number | bigint): string {
  return count.toLocaleString("en");
}
