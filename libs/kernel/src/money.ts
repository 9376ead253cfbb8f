/** An amount in the currency's minor unit (cents, yen), exact. */
export interface Money {
  readonly minorUnits: bigint;
  /** ISO 4217, such as `EUR`. */
  readonly currency: string;
}

/** The largest amount that the contracts and the databases carry: 2^63 - 1. */
export const maxMinorUnits = 2n ** 63n - 1n;

/** `money` × `count`, or `undefined` where that passes {@link maxMinorUnits}. */
export function multiplyMoney(money: Money, count: number): Money | undefined {
  return within({ minorUnits: money.minorUnits * BigInt(count), currency: money.currency });
}

/** `a` + `b`, or `undefined` where that passes {@link maxMinorUnits}. Throws a `TypeError` for two currencies. */
export function addMoney(a: Money, b: Money): Money | undefined {
  if (a.currency !== b.currency) throw new TypeError(`cannot add ${b.currency} to ${a.currency}`);
  return within({ minorUnits: a.minorUnits + b.minorUnits, currency: a.currency });
}

function within(money: Money): Money | undefined {
  return money.minorUnits > maxMinorUnits ? undefined : money;
}
