/**
 * Samples in time order, parted for training and judging so that nothing is judged that could have been known.
 *
 * - `timeOrderedSplit`: one training, validation and test part.
 * - `walkForward`: test parts in a row, each after a training part that grows (expanding) or moves on (rolling).
 * - `purgedKFold`: every part is the test part once, and training uses both sides of it.
 * - several parts tested at once, in all combinations: CombinatorialSplits.ts.
 *
 * Purging takes from training every sample whose label span touches that of what is judged. The embargo is a span of
 * time that is kept free beside: where training comes before, its labels must have ended that long before the first
 * label of what is judged begins; in k-fold, as in the book, samples that begin within it after the last test label
 * has ended are left out (Lopez de Prado, Advances in Financial Machine Learning, 2018, chapter 7).
 *
 * What can go wrong: spans that are none (RowRefused); too few samples, or none left to train on after purging
 * (SplitImpossible). Shares and counts that make no split throw EvaluationInvalid.
 * Invariants: no training label touches a label of what is judged, and the embargo is kept; indices rise within every
 * part; in k-fold every sample is tested once; in a walk every sample from the first test on is tested once, and
 * training is always older than its test.
 */
import { Either } from "effect"
import type { RowRefused } from "../errors.ts"
import { checkCount } from "./checks.ts"
import { EvaluationInvalid, SplitImpossible } from "./errors.ts"
import { type IndexRange, indicesOf, partOf } from "./IndexRange.ts"
import { checkEmbargo, finishedBefore, type LabelSpans, purgedTraining, refuseSpans } from "./LabelSpans.ts"

type Split<A> = Either.Either<A, RowRefused | SplitImpossible>

/** Indices of samples, rising. */
export interface Fold {
  readonly train: Uint32Array
  readonly test: Uint32Array
}

export interface TimeOrderedSplit extends Fold {
  readonly validation: Uint32Array
}

export interface Shares {
  readonly train: number
  readonly test: number
}

/**
 * The first int(train * samples) samples train and the last int(test * samples) test, as the published forecasting
 * code counts; validation is what lies between.
 */
export const rangesByShare = (samples: number, shares: Shares) => {
  const { train, test } = shares
  if (!(train > 0 && test > 0 && train + test <= 1)) {
    throw new EvaluationInvalid({ part: "the shares", reason: `are ${train} and ${test}` })
  }
  const trainEnd = Math.trunc(train * samples)
  const testFirst = samples - Math.trunc(test * samples)
  return {
    train: { first: 0, end: trainEnd },
    validation: { first: trainEnd, end: testFirst },
    test: { first: testFirst, end: samples }
  }
}

export interface TimeOrderedOptions extends Shares {
  readonly embargoMs: number
}

/** Validation is purged against the test part as training is against validation. */
export const timeOrderedSplit = (spans: LabelSpans, options: TimeOrderedOptions): Split<TimeOrderedSplit> => {
  checkEmbargo(options.embargoMs)
  const refused = refuseSpans(spans)
  if (refused !== undefined) return Either.left(refused)
  const samples = spans.start.length
  const ranges = rangesByShare(samples, options)
  const firstStart = ({ first }: IndexRange) => spans.start[first] ?? Number.POSITIVE_INFINITY
  // A validation range that is empty begins where the test range does.
  const train = finishedBefore(spans, ranges.train, firstStart(ranges.validation), options.embargoMs)
  const validation = finishedBefore(spans, ranges.validation, firstStart(ranges.test), options.embargoMs)
  const test = indicesOf(ranges.test)
  for (const [name, part, wanted] of [
    ["training", train, true],
    ["validation", validation, ranges.validation.end > ranges.validation.first],
    ["test", test, true]
  ] as const) {
    if (wanted && part.length === 0) {
      return Either.left(new SplitImpossible({ samples, reason: `nothing is left for ${name}` }))
    }
  }
  return Either.right({ train, validation, test })
}

export interface WalkForwardOptions {
  /** Samples before the first test; in a rolling walk also the most that any training takes. */
  readonly trainLength: number
  /** Samples of a test, the last one may have fewer; also how far the walk goes on. */
  readonly testLength: number
  readonly window: "expanding" | "rolling"
  readonly embargoMs: number
}

export const walkForward = (spans: LabelSpans, options: WalkForwardOptions): Split<ReadonlyArray<Fold>> => {
  const { trainLength, testLength, window, embargoMs } = options
  checkEmbargo(embargoMs)
  checkCount("the training length", trainLength, 1)
  checkCount("the test length", testLength, 1)
  const refused = refuseSpans(spans)
  if (refused !== undefined) return Either.left(refused)
  const samples = spans.start.length
  if (samples <= trainLength) {
    return Either.left(
      new SplitImpossible({ samples, reason: `${trainLength} are to train before the first test` })
    )
  }
  const folds: Array<Fold> = []
  for (let first = trainLength; first < samples; first += testLength) {
    const before = { first: window === "rolling" ? first - trainLength : 0, end: first }
    const train = finishedBefore(spans, before, spans.start[first] as number, embargoMs)
    if (train.length === 0) return Either.left(nothingToTrain(samples, folds.length))
    folds.push({ train, test: indicesOf({ first, end: Math.min(samples, first + testLength) }) })
  }
  return Either.right(folds)
}

export interface PurgedKFoldOptions {
  readonly folds: number
  readonly embargoMs: number
}

/** The tests are neighbours in time, of lengths that differ by one at most. */
export const purgedKFold = (spans: LabelSpans, options: PurgedKFoldOptions): Split<ReadonlyArray<Fold>> => {
  const { folds, embargoMs } = options
  checkEmbargo(embargoMs)
  checkCount("the number of folds", folds, 2)
  const refused = refuseSpans(spans)
  if (refused !== undefined) return Either.left(refused)
  const samples = spans.start.length
  if (samples < folds) {
    return Either.left(new SplitImpossible({ samples, reason: `there are to be ${folds} folds` }))
  }
  const made: Array<Fold> = []
  for (let fold = 0; fold < folds; fold++) {
    const test = partOf(samples, folds, fold)
    const train = purgedTraining(spans, [test], embargoMs)
    if (train.length === 0) return Either.left(nothingToTrain(samples, fold))
    made.push({ train, test: indicesOf(test) })
  }
  return Either.right(made)
}

const nothingToTrain = (samples: number, fold: number) =>
  new SplitImpossible({ samples, reason: `after purging, nothing is left to train fold ${fold + 1} on` })
