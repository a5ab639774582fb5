/**
 * Courses that say how much there is to be had: with the return of the next step as a feature (`oracle`), with that of
 * the last one (`last`, in a world without an edge worth nothing), and the best policy on a path that is already known.
 *
 * The return of a step is the one from fill to fill: that of a position taken after the close of bar t is
 * price[t + 2] / price[t + 1] - 1, with the first prices of the bars. These features look ahead on purpose: they are for
 * tests of learners, never for one that serves.
 *
 * The best policy is found by dynamic programming backwards over (bar, position), with the growth of log wealth
 *
 *   log(1 + a r) + log(1 - cost |a - p|)
 *
 * of going from p to a: exact for positions that are rebalanced at every fill, to the first order for those that are not.
 */
import type { BarColumns } from "../BarSeries.ts"
import { type Costs, oneWay } from "../Costs.ts"
import type { CourseFeatures } from "./Course.ts"

type FillBars = Pick<BarColumns, "open" | "close" | "closeOnly">

const fillPrices = ({ close, closeOnly, open }: FillBars): Float64Array => (closeOnly ? close : open)

/** Returns from the fill of each bar to that of the next one; of the last bar to its close, where it is marked. */
const fillReturns = (bars: FillBars): Float64Array => {
  const prices = fillPrices(bars)
  return prices.map((price, bar) => (prices[bar + 1] ?? (bars.close[bar] as number)) / price - 1)
}

/** The one feature "next_return": what a position that is taken after each bar earns first; 0 where the bars end. */
export const oracleFeature = (bars: FillBars): CourseFeatures => {
  const returns = fillReturns(bars)
  return {
    names: ["next_return"],
    values: Float32Array.from({ length: bars.close.length }, (_, bar) => returns[bar + 1] ?? 0),
    first: 0
  }
}

/** The one feature "last_return": what is known after each bar of the same kind. */
export const lastFeature = (bars: FillBars): CourseFeatures => {
  const returns = fillReturns(bars)
  return {
    names: ["last_return"],
    values: Float32Array.from({ length: bars.close.length }, (_, bar) => returns[bar - 1] ?? 0),
    first: 1
  }
}

export interface HindsightOptions {
  readonly costs: Costs
  readonly shorting: boolean
}

export interface Hindsight {
  /** Position (-1, 0, 1) to take after each bar. */
  readonly positions: Int8Array
  /** Growth of log wealth over all bars, begun flat. */
  readonly growth: number
}

/** The best positions over bars that are all known; among equals the one that trades nothing, then the flat one. */
export const hindsightPolicy = (bars: FillBars, { costs, shorting }: HindsightOptions): Hindsight => {
  const returns = fillReturns(bars)
  const length = bars.close.length
  const cost = oneWay(costs)
  const held = shorting ? [0, 1, -1] : [0, 1]
  /** Best growth from a bar on, by position before; and the position that gives it, [bars, 3]. */
  let after = [0, 0, 0]
  const best = new Int8Array(length * 3)
  for (let bar = length - 1; bar >= 0; bar--) {
    // What is decided after the last bar is filled nowhere.
    const earned = returns[bar + 1] ?? 0
    const now = [0, 0, 0]
    for (const before of held) {
      let most = Number.NEGATIVE_INFINITY
      for (const position of [before, ...held]) {
        const growth =
          Math.log1p(position * earned) +
          Math.log1p(-cost * Math.abs(position - before)) +
          (after[position + 1] as number)
        if (growth > most) {
          most = growth
          best[bar * 3 + before + 1] = position
        }
      }
      now[before + 1] = most
    }
    after = now
  }
  const positions = new Int8Array(length)
  let position = 0
  for (let bar = 0; bar < length; bar++) {
    position = best[bar * 3 + position + 1] as number
    positions[bar] = position
  }
  return { positions, growth: after[1] as number }
}
