import type { HedgingPolicy, MethodPolicy, RetryPolicy } from "../policy.ts";

/**
 * The policies' attempts as gRPC's service config (its JSON form: durations in seconds, codes by name), with retry
 * throttling as in gRPC proposal A6: an outage uses up the tokens, and without tokens no further attempts are made.
 * Deadlines are not in it: a client sets them itself.
 */
export function serviceConfigOf(policies: ReadonlyMap<string, MethodPolicy>, balancing: object): object {
  const methodConfig = [...policies].flatMap(([path, { retry, hedging }]) => {
    if (retry === undefined && hedging === undefined) return [];
    const [, service, method] = path.split("/");
    const name = [{ service, method }];
    return [
      { name, ...(retry && { retryPolicy: retryOf(retry) }), ...(hedging && { hedgingPolicy: hedgingOf(hedging) }) },
    ];
  });
  return {
    loadBalancingConfig: [balancing],
    methodConfig,
    retryThrottling: { maxTokens: 100, tokenRatio: 0.1 },
  };
}

function retryOf({ maxAttempts, initialBackoffMs, maxBackoffMs, backoffMultiplier, codes }: RetryPolicy) {
  return {
    maxAttempts,
    initialBackoff: seconds(initialBackoffMs),
    maxBackoff: seconds(maxBackoffMs),
    backoffMultiplier,
    retryableStatusCodes: codes,
  };
}

function hedgingOf({ maxAttempts, delayMs, nonFatalCodes }: HedgingPolicy) {
  return { maxAttempts, hedgingDelay: seconds(delayMs), nonFatalStatusCodes: nonFatalCodes };
}

function seconds(ms: number): string {
  return `${ms / 1_000}s`;
}
