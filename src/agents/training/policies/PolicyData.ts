/**
 * What a policy is made of and judged by: the questions at every as-of, parted by time (70% to learn from, 15% to calibrate
 * on, 15% held out), the features scaled by the first part alone, and the bars of that part as courses.
 *
 * What can go wrong: bars that cannot be followed together (ScheduleError), too few of them (TooFewBars), none that an
 * account can be counted over (CourseRefused).
 * Invariant: no course has a bar after the last label of the training part, and nothing later moves the scaling.
 */
import { Either } from "effect"
import type { Steps } from "../../../learning/steps.ts"
import type { BarSeries } from "../../../market/BarSeries.ts"
import type { Costs } from "../../../market/Costs.ts"
import { type Course, courseBarsMin, prepareCourse } from "../../../market/environment/Course.ts"
import type { CourseRefused } from "../../../market/environment/errors.ts"
import type { ScheduleError } from "../../../market/errors.ts"
import { type FeatureMatrix, featureMatrix } from "../../../market/features/FeatureMatrix.ts"
import {
  type FeatureScaling,
  fitFeatureScaling,
  scaleMatrix
} from "../../../market/features/FeatureScaling.ts"
import { barsUntilMature } from "../../../market/Label.ts"
import { TooFewBars } from "../errors.ts"
import { questionBarsBefore, questionRows } from "../QuestionRows.ts"
import { type Parts, partByTime, rowsMinFor } from "../TrainingSet.ts"

export type Panel = readonly [BarSeries, ...ReadonlyArray<BarSeries>]

export interface PolicyData extends Parts {
  readonly series: Panel
  readonly matrices: ReadonlyArray<FeatureMatrix>
  readonly scaling: FeatureScaling
  /** Of the training part, of the instruments that have enough of it. */
  readonly courses: ReadonlyArray<Course>
  /** Root mean square of their log returns from bar to bar. */
  readonly volatility: number
  /** First bar of each instrument after the training part. */
  readonly trainedTo: Int32Array
  /** When the last label of what was learned from or calibrated on ended, and as-of of the first row held out. */
  readonly knownTo: number
  readonly heldOutFrom: number
}

export interface PolicyDataOptions {
  readonly horizonBars: number
  readonly costs: Costs
}

/** For messages. */
const path = "the history of the run"

/** The bars of an instrument up to some bar, that one excluded. */
const upTo = (series: BarSeries, end: number) => {
  const close = series.close.subarray(0, end)
  return {
    openTime: series.openTime.subarray(0, end),
    open: series.closeOnly ? close : series.open.subarray(0, end),
    close,
    volume: series.volume?.subarray(0, end) ?? null,
    closeOnly: series.closeOnly
  }
}

/** Rows [from, to) of several matrices as one. */
const joined = (
  parts: ReadonlyArray<{ readonly features: FeatureMatrix; readonly from: number; readonly to: number }>
): FeatureMatrix => {
  const { names, schema } = (parts[0] as (typeof parts)[number]).features
  const width = names.length
  const rows = parts.reduce((sum, { from, to }) => sum + to - from, 0)
  const matrix = new Float32Array(rows * width)
  const asOf = new Float64Array(rows)
  let row = 0
  for (const { features, from, to } of parts) {
    matrix.set(features.matrix.subarray(from * width, to * width), row * width)
    asOf.set(features.asOf.subarray(from, to), row)
    row += to - from
  }
  return { schema, names, asOf, matrix, validFrom: 0 }
}

/** One step of log return, squared and summed. */
const squaresOf = ({ close }: BarSeries, from: number, to: number): number => {
  let squares = 0
  for (let bar = from + 1; bar < to; bar++) {
    squares += Math.log((close[bar] as number) / (close[bar - 1] as number)) ** 2
  }
  return squares
}

export function* policyData(
  series: Panel,
  options: PolicyDataOptions
): Steps<Either.Either<PolicyData, ScheduleError | TooFewBars | CourseRefused>> {
  const { costs, horizonBars } = options
  const made = yield* featureMatrix(series)
  if (Either.isLeft(made)) return Either.left(made.left)
  const matrices = made.right
  const needed = series.map(({ closeOnly }) => barsUntilMature(horizonBars, closeOnly))
  const after = Math.max(...needed)
  const barsBefore = Math.max(questionBarsBefore, ...matrices.map(({ validFrom }) => validFrom))
  const rows = yield* questionRows(series, { barsBefore, horizonBars, costs, matured: true })
  const rowsMin = rowsMinFor(after, series.length)
  const bars = Math.max(...series.map(({ close }) => close.length))
  const tooFew = (reason: string) => {
    const barsMin = barsBefore + 1 + after + Math.ceil(rowsMin / series.length)
    return Either.left(new TooFewBars({ path, bars, barsMin, reason }))
  }
  if (rows.rows < rowsMin) {
    return tooFew(`a horizon of ${horizonBars} bars, and ${rowsMin} rows, of which there are ${rows.rows}`)
  }
  const split = partByTime(rows)
  yield
  if (Either.isLeft(split)) return tooFew(split.left.message)
  const parts = split.right

  const trainedTo = new Int32Array(series.length)
  parts.training.bar.forEach((bar, i) => {
    const which = parts.training.instrument[i] as number
    trainedTo[which] = Math.max(trainedTo[which] as number, bar + (needed[which] as number) + 1)
  })
  const learning = series.flatMap((one, i) => {
    const features = matrices[i] as FeatureMatrix
    const to = trainedTo[i] as number
    return to - features.validFrom >= courseBarsMin ? [{ one, features, from: features.validFrom, to }] : []
  })
  if (learning.length === 0) return tooFew("no instrument has bars to learn from")
  const seen = joined(learning)
  const scaling = fitFeatureScaling(seen, { from: 0, to: seen.asOf.length })
  yield
  const courses: Array<Course> = []
  for (const { features, from, one, to } of learning) {
    const values = scaleMatrix(features, scaling).subarray(0, to * features.names.length)
    const course = prepareCourse({
      bars: upTo(one, to),
      features: { names: features.names, values, first: from },
      instrument: one.instrument,
      costs
    })
    if (Either.isLeft(course)) return Either.left(course.left)
    courses.push(course.right)
    yield
  }
  const squares = learning.reduce((sum, { from, one, to }) => sum + squaresOf(one, from, to), 0)
  const moves = learning.reduce((sum, { from, to }) => sum + to - from - 1, 0)
  return Either.right({
    ...parts,
    series,
    matrices,
    scaling,
    courses,
    volatility: Math.sqrt(squares / moves),
    trainedTo,
    knownTo: [...parts.training.labelEnd, ...parts.validation.labelEnd].reduce((a, b) => Math.max(a, b)),
    heldOutFrom: parts.heldOut.asOf[0] as number
  })
}
