/**
 * The last few values of a series, in a ring.
 *
 * What can go wrong: a size that is no whole number of values is thrown, as `PeriodInvalid`.
 * Invariant: the newest value stands in the slot of its number, counted from 0, modulo the size; sums that are
 * taken in the order of the slots depend on that.
 */
import { PeriodInvalid } from "./errors.ts"

const sizeMax = 100_000

/** The number of bars, if it is one. */
export const periodOf = (bars: number, barsMin = 1): number => {
  if (Number.isInteger(bars) && bars >= barsMin && bars <= sizeMax) return bars
  throw new PeriodInvalid({ bars: Number.isFinite(bars) ? bars : -1, barsMin, barsMax: sizeMax })
}

export interface LastValues {
  readonly size: number
  readonly push: (value: number) => void
  /** Values pushed so far, those that are gone among them. */
  readonly count: () => number
  readonly isFull: () => boolean
  /** The value `lag` pushes ago, 0 for the newest; below the size, and not more than there are. */
  readonly at: (lag: number) => number
  /** In the order in which they stand in the ring. */
  readonly slots: Float64Array
}

export const makeLastValues = (sizeBars: number): LastValues => {
  const size = periodOf(sizeBars)
  const slots = new Float64Array(size)
  let count = 0
  return {
    size,
    push: (value) => {
      slots[count % size] = value
      count++
    },
    count: () => count,
    isFull: () => count >= size,
    at: (lag) => slots[(count - 1 - lag) % size] as number,
    slots
  }
}

/** The largest of the values that are there. */
export const highest = (values: LastValues): number => {
  let best = values.at(0)
  for (let lag = Math.min(values.count(), values.size) - 1; lag > 0; lag--)
    best = Math.max(best, values.at(lag))
  return best
}

/** The smallest of the values that are there. */
export const lowest = (values: LastValues): number => {
  let best = values.at(0)
  for (let lag = Math.min(values.count(), values.size) - 1; lag > 0; lag--)
    best = Math.min(best, values.at(lag))
  return best
}
