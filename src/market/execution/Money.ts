/**
 * Exact arithmetic of money in whole numbers: ticks, lots, and millionths of the quote currency, held in doubles. Below
 * 2^53 sums and differences of whole numbers are exact; what a product may pass is computed in big integers, so that
 * the result never depends on which way it was computed.
 *
 * What can go wrong: a result that is itself beyond 2^53 is no amount of money (nine thousand million quote units).
 * `times` then gives NaN, which no comparison lets through; whoever takes an order refuses it before that
 * (`isAmount`).
 */

/** A non-negative rational number in lowest terms: both parts are whole and safe. */
export interface Fraction {
  readonly numerator: number
  readonly denominator: number
}

export type Rounding = "up" | "down"

/** Millionths of a quote unit in one. */
export const microPerUnit = 1_000_000
const microExponent = 6

/** A decimal as an integer times a power of ten. */
interface Decimal {
  readonly digits: bigint
  readonly exponent: number
}

/** The exact decimal that a number is written as. */
const decimalOf = (value: number): Decimal => {
  const [mantissa = "0", exponent = "0"] = value.toExponential().split("e")
  const [whole = "0", fraction = ""] = mantissa.split(".")
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length }
}

const greatestCommonDivisor = (a: bigint, b: bigint): bigint =>
  b === 0n ? a : greatestCommonDivisor(b, a % b)

/** digits * 10^exponent in lowest terms; a `RangeError` where a part of it is no safe integer. */
const fractionOf = (digits: bigint, exponent: number): Fraction => {
  const numerator = exponent >= 0 ? digits * 10n ** BigInt(exponent) : digits
  const denominator = exponent >= 0 ? 1n : 10n ** BigInt(-exponent)
  const divisor = greatestCommonDivisor(numerator, denominator)
  const fraction = {
    numerator: Number(numerator / divisor),
    denominator: Number(denominator / divisor)
  }
  if (!(Number.isSafeInteger(fraction.numerator) && Number.isSafeInteger(fraction.denominator))) {
    throw new RangeError(`${digits}e${exponent} has more digits than exact arithmetic takes`)
  }
  return fraction
}

/** The non-negative finite number as it is written: 0.1 is one tenth. */
export const fraction = (value: number): Fraction => {
  if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) {
    throw new RangeError(`${value} is no non-negative number`)
  }
  const { digits, exponent } = decimalOf(value)
  return fractionOf(digits, exponent)
}

export interface Contract {
  /** Smallest step of the price, in quote units. */
  readonly tick: number
  /** Smallest step of the quantity, in base units. */
  readonly lot: number
}

/** Millionths that one lot is worth per tick of its price. */
export const microPerTickLot = ({ lot, tick }: Contract): Fraction => {
  const a = decimalOf(tick)
  const b = decimalOf(lot)
  return fractionOf(a.digits * b.digits, a.exponent + b.exponent + microExponent)
}

/** Steps of a basis point that a share is rounded to, so that every configured number is one that arithmetic takes. */
const stepsPerBasisPoint = 1e6

/** Non-negative basis points as a share, to a millionth of one: 2.5 is 1/4000. */
export const shareOfBps = (bps: number): Fraction => {
  const { digits, exponent } = decimalOf(Math.round(bps * stepsPerBasisPoint) / stepsPerBasisPoint)
  return fractionOf(digits, exponent - 4)
}

const timesExactly = (
  amount: number,
  other: number,
  { denominator, numerator }: Fraction,
  rounding: Rounding
) => {
  const product = BigInt(amount) * BigInt(other) * BigInt(numerator)
  const divisor = BigInt(denominator)
  const quotient = rounding === "up" ? (product + divisor - 1n) / divisor : product / divisor
  return quotient <= Number.MAX_SAFE_INTEGER ? Number(quotient) : Number.NaN
}

/** amount * other * fraction of non-negative whole numbers, rounded to a whole one; NaN beyond 2^53. */
export const times = (amount: number, other: number, by: Fraction, rounding: Rounding): number => {
  const product = amount * other * by.numerator
  // A product of doubles below 2^53 was exact all the way: its factors are whole, and none of them is larger.
  if (!(product <= Number.MAX_SAFE_INTEGER)) return timesExactly(amount, other, by, rounding)
  const { denominator } = by
  if (denominator === 1) return product
  const rest = product % denominator
  const quotient = (product - rest) / denominator
  return rest !== 0 && rounding === "up" ? quotient + 1 : quotient
}

/**
 * Millionths that whole units of a product of positive decimals come to, exact until it is rounded to a whole one, however
 * many digits they have; NaN beyond 2^53.
 */
export const timesDecimals = (units: number, decimals: ReadonlyArray<number>, rounding: Rounding): number => {
  let digits = BigInt(units)
  let exponent = microExponent
  for (const decimal of decimals.map(decimalOf)) {
    digits *= decimal.digits
    exponent += decimal.exponent
  }
  const scale = 10n ** BigInt(Math.abs(exponent))
  const whole =
    exponent >= 0 ? digits * scale : rounding === "up" ? (digits + scale - 1n) / scale : digits / scale
  return whole <= Number.MAX_SAFE_INTEGER ? Number(whole) : Number.NaN
}

export const isAmount = (amount: number): boolean => Number.isSafeInteger(amount)

export const toQuote = (micro: number): number => micro / microPerUnit
export const toMicro = (quote: number): number => Math.round(quote * microPerUnit)
