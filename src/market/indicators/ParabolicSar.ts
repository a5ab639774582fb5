/**
 * The parabolic stop and reverse: a stop that follows a trend faster and faster, and changes sides when touched.
 * Source: Wilder, New Concepts in Technical Trading Systems (1978), section II; where it begins is TA-Lib's choice.
 */
export interface SarOptions {
  /** Added to the acceleration at every new extreme, and where it begins. */
  readonly step: number
  readonly stepMax: number
}

/**
 * The stop at the bar, in the unit of the price; NaN at the first bar.
 *
 * The second bar decides the side: short if its low fell, and by more than its high rose, long otherwise. The
 * first stop is the first bar's low (long) or high (short). From bar to bar the stop goes `acceleration` of the
 * way to the extreme of the trend, but never into the range of the last two bars. When a bar reaches the stop
 * the trend turns: the extreme becomes the stop.
 */
export const parabolicSar = ({ step, stepMax }: SarOptions): ((high: number, low: number) => number) => {
  const stepFirst = Math.min(step, stepMax)
  let bars = 0
  let isLong = true
  let stop = Number.NaN
  let extreme = Number.NaN
  let acceleration = stepFirst
  let highBefore = Number.NaN
  let lowBefore = Number.NaN

  const begin = (high: number, low: number) => {
    const fall = lowBefore - low
    isLong = !(fall > 0 && fall > high - highBefore)
    extreme = isLong ? high : low
    stop = isLong ? lowBefore : highBefore
    // The range before the second bar does not hold back the stop: its own stands in for it.
    highBefore = high
    lowBefore = low
  }

  /** Out of the range of this bar and the one before, on the side on which the stop is. */
  const outside = (price: number, high: number, low: number): number =>
    isLong ? Math.min(price, lowBefore, low) : Math.max(price, highBefore, high)

  const advance = (high: number, low: number): number => {
    const isReached = isLong ? low <= stop : high >= stop
    if (isReached) {
      isLong = !isLong
      stop = outside(extreme, high, low)
      acceleration = stepFirst
      extreme = isLong ? high : low
    } else if (isLong ? high > extreme : low < extreme) {
      extreme = isLong ? high : low
      acceleration = Math.min(stepMax, acceleration + step)
    }
    const now = stop
    stop = outside(stop + acceleration * (extreme - stop), high, low)
    return now
  }

  return (high, low) => {
    bars++
    if (bars === 2) begin(high, low)
    const now = bars === 1 ? Number.NaN : advance(high, low)
    highBefore = high
    lowBefore = low
    return now
  }
}
