/**
 * How much the instruments of a panel move together: the mean Pearson correlation over all pairs of them, of their log
 * returns over the last `window` as-ofs. Between -1 / (n - 1) and 1.
 *
 * With z the returns of an instrument in the window, less their mean, scaled to length 1, the correlation of a pair is the
 * product of its two z; so that the sum over all pairs is (|sum of all z|^2 - n) / 2, which takes n x window steps
 * instead of n^2 x window.
 *
 * An instrument takes part if it has a return at every as-of of the window and has moved in it.
 * Invariant: the value depends on the last `window` returns alone, to the last bit.
 */
import { periodOf } from "../indicators/LastValues.ts"
import { WidthUnfit } from "./errors.ts"
import type { FeatureValue } from "./FeatureValue.ts"

/** Below this share of the sum of squares, what is left about the mean is rounding. */
const movedMin = 1e-24

export interface PanelCorrelation {
  /** Takes the returns of an as-of, NaN where an instrument has none. */
  readonly push: (returns: ArrayLike<number>) => FeatureValue
}

export const makePanelCorrelation = (instruments: number, windowAsOfs: number): PanelCorrelation => {
  const window = periodOf(windowAsOfs, 2)
  /** [window, instruments], a ring. */
  const ring = new Float64Array(window * instruments)
  const sums = new Float64Array(window)
  let count = 0
  return {
    push: (returns) => {
      if (returns.length !== instruments) {
        throw new WidthUnfit({ what: "A row of returns", width: returns.length, expected: instruments })
      }
      const newest = count % window
      ring.set(returns, newest * instruments)
      count++
      if (count < window) return "warming-up"
      sums.fill(0)
      let taking = 0
      for (let i = 0; i < instruments; i++) {
        // From the oldest return to the newest, so that the sums do not depend on where the ring begins.
        let total = 0
        let squares = 0
        for (let t = 1; t <= window; t++) {
          const value = ring[((newest + t) % window) * instruments + i] as number
          total += value
          squares += value * value
        }
        const mean = total / window
        let centred = 0
        for (let t = 1; t <= window; t++) {
          const value = ring[((newest + t) % window) * instruments + i] as number
          centred += (value - mean) * (value - mean)
        }
        // A return that is NaN fails the comparison.
        if (!(centred > movedMin * squares)) continue
        const length = Math.sqrt(centred)
        taking++
        for (let t = 1; t <= window; t++) {
          const value = ring[((newest + t) % window) * instruments + i] as number
          sums[t - 1] = (sums[t - 1] as number) + (value - mean) / length
        }
      }
      if (taking < 2) return "undefined"
      let together = 0
      for (const sum of sums) together += sum * sum
      return Math.min(1, (together - taking) / (taking * (taking - 1)))
    }
  }
}
