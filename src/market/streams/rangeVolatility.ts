/**
 * Variances of one bar's log return, estimated from bars. All take their bars as one window, oldest first, and give a
 * variance per bar.
 *
 * What can go wrong: too few bars throw. Invariant: nothing is below 0, and bars that do not move have a variance of 0.
 */
import type { Bar } from "../../protocols/Bar.ts"

const atLeast = (bars: ReadonlyArray<unknown>, least: number) => {
  if (bars.length < least) throw new RangeError(`a variance of ${bars.length} bars: ${least} are needed`)
}

const square = (value: number): number => value * value

/**
 * Of log returns over `horizonBars`, brought to one bar: the sample variance of overlapping sums around their mean,
 * divided by the horizon. At a horizon of 1 the usual estimator; at longer ones it is larger where moves go on and smaller
 * where they turn round (the variance ratio of Lo and MacKinlay, 1988). Overlapping sums of n returns are not
 * independent: (n - h + 1)(1 - h / n) takes the place of the number less one, as they have it.
 *
 * @param returns more than `horizonBars`
 */
export const closeToCloseVariance = (returns: Float64Array, horizonBars = 1): number => {
  const { length } = returns
  if (horizonBars < 1 || length <= horizonBars) {
    throw new RangeError(`${length} returns have no variance over ${horizonBars} bars`)
  }
  let total = 0
  for (const one of returns) total += one
  const mean = (total / length) * horizonBars
  let sum = 0
  for (let i = 0; i < horizonBars; i++) sum += returns[i] as number
  let squares = square(sum - mean)
  for (let i = horizonBars; i < length; i++) {
    sum += (returns[i] as number) - (returns[i - horizonBars] as number)
    squares += square(sum - mean)
  }
  const count = (length - horizonBars + 1) * (1 - horizonBars / length)
  return squares / (count * horizonBars)
}

/** Mean of ln(high / low)^2 / (4 ln 2). Source: Parkinson (1980). */
export const parkinsonVariance = (bars: ReadonlyArray<Bar>): number => {
  atLeast(bars, 1)
  let sum = 0
  for (const { high, low } of bars) sum += square(Math.log(high / low))
  return sum / (4 * Math.LN2 * bars.length)
}

/** Mean of ln(high / low)^2 / 2 - (2 ln 2 - 1) ln(close / open)^2. Source: Garman and Klass (1980). */
export const garmanKlassVariance = (bars: ReadonlyArray<Bar>): number => {
  atLeast(bars, 1)
  let sum = 0
  for (const { close, high, low, open } of bars) {
    sum += square(Math.log(high / low)) / 2 - (2 * Math.LN2 - 1) * square(Math.log(close / open))
  }
  // Within a bar ln(close / open)^2 <= ln(high / low)^2 and 2 ln 2 - 1 < 1/2: only rounding could go below.
  return Math.max(0, sum / bars.length)
}

/**
 * V(overnight) + k V(open to close) + (1 - k) RS, with the sample variances of ln(open / close before) and
 * ln(close / open), Rogers and Satchell's RS = mean of ln(high / close) ln(high / open) + ln(low / close) ln(low / open),
 * and k = 0.34 / (1.34 + (n + 1) / (n - 1)). Source: Yang and Zhang (2000).
 *
 * @param bars three at least: the first gives no more than its close
 */
export const yangZhangVariance = (bars: ReadonlyArray<Bar>): number => {
  atLeast(bars, 3)
  const count = bars.length - 1
  let [overnight, overnightSquares, within, withinSquares, range] = [0, 0, 0, 0, 0]
  for (let i = 1; i <= count; i++) {
    const { close, high, low, open } = bars[i] as Bar
    const jump = Math.log(open / (bars[i - 1] as Bar).close)
    const move = Math.log(close / open)
    overnight += jump
    overnightSquares += square(jump)
    within += move
    withinSquares += square(move)
    range += Math.log(high / close) * Math.log(high / open) + Math.log(low / close) * Math.log(low / open)
  }
  const sample = (sum: number, squares: number) => Math.max(0, squares - square(sum) / count) / (count - 1)
  const k = 0.34 / (1.34 + (count + 1) / (count - 1))
  return sample(overnight, overnightSquares) + k * sample(within, withinSquares) + ((1 - k) * range) / count
}
