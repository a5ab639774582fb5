/**
 * The ten features of instruments that are followed together, of series of bars: a row for each bar, as-of by as-of.
 *
 * What can go wrong: series that cannot be followed together (ScheduleError).
 * Invariant: of a history that was cut off, all rows are the same.
 */
import { Either } from "effect"
import type { Steps } from "../../learning/steps.ts"
import { makeAsOfSchedule } from "../../market/AsOfSchedule.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import type { ScheduleError } from "../../market/errors.ts"
import { instrumentFeatureSchema, makeInstrumentFeatures } from "../../market/features/InstrumentFeatures.ts"
import { type FeatureTable, makeFeatureTable } from "./FeatureTable.ts"

const barsPerStep = 100

export function* instrumentFeatureTable(
  series: readonly [BarSeries, ...ReadonlyArray<BarSeries>]
): Steps<Either.Either<FeatureTable, ScheduleError>> {
  const schedule = makeAsOfSchedule(series)
  if (Either.isLeft(schedule)) return Either.left(schedule.left)
  yield
  const features = makeInstrumentFeatures(series.map(({ instrument }) => instrument.id))
  const table = makeFeatureTable(instrumentFeatureSchema, true)
  let since = 0
  for (const { asOf, bars } of schedule.right) {
    features.push(asOf, bars).forEach((vector, i) => {
      table.add(vector, bars[i]?.instrument)
    })
    since += bars.length
    if (since < barsPerStep) continue
    since = 0
    yield
  }
  return Either.right(table.finish())
}
