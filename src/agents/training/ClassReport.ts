/**
 * How often a classifier is right on rows that it has not learned from, beside always saying the class that was the most
 * frequent in what it has learned from; and of each class, how often it was right where it was said (precision), how
 * often it was said where it was right (recall), and F1, their harmonic mean.
 *
 * What can go wrong: labels or probabilities that are none (OutcomesRefused).
 */
import { Either } from "effect"
import { accuracy, confusion, macroF1, topLabels } from "../../learning/evaluation/ClassMetrics.ts"
import {
  type ComparisonTable,
  compareModels,
  type Judged
} from "../../learning/evaluation/ComparisonTable.ts"
import type { OutcomesRefused } from "../../learning/evaluation/checks.ts"
import type { Steps } from "../../learning/steps.ts"

export const frequentName = "most frequent class"

/** Of one class, on held-out rows. */
export interface ClassRow {
  readonly name: string
  readonly rows: number
  /** Null where it was never said. */
  readonly precision: number | null
  /** Null where it never was. */
  readonly recall: number | null
  /** Null where it neither was nor was said. */
  readonly f1: number | null
}

export interface ClassReport {
  /** Share of the rows of which the class was wrong, beside that of the most frequent class. */
  readonly errors: ComparisonTable
  readonly classes: ReadonlyArray<ClassRow>
}

export interface ClassForecasts {
  readonly model: string
  readonly names: ReadonlyArray<string>
  /** [rows, classes] */
  readonly probabilities: ArrayLike<number>
  /** Of the training rows; of classes that never were, too. */
  readonly counts: ArrayLike<number>
}

const judged = (
  model: string,
  predicted: Int32Array,
  labels: Uint8Array,
  classes: number
): Either.Either<Judged, OutcomesRefused> =>
  Either.gen(function* () {
    return {
      model,
      losses: Float64Array.from(labels, (label, i) => (predicted[i] === label ? 0 : 1)),
      metrics: [
        { name: "class-accuracy", value: yield* accuracy(predicted, labels, classes) },
        { name: "class-macro-f1", value: yield* macroF1(predicted, labels, classes) }
      ]
    }
  })

/** The first of the most frequent. */
const mostFrequent = (counts: ArrayLike<number>): number =>
  Array.from(counts).reduce((best, count, k) => (count > (counts[best] as number) ? k : best), 0)

const share = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole)

/** @param options overlap: see `judgeHeldOut` */
export function* judgeClasses(
  { counts, model, names, probabilities }: ClassForecasts,
  labels: Uint8Array,
  options: { readonly overlap: number; readonly seed: number }
): Steps<Either.Either<ClassReport, OutcomesRefused>> {
  const count = names.length
  const prepared = Either.gen(function* () {
    const { predicted } = yield* topLabels(probabilities, labels, count)
    const always = new Int32Array(labels.length).fill(mostFrequent(counts))
    return {
      counted: yield* confusion(predicted, labels, count),
      baseline: yield* judged(frequentName, always, labels, count),
      own: yield* judged(model, predicted, labels, count)
    }
  })
  if (Either.isLeft(prepared)) return Either.left(prepared.left)
  const { baseline, counted, own } = prepared.right
  const key = [options.seed, "held-out", "classes"]
  return Either.right({
    errors: yield* compareModels(baseline, [own], { overlap: options.overlap, key }),
    classes: names.map((name, k) => {
      const right = counted[k * count + k] as number
      let rows = 0
      let said = 0
      for (let other = 0; other < count; other++) {
        rows += counted[k * count + other] as number
        said += counted[other * count + k] as number
      }
      return {
        name,
        rows,
        precision: share(right, said),
        recall: share(right, rows),
        f1: share(2 * right, rows + said)
      }
    })
  })
}
