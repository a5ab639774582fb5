/**
 * Features quantised for histograms: of each feature at most 256 bins, so that a value is a byte.
 *
 * Where a feature has no more distinct values than bins, each has its own; else cuts are set from the lowest value up
 * so that bins hold nearly equally many rows. A cut lies half-way between two values that were seen. A row is in the
 * first bin whose cut it is below; missing values have the last bin. A feature with missing values has a cut above all
 * values too (where float32 has a number above them), so that a split can tell the missing from the rest.
 *
 * What can go wrong: a value that is infinite as float32 comes back as RowRefused.
 * Invariants: x < cuts[b] (in float32) exactly where the code of x is at most b and x is not missing; codes do not
 * depend on the order of rows.
 */
import { Either } from "effect"
import { RowRefused } from "../errors.ts"
import type { Steps } from "../steps.ts"
import type { Rows } from "./TreeEnsemble.ts"

export const binsMax = 256

export interface FeatureBins {
  readonly rows: number
  readonly features: number
  /** Column after column: [features, rows]. */
  readonly codes: Uint8Array
  /** Ascending thresholds of each feature. */
  readonly cuts: ReadonlyArray<Float32Array>
  /** The code of what is missing, and with 1 added the number of bins, where some are; else -1. */
  readonly missingCode: Int32Array
  /** Where the bins of each feature begin among all, and at the end how many there are. */
  readonly offsets: Int32Array
}

export function* binFeatures(
  rows: Rows,
  features: number,
  featureNames: ReadonlyArray<string>,
  bins: number
): Steps<Either.Either<FeatureBins, RowRefused>> {
  const count = rows.length / features
  const codes = new Uint8Array(rows.length)
  const cuts: Array<Float32Array> = []
  const missingCode = new Int32Array(features).fill(-1)
  const offsets = new Int32Array(features + 1)
  const column = new Float32Array(count)
  for (let feature = 0; feature < features; feature++) {
    let present = 0
    for (let row = 0; row < count; row++) {
      const value = Math.fround(rows[row * features + feature] as number)
      if (Number.isNaN(value)) continue
      if (!Number.isFinite(value)) {
        const name = featureNames[feature] ?? `feature ${feature + 1}`
        return Either.left(new RowRefused({ row: row + 1, column: name, reason: `is ${value} as float32` }))
      }
      column[present++] = value
    }
    yield
    const isMissing = present < count
    const sorted = column.subarray(0, present).sort()
    const found = cutsOf(sorted, isMissing, bins)
    const last = sorted.at(-1)
    const valueBins = last === undefined ? 0 : codeOf(found, last) + 1
    yield
    for (let row = 0; row < count; row++) {
      const value = Math.fround(rows[row * features + feature] as number)
      codes[feature * count + row] = Number.isNaN(value) ? valueBins : codeOf(found, value)
    }
    if (isMissing) missingCode[feature] = valueBins
    cuts.push(found)
    offsets[feature + 1] = (offsets[feature] as number) + valueBins + (isMissing ? 1 : 0)
    yield
  }
  return Either.right({ rows: count, features, codes, cuts, missingCode, offsets })
}

/** How many cuts are not above the value. */
const codeOf = (cuts: Float32Array, value: number): number => {
  let low = 0
  let high = cuts.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((cuts[middle] as number) <= value) low = middle + 1
    else high = middle
  }
  return low
}

const greatestFloat32 = 3.4028234663852886e38

const cutsOf = (sorted: Float32Array, isMissing: boolean, bins: number): Float32Array => {
  const values: Array<number> = []
  const counts: Array<number> = []
  for (const value of sorted) {
    if (value === values.at(-1)) counts[counts.length - 1] = (counts.at(-1) as number) + 1
    else {
      values.push(value)
      counts.push(1)
    }
  }
  const cuts: Array<number> = []
  let binsLeft = isMissing ? bins - 1 : bins
  let rowsLeft = sorted.length
  let inBin = 0
  for (let i = 0; i + 1 < values.length && binsLeft > 1; i++) {
    inBin += counts[i] as number
    const fair = rowsLeft / binsLeft
    const isFull = inBin >= fair || inBin + (counts[i + 1] as number) - fair > fair - inBin
    if (!isFull && values.length - i - 1 >= binsLeft) continue
    cuts.push(between(values[i] as number, values[i + 1] as number))
    rowsLeft -= inBin
    inBin = 0
    binsLeft--
  }
  const last = values.at(-1)
  if (isMissing && last !== undefined) {
    const above = Math.fround(last + Math.abs(last) + 1e-5)
    if (last < greatestFloat32) cuts.push(Math.min(above, greatestFloat32))
  }
  return Float32Array.from(cuts)
}

/** Above the lower and not above the upper, whatever the rounding. */
const between = (lower: number, upper: number): number => {
  const middle = Math.fround((lower + upper) / 2)
  return middle > lower ? middle : upper
}
