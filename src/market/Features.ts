/**
 * The features of the baseline voters: a pure function of the last closes of one instrument, so that a history
 * cut off at the as-of gives the same as the whole one.
 *
 * With r the log returns of the window and v the root of their mean square:
 * - ret_k: the k-th last return over v;
 * - mom_m: the sum of the last m returns over v sqrt(m);
 * - vol_ratio: log of the root mean square of the last 16 returns over v.
 */
import type { FeatureSchema } from "../protocols/Model.ts"

/** Returns of the window; closes are one more. */
export const windowReturns = 64
export const windowCloses = windowReturns + 1

const momenta = [4, 8, 16, 32] as const
const shortReturns = 16
const version = 1

export const featureSchema = (lags: number): FeatureSchema => ({
  version,
  names: [
    ...Array.from({ length: lags }, (_, i) => `ret_${i + 1}`),
    ...momenta.map((bars) => `mom_${bars}`),
    "vol_ratio"
  ]
})

/**
 * Fills `out` with the features at the last of `windowCloses` closes, in the order of the schema. Gives the
 * standard deviation of one bar's log return, or 0 when nothing has moved and there are no features.
 */
export const featuresAt = (
  closes: ArrayLike<number>,
  end: number,
  lags: number,
  out: Float64Array
): number => {
  const first = end - windowReturns
  let squares = 0
  let shortSquares = 0
  for (let i = first + 1; i <= end; i++) {
    const change = Math.log((closes[i] as number) / (closes[i - 1] as number))
    squares += change * change
    if (i > end - shortReturns) shortSquares += change * change
  }
  const sigma = Math.sqrt(squares / windowReturns)
  if (!(sigma > 0)) return 0
  const last = closes[end] as number
  for (let k = 0; k < lags; k++) {
    const change = Math.log((closes[end - k] as number) / (closes[end - k - 1] as number))
    out[k] = change / sigma
  }
  momenta.forEach((bars, i) => {
    out[lags + i] = Math.log(last / (closes[end - bars] as number)) / (sigma * Math.sqrt(bars))
  })
  out[lags + momenta.length] = Math.log(
    Math.max(Math.sqrt(shortSquares / shortReturns), 1e-3 * sigma) / sigma
  )
  return sigma
}
