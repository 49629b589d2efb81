/** Numbers between two bounds as a grammar: digit by digit, since a grammar cannot compare. */
import { choice, type Expression, sequence, set, text } from './expression.ts';

export interface NumberRange {
  readonly min: number;
  readonly max: number;
  readonly exclusiveMin: boolean;
  readonly exclusiveMax: boolean;
}

/** Digits of a number at most, before and after the point together: more would be rounded. */
const maxDigits = 15;
const fractionDigits = 2;

/** Whole numbers of the range; null if there is none. */
export function integersBetween(range: NumberRange): Expression | null {
  return fixedPoint(range, 0);
}

/** Numbers of the range: whole, or with as many decimals as the bounds have and two at least; null if none. */
export function numbersBetween(range: NumberRange): Expression | null {
  const decimals = Math.max(fractionDigits, decimalsOf(range.min), decimalsOf(range.max));
  const options = [integersBetween(range), fixedPoint(range, decimals)].filter((option) => option !== null);
  return options.length > 0 ? choice(...options) : null;
}

function decimalsOf(value: number): number {
  if (!Number.isFinite(value)) return 0;
  const [, digits = '', exponent = '0'] = /^-?\d+(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? [];
  return Math.max(0, digits.length - Number(exponent));
}

/** Numbers with so many decimals are whole numbers of their last place. */
function fixedPoint(range: NumberRange, decimals: number): Expression | null {
  const limit = 10n ** BigInt(maxDigits) - 1n;
  const bound = (value: number, exclusive: boolean, up: boolean): bigint => {
    // Bounds beyond the digits do not bind: generators write those of the machine's integers.
    if (Math.abs(value) >= 10 ** maxDigits && value < 0 === up) return up ? -limit : limit;
    if (Math.abs(value) >= 10 ** maxDigits) throw new RangeError(`a bound of more than ${maxDigits} digits`);
    const { whole, exact } = scaled(value, decimals, up);
    if (!exact || !exclusive) return whole;
    return up ? whole + 1n : whole - 1n;
  };
  const min = bound(range.min, range.exclusiveMin, true);
  const max = bound(range.max, range.exclusiveMax, false);
  if (decimals > maxDigits) throw new RangeError(`a bound with more than ${maxDigits} decimals`);
  const clamped = { min: min < -limit ? -limit : min, max: max > limit ? limit : max };
  return between(clamped.min, clamped.max, decimals);
}

function between(min: bigint, max: bigint, decimals: number): Expression | null {
  const options: Expression[] = [];
  if (max >= 0n) options.push(...unsigned(min > 0n ? min : 0n, max, decimals));
  if (min < 0n) {
    const positive = unsigned(max < 0n ? -max : 1n, -min, decimals);
    options.push(...positive.map((digits) => sequence(text('-'), digits)));
  }
  return options.length > 0 ? choice(...options) : null;
}

/** value * 10^decimals, rounded up or down where it is not whole. */
function scaled(value: number, decimals: number, up: boolean): { whole: bigint; exact: boolean } {
  const own = decimalsOf(value);
  const digits = BigInt(value.toFixed(own).replace('.', ''));
  if (own <= decimals) return { whole: digits * 10n ** BigInt(decimals - own), exact: true };
  const unit = 10n ** BigInt(own - decimals);
  const towardsZero = digits / unit;
  if (towardsZero * unit === digits) return { whole: towardsZero, exact: true };
  const above = digits > 0n === up;
  return { whole: above ? towardsZero + (up ? 1n : -1n) : towardsZero, exact: false };
}

/** 0 <= min <= max. */
function unsigned(min: bigint, max: bigint, decimals: number): Expression[] {
  if (min > max) return [];
  const options: Expression[] = [];
  // One group for each count of digits; with decimals a zero stands before the point.
  let low = String(min).padStart(decimals + 1, '0');
  const last = String(max).padStart(decimals + 1, '0');
  while (low.length < last.length) {
    options.push(...sameLength(low, '9'.repeat(low.length), decimals));
    low = `1${'0'.repeat(low.length)}`;
  }
  options.push(...sameLength(low, last, decimals));
  return options;
}

/** The digits from low to high, which are equally many, as rows of one range for each place. */
function sameLength(low: string, high: string, decimals: number): Expression[] {
  const rows = digitRows(low, high);
  return rows.map((row) => {
    const places = row.map(([from, to]) => (from === to ? text(from) : set(`${from}${to}`)));
    if (decimals > 0) places.splice(places.length - decimals, 0, text('.'));
    return sequence(...places);
  });
}

type Row = (readonly [from: string, to: string])[];

function digitRows(low: string, high: string): Row[] {
  if (low === '') return [[]];
  const [first = '', last = ''] = [low[0], high[0]];
  const rest = low.length - 1;
  const any: Row = Array.from({ length: rest }, () => ['0', '9'] as const);
  if (first === last)
    return digitRows(low.slice(1), high.slice(1)).map((row) => [[first, first] as const, ...row]);
  const rows: Row[] = [];
  const lowIsRound = low.slice(1) === '0'.repeat(rest);
  const highIsRound = high.slice(1) === '9'.repeat(rest);
  const from = lowIsRound ? first : String(Number(first) + 1);
  const to = highIsRound ? last : String(Number(last) - 1);
  if (!lowIsRound)
    rows.push(...digitRows(low.slice(1), '9'.repeat(rest)).map((row): Row => [[first, first], ...row]));
  if (from <= to) rows.push([[from, to], ...any]);
  if (!highIsRound)
    rows.push(...digitRows('0'.repeat(rest), high.slice(1)).map((row): Row => [[last, last], ...row]));
  return rows;
}
