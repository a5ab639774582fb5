/**
 * The candle class of a bar: the one pattern that a network is to see in the bars that end there.
 *
 * Several patterns may end at one bar. A pattern of three bars goes before one of two and that before one of
 * one; among patterns of the same length the order of `candleClasses` decides. In effect that matters for
 * one-bar candles alone (a hammer whose body is a doji's is labelled a doji): morning star, evening star,
 * soldiers and crows differ in the colour of a candle, and no body lies both within and around another.
 */
import {
  type CandlePatternName,
  candlePatterns,
  forEachBarPatterns,
  makeCandlePatternStream,
  type PatternValues,
  type PriceColumns
} from "./CandlePatterns.ts"

export const candleClasses = [
  "doji",
  "hammer",
  "inverted hammer",
  "shooting star",
  "hanging man",
  "bullish engulfing",
  "bearish engulfing",
  "bullish harami",
  "bearish harami",
  "morning star",
  "evening star",
  "three white soldiers",
  "three black crows",
  "none"
] as const
export type CandleClass = (typeof candleClasses)[number]

const isTwoSided = (name: CandlePatternName): name is "engulfing" | "harami" =>
  name === "engulfing" || name === "harami"

interface Claim {
  readonly pattern: number
  readonly whenPositive: number
  readonly whenNegative: number
}

/** Positions in `candlePatterns` in the order in which they claim a bar, with the classes they claim it for. */
const claims: ReadonlyArray<Claim> = candlePatterns
  .map(({ bars, name }, pattern) => ({
    bars,
    pattern,
    whenPositive: candleClasses.indexOf(isTwoSided(name) ? `bullish ${name}` : name),
    whenNegative: candleClasses.indexOf(isTwoSided(name) ? `bearish ${name}` : name)
  }))
  .sort((one, other) => other.bars - one.bars || one.whenPositive - other.whenPositive)

const none = candleClasses.indexOf("none")

/** The position in `candleClasses` of the class of a bar with these patterns. */
export const candleClassOf = (values: PatternValues): number => {
  for (const { pattern, whenNegative, whenPositive } of claims) {
    const value = values[pattern] as number
    if (value !== 0) return value > 0 ? whenPositive : whenNegative
  }
  return none
}

export interface CandleClassStream {
  /** Takes the next bar, prices in any one unit, and gives the position of its class in `candleClasses`. */
  readonly push: (open: number, high: number, low: number, close: number) => number
}

export const makeCandleClassStream = (): CandleClassStream => {
  const patterns = makeCandlePatternStream()
  return { push: (open, high, low, close) => candleClassOf(patterns.push(open, high, low, close)) }
}

/** The class of every bar of a history, as positions in `candleClasses`. */
export const candleClassColumn = (columns: PriceColumns): Uint8Array => {
  const classes = new Uint8Array(columns.open.length)
  forEachBarPatterns(columns, (values, bar) => {
    classes[bar] = candleClassOf(values)
  })
  return classes
}
