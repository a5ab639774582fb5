/**
 * Sums of derivatives by bin, and the best way to split what they were summed over (Chen and Guestrin, XGBoost, 2016).
 *
 * A histogram holds for every bin of every feature the sum of the first and of the second derivatives of the rows in
 * it. Derivatives are rounded to a grid on which sums of float64 are exact (`gridOf`): in which order rows are summed,
 * and whether a sum was made of its rows or as the difference of two others, changes nothing, and an empty bin is 0.
 *
 * What can go wrong: nothing, on derivatives that are finite.
 * Invariant: over the bins of each feature the sums add up to those of all rows.
 */
import type { Steps } from "../steps.ts"
import type { FeatureBins } from "./FeatureBins.ts"

/** First derivative at 2 b, second one at 2 b + 1, b counting the bins of all features. */
export type GradientHistogram = Float64Array

/** Rows of a node one behind the other, their derivatives beside them. */
export interface RowGradients {
  readonly row: Int32Array
  readonly first: Float64Array
  readonly second: Float64Array
}

export interface SplitOptions {
  readonly minChildWeight: number
  readonly lambda: number
  readonly alpha: number
  readonly gamma: number
}

export interface Split {
  readonly gain: number
  readonly feature: number
  /** The last bin that goes left. */
  readonly bin: number
  readonly missingGoesLeft: boolean
  readonly leftFirst: number
  readonly leftSecond: number
}

/** Additions between two steps: a millisecond or two. */
const additionsPerStep = 500_000

/** Gains below this are rounding (XGBoost's `kRtEps`). */
const gainMin = 1e-6

/** The width of a grid on which sums of that many values of that size are exact: a power of 2. */
export const gridOf = (greatest: number, count: number): number =>
  greatest === 0
    ? 1
    : Math.max(Number.MIN_VALUE, 2 ** (Math.ceil(Math.log2(greatest)) + Math.ceil(Math.log2(count + 1)) - 51))

/** Adds the rows [begin, end) to a histogram, for the features named. */
export function* addRows(
  histogram: GradientHistogram,
  bins: FeatureBins,
  features: ArrayLike<number>,
  gradients: RowGradients,
  begin: number,
  end: number
): Steps<void> {
  let additions = 0
  for (let i = 0; i < features.length; i += 2) {
    const pair = [features[i] as number, features[i + 1] ?? -1] as const
    for (let from = begin; from < end; from += additionsPerStep) {
      const to = Math.min(end, from + additionsPerStep)
      addPair(histogram, bins, pair, gradients, from, to)
      additions += 2 * (to - from)
      if (additions >= additionsPerStep) {
        additions = 0
        yield
      }
    }
  }
}

/** Two features at a time, so that rows are read half as often; the second may be -1 for none. */
const addPair = (
  histogram: GradientHistogram,
  { codes, offsets, rows }: FeatureBins,
  [a, b]: readonly [number, number],
  { row, first, second }: RowGradients,
  begin: number,
  end: number
): void => {
  const columnA = a * rows
  const offsetA = offsets[a] as number
  if (b < 0) {
    for (let k = begin; k < end; k++) {
      const at = (offsetA + (codes[columnA + (row[k] as number)] as number)) << 1
      histogram[at] = (histogram[at] as number) + (first[k] as number)
      histogram[at + 1] = (histogram[at + 1] as number) + (second[k] as number)
    }
    return
  }
  const columnB = b * rows
  const offsetB = offsets[b] as number
  for (let k = begin; k < end; k++) {
    const at = row[k] as number
    const one = first[k] as number
    const two = second[k] as number
    const atA = (offsetA + (codes[columnA + at] as number)) << 1
    const atB = (offsetB + (codes[columnB + at] as number)) << 1
    histogram[atA] = (histogram[atA] as number) + one
    histogram[atA + 1] = (histogram[atA + 1] as number) + two
    histogram[atB] = (histogram[atB] as number) + one
    histogram[atB + 1] = (histogram[atB + 1] as number) + two
  }
}

/** The histogram of a node's other child. */
export const subtract = (histogram: GradientHistogram, child: GradientHistogram): void => {
  for (let i = 0; i < histogram.length; i++) {
    histogram[i] = (histogram[i] as number) - (child[i] as number)
  }
}

/** A sum of first derivatives as far as it is above the L1 penalty. */
const shrunk = (first: number, alpha: number): number =>
  first > alpha ? first - alpha : first < -alpha ? first + alpha : 0

/** The value that lowers the penalised loss most, before the learning rate; 0 where nothing speaks for any. */
export const leafValue = (first: number, second: number, options: SplitOptions): number => {
  const weight = second + options.lambda
  return weight > 0 ? -shrunk(first, options.alpha) / weight : 0
}

const score = (first: number, second: number, options: SplitOptions): number => {
  const sum = shrunk(first, options.alpha)
  return (sum * sum) / (second + options.lambda)
}

/**
 * The split that gains most, the first of equals; undefined where none gains at least gamma. Where nothing is missing
 * in the node, what is missing later goes to the heavier side.
 */
export const bestSplit = (
  histogram: GradientHistogram,
  bins: FeatureBins,
  features: ArrayLike<number>,
  first: number,
  second: number,
  options: SplitOptions
): Split | undefined => {
  const own = score(first, second, options)
  // Without weight a side has no rows, or none that count.
  const weightMin = Math.max(options.minChildWeight, Number.MIN_VALUE)
  let best: Split | undefined
  let gainBest = Math.max(options.gamma, gainMin)
  for (let i = 0; i < features.length; i++) {
    const feature = features[i] as number
    const offset = bins.offsets[feature] as number
    const cuts = (bins.cuts[feature] as Float32Array).length
    const missingCode = bins.missingCode[feature] as number
    const missingAt = (offset + missingCode) << 1
    const missingFirst = missingCode < 0 ? 0 : (histogram[missingAt] as number)
    const missingSecond = missingCode < 0 ? 0 : (histogram[missingAt + 1] as number)
    const isAnyMissing = missingFirst !== 0 || missingSecond !== 0
    let leftFirst = 0
    let leftSecond = 0
    for (let bin = 0; bin < cuts; bin++) {
      const at = (offset + bin) << 1
      leftFirst += histogram[at] as number
      leftSecond += histogram[at + 1] as number
      const directions = isAnyMissing ? 2 : 1
      for (let direction = 0; direction < directions; direction++) {
        const withFirst = direction === 0 ? leftFirst : leftFirst + missingFirst
        const withSecond = direction === 0 ? leftSecond : leftSecond + missingSecond
        const restSecond = second - withSecond
        if (withSecond < weightMin || restSecond < weightMin) continue
        const gain =
          score(withFirst, withSecond, options) + score(first - withFirst, restSecond, options) - own
        if (!(gain > gainBest || (best === undefined && gain === gainBest))) continue
        gainBest = gain
        const missingGoesLeft = directions === 2 ? direction === 1 : withSecond >= restSecond
        best = {
          gain,
          feature,
          bin,
          missingGoesLeft,
          leftFirst: withFirst,
          leftSecond: withSecond
        }
      }
    }
  }
  return best
}
