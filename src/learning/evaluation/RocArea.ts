/**
 * The area under the ROC curve: the probability that a score of class 1 is above one of class 0, ties counted half
 * (Hanley and McNeil, 1982), by the ranks of the scores (Mann and Whitney, 1947) in O(n log n).
 *
 * What can go wrong: unequal lengths, scores that are not finite, labels other than 0 and 1 (RowRefused), nothing to
 * judge (TooFewOutcomes), one class alone (OneClassOnly).
 * Invariant: counted in whole numbers, so that the only rounding is that of the last division. Exact for less than
 * 60 million outcomes.
 */
import { Either } from "effect"
import { type OutcomesRefused, refuseLabels, refuseNone, refuseNumbers } from "./checks.ts"
import { OneClassOnly } from "./errors.ts"

export const rocArea = (
  scores: ArrayLike<number>,
  labels: ArrayLike<number>
): Either.Either<number, OutcomesRefused | OneClassOnly> => {
  const n = labels.length
  const refused = refuseNone(n) ?? refuseNumbers("score", scores, n) ?? refuseLabels("label", labels, n, 2)
  if (refused !== undefined) return Either.left(refused)

  const order = Uint32Array.from({ length: n }, (_, i) => i)
  order.sort((a, b) => (scores[a] as number) - (scores[b] as number))
  let positives = 0
  let doubledRanks = 0
  for (let start = 0, end = 0; start < n; start = end) {
    const score = scores[order[start] as number]
    let positivesHere = 0
    for (; end < n && scores[order[end] as number] === score; end++) {
      if (labels[order[end] as number] === 1) positivesHere++
    }
    // Equal scores share the mean of their ranks start + 1 .. end.
    doubledRanks += positivesHere * (start + 1 + end)
    positives += positivesHere
  }
  const negatives = n - positives
  if (positives === 0 || negatives === 0) {
    return Either.left(new OneClassOnly({ outcomes: n, label: positives === 0 ? 0 : 1 }))
  }
  return Either.right((doubledRanks - positives * (positives + 1)) / (2 * positives * negatives))
}
