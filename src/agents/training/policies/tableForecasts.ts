/**
 * The Q-table on the same parts of the same bars: learned from the training part, calibrated on the validation rows as a policy
 * is, asked of the rows that were held out. The voter that a policy has to beat.
 *
 * What can go wrong: no instrument has bars to learn from, a row without a state, too few outcomes: null, and the comparison is
 * not made.
 */
import { Either } from "effect"
import type { Steps } from "../../../learning/steps.ts"
import { type BarSeries, closeTimeAt } from "../../../market/BarSeries.ts"
import {
  firstTableBar,
  type TableCourse,
  tableCourse,
  tableScore,
  trainTable
} from "../../reinforcement-learning/TableTraining.ts"
import type { Settings } from "../../Settings.ts"
import { calibrate, type Forecasts, forecastsOf } from "../HeldOut.ts"
import type { QuestionRows } from "../QuestionRows.ts"
import type { PolicyData } from "./PolicyData.ts"

/** Bars that an instrument has to have in the training part. */
const trainBarsMin = 20

const tableBars = (series: BarSeries) => ({
  openTimes: series.openTime,
  asOfs: Float64Array.from(series.openTime, (_, bar) => closeTimeAt(series, bar)),
  opens: series.open,
  closes: series.close,
  closeOnly: series.closeOnly
})

/** Undefined where a row has no state. */
const scoresOf = (
  rows: QuestionRows,
  courses: ReadonlyMap<number, TableCourse>,
  q: Float64Array
): Float64Array | undefined => {
  const scores = new Float64Array(rows.rows)
  for (let row = 0; row < rows.rows; row++) {
    const course = courses.get(rows.instrument[row] as number)
    const score = course === undefined ? undefined : tableScore(course, q, rows.bar[row] as number)
    if (score === undefined) return undefined
    scores[row] = score
  }
  return scores
}

export function* tableForecasts(
  { heldOut, series, trainedTo, validation }: PolicyData,
  settings: Settings,
  asOf: number
): Steps<Forecasts | null> {
  const courses = new Map<number, TableCourse>()
  for (const [i, one] of series.entries()) {
    const split = trainedTo[i] as number
    if (split - firstTableBar < trainBarsMin) continue
    const course = yield* tableCourse(one.instrument.kind, tableBars(one), split, settings.costs)
    if (course !== undefined) courses.set(i, course)
  }
  if (courses.size === 0) return null
  const q = yield* trainTable([...courses.values()], settings, asOf)
  const before = scoresOf(validation, courses, q)
  const after = scoresOf(heldOut, courses, q)
  if (before === undefined || after === undefined) return null
  const calibrator = yield* calibrate(before, validation)
  return Either.isLeft(calibrator) ? null : forecastsOf(calibrator.right, after, heldOut)
}
