/**
 * Combinatorial purged cross-validation: the samples in N groups in time order, every k of them tested at once by what
 * was trained on the others (Lopez de Prado, Advances in Financial Machine Learning, 2018, section 12.4).
 *
 * C(N, k) splits test each group C(N - 1, k - 1) times, once for each of as many paths. A path is a backtest over all
 * samples, each group by another training; where one walk gives one Sharpe ratio, these give a distribution of them.
 *
 * A plan says which groups each split tests, and a fold is made of it when it is wanted: all of them together would hold
 * the samples as often as there are splits.
 *
 * What can go wrong: spans that are none (RowRefused); fewer samples than groups, too many splits, nothing left to train
 * on (SplitImpossible). Counts that make no split throw EvaluationInvalid.
 * Invariants: no training label touches a tested one, and the embargo after each test is kept; indices rise; a path has
 * each group once, and no two paths have it from the same split.
 */
import { Either } from "effect"
import type { RowRefused } from "../errors.ts"
import { combinationCount, combinations } from "./Combinations.ts"
import { checkCount } from "./checks.ts"
import { EvaluationInvalid, SplitImpossible } from "./errors.ts"
import { type IndexRange, indicesOf, partOf } from "./IndexRange.ts"
import { checkEmbargo, type LabelSpans, purgedTraining, refuseSpans } from "./LabelSpans.ts"
import type { Fold } from "./Splits.ts"

export interface CombinatorialOptions {
  readonly groups: number
  /** Groups that a split tests, fewer than there are. */
  readonly testGroups: number
}

export interface CombinatorialPlan {
  readonly samples: number
  /** Neighbours in time, of lengths that differ by one at most. */
  readonly groups: ReadonlyArray<IndexRange>
  /** Of each split the groups that it tests, rising. */
  readonly splits: ReadonlyArray<Uint32Array>
  /** Of each path, group by group, the split by which it is tested. */
  readonly paths: ReadonlyArray<Uint32Array>
}

/** More trainings than this nobody waits for. */
export const splitsMax = 10_000

export const combinatorialPlan = (
  samples: number,
  options: CombinatorialOptions
): Either.Either<CombinatorialPlan, SplitImpossible> => {
  const { groups, testGroups } = options
  checkCount("the number of groups", groups, 2)
  checkCount("the number of test groups", testGroups, 1)
  if (testGroups >= groups) {
    throw new EvaluationInvalid({
      part: "the number of test groups",
      reason: `is ${testGroups} of ${groups}`
    })
  }
  if (samples < groups) {
    return Either.left(new SplitImpossible({ samples, reason: `there are to be ${groups} groups` }))
  }
  const count = combinationCount(groups, testGroups)
  if (count > splitsMax) {
    const reason = `${testGroups} of ${groups} groups make ${count} splits, and ${splitsMax} are allowed`
    return Either.left(new SplitImpossible({ samples, reason }))
  }
  const splits = Array.from(combinations(groups, testGroups), (tested) => tested.slice())
  const paths = Array.from(
    { length: combinationCount(groups - 1, testGroups - 1) },
    () => new Uint32Array(groups)
  )
  const pathsBegun = new Uint32Array(groups)
  for (const [split, tested] of splits.entries()) {
    for (const group of tested) {
      const path = pathsBegun[group] as number
      ;(paths[path] as Uint32Array)[group] = split
      pathsBegun[group] = path + 1
    }
  }
  const parts = Array.from({ length: groups }, (_, group) => partOf(samples, groups, group))
  return Either.right({ samples, groups: parts, splits, paths })
}

/** What a split of the plan trains and tests on. */
export const combinatorialFold = (
  spans: LabelSpans,
  plan: CombinatorialPlan,
  split: number,
  embargoMs: number
): Either.Either<Fold, RowRefused | SplitImpossible> => {
  checkEmbargo(embargoMs)
  const { samples } = plan
  const tested = plan.splits[split]
  if (tested === undefined || spans.start.length !== samples) {
    const reason = `has ${plan.splits.length} splits of ${samples} samples, not split ${split} of ${spans.start.length}`
    throw new EvaluationInvalid({ part: "the plan", reason })
  }
  const refused = refuseSpans(spans)
  if (refused !== undefined) return Either.left(refused)
  const tests = Array.from(tested, (group) => plan.groups[group] as IndexRange)
  const train = purgedTraining(spans, tests, embargoMs)
  if (train.length === 0) {
    const reason = `after purging, nothing is left to train split ${split + 1} on`
    return Either.left(new SplitImpossible({ samples, reason }))
  }
  return Either.right({ train, test: Uint32Array.from(tests.flatMap((range) => [...indicesOf(range)])) })
}
