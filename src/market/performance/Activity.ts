/**
 * How much of the account was in the market, and how often it was turned over.
 *
 * Invariant: no number is NaN or infinite.
 */
import { checkEquity, livedPoints } from "./EquityCurve.ts"

export interface Exposure {
  /** Mean of the size, whichever side: 1 for all of the equity. */
  readonly gross: number
  /** Mean with its sign. */
  readonly net: number
  /** Share of the bars with a position. */
  readonly timeInMarket: number
}

/** @param exposure signed share of the equity, bar by bar; of no bars there is none */
export const exposureOf = (exposure: Float64Array): Exposure | null => {
  const bars = exposure.length
  let gross = 0
  let net = 0
  let inMarket = 0
  for (let i = 0; i < bars; i++) {
    const share = exposure[i] as number
    if (!Number.isFinite(share)) throw new RangeError(`the exposure of bar ${i} is ${share}`)
    gross += Math.abs(share)
    net += share
    if (share !== 0) inMarket++
  }
  return bars === 0 ? null : { gross: gross / bars, net: net / bars, timeInMarket: inMarket / bars }
}

/**
 * Value bought and sold in a year, as a multiple of the mean equity: going in and out of everything once a year is 2. Null
 * of no bars, and of an account that was worth nothing on average.
 *
 * @param traded value bought and sold over the curve, in quote units
 */
export const annualTurnover = (traded: number, equity: Float64Array, barsPerYear: number): number | null => {
  checkEquity(equity)
  if (!(traded >= 0 && Number.isFinite(traded))) throw new RangeError(`a value of ${traded} was traded`)
  const points = livedPoints(equity)
  const bars = points.length - 1
  let sum = 0
  for (let i = 0; i < points.length; i++) sum += points[i] as number
  const mean = sum / points.length
  return bars > 0 && mean > 0 ? (traded / mean) * (barsPerYear / bars) : null
}
