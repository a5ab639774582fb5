/**
 * The market as one series: at each as-of the mean log return of the instruments whose bars came, all of equal weight, and
 * the market's volatility, the root of an exponentially weighted mean of their mean squared returns (weight 0.1, about
 * the last ten as-ofs; the plain mean while there are fewer).
 *
 * A bounded fold, changed in place. Invariants: as-ofs never fall (bars that fill a gap become known together); the columns
 * have one length.
 */

/** Observations that are kept: what the largest model of the regime is fitted on, and those since. */
export const observationsMax = 2_048
const slack = 256
const weightMin = 0.1
/** Of one return; a market that stands still has the logarithm of this. */
const varianceMin = 1e-16

export interface MarketSeries {
  readonly asOfs: Array<number>
  readonly returns: Array<number>
  /** Natural logarithm of the volatility of one bar. */
  readonly logVolatilities: Array<number>
  /** Observations since the beginning, those that are gone among them. */
  count: number
  variance: number
}

export const emptyMarket = (): MarketSeries => ({
  asOfs: [],
  returns: [],
  logVolatilities: [],
  count: 0,
  variance: 0
})

/** Takes in the log returns of the bars of one as-of; nothing where there are none, or where it is an earlier one. */
export const observe = (market: MarketSeries, asOf: number, logReturns: ReadonlyArray<number>): void => {
  const { asOfs, logVolatilities, returns } = market
  if (logReturns.length === 0 || asOf < (asOfs.at(-1) ?? Number.NEGATIVE_INFINITY)) return
  let [sum, squares] = [0, 0]
  for (const one of logReturns) {
    sum += one
    squares += one * one
  }
  market.count++
  const weight = Math.max(weightMin, 1 / market.count)
  market.variance += weight * (squares / logReturns.length - market.variance)
  asOfs.push(asOf)
  returns.push(sum / logReturns.length)
  logVolatilities.push(Math.log(Math.max(market.variance, varianceMin)) / 2)
  if (asOfs.length > observationsMax + slack) {
    for (const column of [asOfs, returns, logVolatilities]) column.splice(0, column.length - observationsMax)
  }
}

/** What had been observed at an as-of. */
export const observedAt = (market: MarketSeries, asOf: number) => {
  const later = market.asOfs.findIndex((one) => one > asOf)
  const end = later < 0 ? market.asOfs.length : later
  return {
    asOfs: market.asOfs.slice(0, end),
    returns: market.returns.slice(0, end),
    logVolatilities: market.logVolatilities.slice(0, end),
    /** Since the beginning. */
    count: market.count - (market.asOfs.length - end)
  }
}
