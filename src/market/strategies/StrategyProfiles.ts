/**
 * The strategy profiles by name, in their pinned order: each a rule that takes a position at an as-of from past bars
 * alone, to be kept for the horizon. What they are and whom they are from stands in README.md.
 *
 * What can go wrong: nothing; where nothing has moved a rule that measures moves has no position.
 * Invariants: a position follows from the bar of the as-of and `strategyLookBack` bars before it, so that a history cut
 * off at the as-of gives the same as the whole one; it lies in [-1, 1], and each profile takes one side only.
 */
import type { BarSeries } from "../BarSeries.ts"

export type StrategyBars = Pick<BarSeries, "high" | "close">

interface Profile {
  readonly name: string
  /** A share of the capital, at the bar of an index that has `strategyLookBack` bars before it. */
  readonly position: (bars: StrategyBars, index: number) => number
}

const channelBars = 20
const bandBars = 20
const bandDeviations = 1
const trendBars = 20
const reversalBars = 5
const reversalDeviations = 1
const shortBars = 16
const longBars = 64

/** Bars before that of the as-of that have to be there. */
export const strategyLookBack = longBars

const logReturn = ({ close }: StrategyBars, index: number, bars: number): number =>
  Math.log((close[index] as number) / (close[index - bars] as number))

/** Mean square of the log returns of the last so many bars. */
const meanSquareReturn = (series: StrategyBars, index: number, bars: number): number => {
  let squares = 0
  for (let i = index - bars + 1; i <= index; i++) squares += logReturn(series, i, 1) ** 2
  return squares / bars
}

const breakout = ({ close, high }: StrategyBars, index: number): number => {
  for (let i = index - channelBars; i < index; i++) {
    if ((high[i] as number) >= (close[index] as number)) return 0
  }
  return 1
}

const meanReversion = ({ close }: StrategyBars, index: number): number => {
  // Around the last close: a mean of equal closes is that close, without rounding.
  const last = close[index] as number
  let sum = 0
  let squares = 0
  for (let i = index - bandBars + 1; i <= index; i++) {
    const distance = (close[i] as number) - last
    sum += distance
    squares += distance * distance
  }
  const mean = sum / bandBars
  const deviation = Math.sqrt(Math.max(0, squares / bandBars - mean * mean))
  return mean > bandDeviations * deviation ? 1 : 0
}

const contrarian = (series: StrategyBars, index: number): number => {
  const deviation = Math.sqrt(meanSquareReturn(series, index, longBars) * reversalBars)
  return logReturn(series, index, reversalBars) > reversalDeviations * deviation ? -1 : 0
}

const volatilityTarget = (series: StrategyBars, index: number): number => {
  const recent = meanSquareReturn(series, index, shortBars)
  return recent > 0 ? Math.min(1, meanSquareReturn(series, index, longBars) / recent) : 1
}

export const strategyProfiles = [
  { name: "stand-aside", position: () => 0 },
  { name: "breakout", position: breakout },
  { name: "mean-reversion", position: meanReversion },
  { name: "contrarian", position: contrarian },
  {
    name: "trend-following",
    position: (series, index) => (logReturn(series, index, trendBars) > 0 ? 1 : 0)
  },
  { name: "volatility-target", position: volatilityTarget },
  { name: "buy-and-hold", position: () => 1 },
  { name: "short", position: () => -1 }
] as const satisfies ReadonlyArray<Profile>

export type StrategyName = (typeof strategyProfiles)[number]["name"]

export const strategyNames: ReadonlyArray<StrategyName> = strategyProfiles.map(({ name }) => name)

/** The position of each profile at a bar, in their order. */
export const strategyPositions = (series: StrategyBars, index: number): ReadonlyArray<number> => {
  if (index < strategyLookBack || index >= series.close.length) {
    throw new RangeError(
      `no positions at bar ${index} of ${series.close.length}: ${strategyLookBack} before it are needed`
    )
  }
  return strategyProfiles.map(({ position }) => position(series, index))
}
