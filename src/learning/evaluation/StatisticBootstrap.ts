/**
 * Intervals of any statistics of a series that hangs together in time: the moving block bootstrap of BlockBootstrap.ts,
 * where that file has the mean of a difference.
 *
 * A resample is given as positions in the series, in blocks of neighbours, and a statistic is what the caller makes of
 * the rows at these positions. Several statistics are computed of the same resamples, and so are those of several series
 * in pairs: a difference of two Sharpe ratios is one statistic of the rows of both (Ledoit and Wolf, Robust Performance
 * Hypothesis Testing with the Sharpe Ratio, 2008).
 *
 * What can go wrong: too few rows (TooFewOutcomes). A statistic that is not finite for the rows as they are, or for one
 * resample, has no interval: it would be one of the resamples where it happens to be finite. The ends are moved by what
 * resampling does to the mean of the statistic; give statistics on a scale where that makes sense (the logarithm of what
 * is positive).
 * Invariant: equal keys, rows and statistics give the same intervals.
 */
import { Either } from "effect"
import type { TooFewOutcomes } from "../errors.ts"
import type { Steps } from "../steps.ts"
import {
  type BootstrapOptions,
  blockDraws,
  intervalAround,
  refuseBootstrap,
  resamplesDefault
} from "./BlockBootstrap.ts"

export interface StatisticInterval {
  readonly low: number
  readonly high: number
}

/** Rows that are drawn before others get their turn. */
const rowsPerStep = 20_000

/**
 * An interval for each number of what `statistics` gives, or null for one that was not finite.
 *
 * @param rows how many there are
 * @param statistics of the rows at these positions; the array is used again for the next resample
 */
export function* bootstrapStatistics(
  rows: number,
  statistics: (positions: Uint32Array) => ReadonlyArray<number>,
  options: BootstrapOptions
): Steps<Either.Either<ReadonlyArray<StatisticInterval | null>, TooFewOutcomes>> {
  const refused = refuseBootstrap(rows, options)
  if (refused !== undefined) return Either.left(refused)
  const { resamples = resamplesDefault } = options
  const positions = Uint32Array.from({ length: rows }, (_, i) => i)
  const observed = statistics(positions)
  const values = observed.map(() => new Float64Array(resamples))

  const draw = blockDraws(rows, options)
  let filled = 0
  const fill = (start: number, length: number) => {
    for (let i = 0; i < length; i++) positions[filled + i] = start + i
    filled += length
  }
  let rowsDrawn = 0
  for (let resample = 0; resample < resamples; resample++) {
    filled = 0
    draw(fill)
    const resampled = statistics(positions)
    for (const [i, column] of values.entries()) column[resample] = resampled[i] as number
    rowsDrawn += rows
    if (rowsDrawn >= rowsPerStep) {
      rowsDrawn = 0
      yield
    }
  }
  return Either.right(
    values.map((column, i) => {
      const value = observed[i] as number
      const isWhole = Number.isFinite(value) && column.every(Number.isFinite)
      return isWhole ? intervalAround(value, column, rows, options) : null
    })
  )
}
