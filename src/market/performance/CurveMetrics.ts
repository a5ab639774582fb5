/**
 * What an equity curve came to, up to its end or to its ruin. Returns are simple, from bar to bar, and nothing is taken off
 * for a rate without risk.
 *
 * | measure | definition | after |
 * |---|---|---|
 * | total return | last equity / first - 1 | |
 * | annualised return | (1 + total return)^(bars a year / bars) - 1 | |
 * | volatility | deviation of the returns (n - 1) * sqrt(bars a year) | |
 * | Sharpe ratio | mean / deviation * sqrt(bars a year) | Sharpe (1994), Lo (2002) |
 * | Sortino ratio | mean / sqrt(mean of min(return, 0)^2) * sqrt(bars a year) | Sortino and Price (1994), target 0 |
 * | maximum drawdown | largest share of a peak that was lost | Magdon-Ismail and Atiya (2004) |
 * | Calmar ratio | annualised return / maximum drawdown | Young (1991), over the whole curve |
 * | skewness, kurtosis | m3 / m2^(3/2), m4 / m2^2 of the returns | |
 *
 * Null is where there is no such number: no bar at all; a ratio over nothing (no deviation, no bar that lost, no drawdown);
 * an annualised return that float64 does not hold. Ruin: the total return is what it is, -1 or less; the annualised one is
 * -1, for what is lost is not lost faster.
 *
 * What can go wrong: a curve that is none, and a year without bars, are thrown as RangeError.
 * Invariant: no number is NaN or infinite.
 */
import { drawdownsOf } from "./Drawdowns.ts"
import { checkEquity, isRuin, livedPoints, returnsOf } from "./EquityCurve.ts"
import { finiteOrNull, momentsOf } from "./Moments.ts"

export interface CurveMetrics {
  /** Returns that were measured. */
  readonly bars: number
  readonly ruined: boolean
  readonly totalReturn: number
  readonly annualisedReturn: number | null
  readonly volatility: number | null
  /** Annualised. */
  readonly sharpe: number | null
  /** Of single bars: what statistics of Sharpe ratios take. */
  readonly sharpePerBar: number | null
  readonly sortino: number | null
  readonly calmar: number | null
  /** 0 where the curve has never fallen. */
  readonly maximumDrawdown: number
  readonly skewness: number | null
  readonly kurtosis: number | null
}

const downsideOf = (returns: Float64Array): number => {
  let squares = 0
  for (let i = 0; i < returns.length; i++) squares += Math.min(0, returns[i] as number) ** 2
  return Math.sqrt(squares / returns.length)
}

export const measureCurve = (equity: Float64Array, barsPerYear: number): CurveMetrics => {
  checkEquity(equity)
  if (!(barsPerYear > 0 && Number.isFinite(barsPerYear))) {
    throw new RangeError(`${barsPerYear} bars a year`)
  }
  const points = livedPoints(equity)
  const returns = returnsOf(points)
  const bars = returns.length
  const last = points[bars] as number
  const growth = last / (points[0] as number)
  const ruined = isRuin(last)
  const { mean, deviation, skewness, kurtosis } = momentsOf(returns)
  const maximumDrawdown = drawdownsOf(points).deepest?.depth ?? 0
  const annualisedReturn = bars === 0 ? null : ruined ? -1 : finiteOrNull(growth ** (barsPerYear / bars) - 1)
  const perYear = Math.sqrt(barsPerYear)
  const sharpePerBar = deviation > 0 ? mean / deviation : null
  return {
    bars,
    ruined,
    totalReturn: growth - 1,
    annualisedReturn,
    volatility: bars < 2 ? null : finiteOrNull(deviation * perYear),
    sharpe: sharpePerBar === null ? null : sharpePerBar * perYear,
    sharpePerBar,
    sortino: bars === 0 ? null : finiteOrNull((mean / downsideOf(returns)) * perYear),
    calmar: annualisedReturn === null ? null : finiteOrNull(annualisedReturn / maximumDrawdown),
    maximumDrawdown,
    skewness,
    kurtosis
  }
}
