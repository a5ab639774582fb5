/**
 * Bars as questions, one at each as-of of each instrument, in time order: what the horizon's deviation and the hold
 * zone were known to be, and what came of it once the horizon was over. The same questions as the running system asks
 * (Features.ts, Label.ts): a network is trained on what it will be judged by.
 *
 * What can go wrong: nothing; bars too few for a row, or that do not move, give none.
 * Invariants: as-ofs never fall; everything but the outcome follows from bars up to the as-of; outcomes of which the
 * horizon is not over are NaN, their label none.
 */
import { sides } from "../../learning/ScoreCalibrator.ts"
import type { Steps } from "../../learning/steps.ts"
import { type BarSeries, closeTimeAt } from "../../market/BarSeries.ts"
import { type Costs, roundTrip } from "../../market/Costs.ts"
import { featureSchema, featuresAt, windowReturns } from "../../market/Features.ts"
import { bandOf, barsUntilMature, labelOf, labelReturn } from "../../market/Label.ts"

export interface QuestionRows {
  readonly instruments: ReadonlyArray<BarSeries>
  readonly rows: number
  /** Index of the instrument. */
  readonly instrument: Int32Array
  /** Index of the bar that closes at the as-of, within its instrument. */
  readonly bar: Int32Array
  /** Epoch milliseconds. */
  readonly asOf: Float64Array
  /** When the horizon is over. */
  readonly labelEnd: Float64Array
  /** Standard deviation of the horizon's log return. */
  readonly sigma: Float64Array
  /** Half the width of the hold zone. */
  readonly band: Float64Array
  /** Realised log return over sigma. */
  readonly z: Float64Array
  /** Index of the side that was right. */
  readonly label: Uint8Array
}

export interface QuestionOptions {
  /** Bars before the one of the as-of that a model needs. */
  readonly barsBefore: number
  readonly horizonBars: number
  readonly costs: Costs
  /** Whether only rows are given of which the outcome is known. */
  readonly matured: boolean
}

/** The label of a row whose horizon is not over. */
export const noLabel = 255

const barsPerStep = 1_000
const rowsPerStep = 5_000

/** Bars before the as-of that the question itself needs. */
export const questionBarsBefore = windowReturns

type Row = readonly [
  instrument: number,
  bar: number,
  asOf: number,
  labelEnd: number,
  sigma: number,
  band: number,
  z: number,
  label: number
]

export function* questionRows(
  instruments: ReadonlyArray<BarSeries>,
  { barsBefore, costs, horizonBars, matured }: QuestionOptions
): Steps<QuestionRows> {
  const cost = roundTrip(costs)
  const scratch = new Float64Array(featureSchema(0).names.length)
  const each: Array<ReadonlyArray<Row>> = []
  for (const [instrument, series] of instruments.entries()) {
    const { close, closeOnly, open } = series
    const needed = barsUntilMature(horizonBars, closeOnly)
    const bars = close.length
    const own: Array<Row> = []
    for (let bar = Math.max(barsBefore, questionBarsBefore); bar < (matured ? bars - needed : bars); bar++) {
      if (bar % barsPerStep === 0) yield
      const sigma = featuresAt(close, bar, 0, scratch) * Math.sqrt(horizonBars)
      if (!(sigma > 0)) continue
      const band = bandOf(cost, sigma)
      const isKnown = bar + needed < bars
      const entry = (closeOnly ? close : open)[bar + 1] as number
      const logReturn = isKnown ? labelReturn(entry, close[bar + needed] as number) : Number.NaN
      own.push([
        instrument,
        bar,
        closeTimeAt(series, bar),
        isKnown ? closeTimeAt(series, bar + needed) : Number.NaN,
        sigma,
        band,
        logReturn / sigma,
        isKnown ? sides.indexOf(labelOf(logReturn, band)) : noLabel
      ])
    }
    each.push(own)
    yield
  }
  return yield* columnsOf(instruments, yield* inTimeOrder(each))
}

/** Those of one instrument are in time order already. Of one as-of, in the order of the instruments. */
function* inTimeOrder(each: ReadonlyArray<ReadonlyArray<Row>>): Steps<ReadonlyArray<Row>> {
  let parts = each
  while (parts.length > 1) {
    const merged: Array<ReadonlyArray<Row>> = []
    for (let i = 0; i < parts.length; i += 2) {
      merged.push(yield* mergedRows(parts[i] as ReadonlyArray<Row>, parts[i + 1] ?? []))
    }
    parts = merged
  }
  return parts[0] ?? []
}

/** @param other of instruments behind all of the one's */
function* mergedRows(one: ReadonlyArray<Row>, other: ReadonlyArray<Row>): Steps<ReadonlyArray<Row>> {
  if (other.length === 0) return one
  const merged: Array<Row> = []
  for (let i = 0, j = 0; i < one.length || j < other.length; ) {
    if (merged.length % rowsPerStep === 0) yield
    const [left, right] = [one[i], other[j]]
    const isLeft = right === undefined || (left !== undefined && left[2] <= right[2])
    merged.push((isLeft ? one[i++] : other[j++]) as Row)
  }
  return merged
}

function* columnsOf(instruments: ReadonlyArray<BarSeries>, all: ReadonlyArray<Row>): Steps<QuestionRows> {
  const rows = all.length
  const integers = () => new Int32Array(rows)
  const numbers = () => new Float64Array(rows)
  const columns = {
    ...{ instrument: integers(), bar: integers(), asOf: numbers(), labelEnd: numbers() },
    ...{ sigma: numbers(), band: numbers(), z: numbers(), label: new Uint8Array(rows) }
  }
  for (let i = 0; i < rows; i++) {
    if (i % rowsPerStep === 0) yield
    const [instrument, bar, asOf, labelEnd, sigma, band, z, label] = all[i] as Row
    columns.instrument[i] = instrument
    columns.bar[i] = bar
    columns.asOf[i] = asOf
    columns.labelEnd[i] = labelEnd
    columns.sigma[i] = sigma
    columns.band[i] = band
    columns.z[i] = z
    columns.label[i] = label
  }
  return { instruments, rows, ...columns }
}

/** Some of the rows, by their index. */
export const pickRows = (rows: QuestionRows, indices: Uint32Array): QuestionRows => {
  const pick = <A extends Float64Array | Int32Array | Uint8Array>(values: A, into: A): A => {
    for (let i = 0; i < indices.length; i++) into[i] = values[indices[i] as number] as number
    return into
  }
  const numbers = (values: Float64Array) => pick(values, new Float64Array(indices.length))
  const integers = (values: Int32Array) => pick(values, new Int32Array(indices.length))
  return {
    instruments: rows.instruments,
    rows: indices.length,
    instrument: integers(rows.instrument),
    bar: integers(rows.bar),
    asOf: numbers(rows.asOf),
    labelEnd: numbers(rows.labelEnd),
    sigma: numbers(rows.sigma),
    band: numbers(rows.band),
    z: numbers(rows.z),
    label: pick(rows.label, new Uint8Array(indices.length))
  }
}
