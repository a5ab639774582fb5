/**
 * How good classifiers of sentences are that are chosen and fitted without the sentences they are judged by: nested
 * cross-validation, one outer fold at a time, and what the folds come to.
 *
 * What can go wrong: too few sentences of a class (TextRefused).
 * Invariants: a test sentence, and any that differs from it in numbers alone, takes no part in the vocabulary, the choice, the
 * fit or the temperature: not even in which of equally rare terms are kept, nor in the order of their columns.
 */
import { Either } from "effect"
import { accuracy, confusion, macroF1, meanLogLoss, topLabels } from "../evaluation/ClassMetrics.ts"
import type { OutcomesRefused } from "../evaluation/checks.ts"
import { reliability } from "../evaluation/Reliability.ts"
import type { Steps } from "../steps.ts"
import type { TextRefused } from "./errors.ts"
import { groupedFolds, partedBy } from "./GroupedFolds.ts"
import { logitsOf, softmaxInPlace } from "./LogisticRegression.ts"
import { type LabelledText, sentiments } from "./SentenceClassifier.ts"
import { type Selected, selectClassifier } from "./selectClassifier.ts"
import type { TermTable } from "./TermTable.ts"
import { type Vocabulary, weighedRows } from "./Vocabulary.ts"

const classes = sentiments.length
/** Of equal mass. */
export const calibrationBins = 10

/** What is gone through between two chances for others to run, about a millisecond each. */
const rowsPerStep = 500
const termsPerStep = 5_000

/** What was said of the sentences of one fold. */
export interface FoldResult {
  readonly rows: Int32Array
  /** [rows, classes] */
  readonly probabilities: Float64Array
  readonly selected: Selected
}

/** The folds of one repetition: which sentence is judged in which. */
export const outerFolds = (
  { groups, labels }: LabelledText,
  folds: number,
  seed: number
): Either.Either<Int32Array, TextRefused> => groupedFolds(groups, labels, { folds, key: ["sentiment", seed] })

/** Of each term of the table its column; -1 where it has none. */
function* columnsOf({ terms }: TermTable, vocabulary: Vocabulary): Steps<Int32Array> {
  const columns = new Map<string, number>()
  for (const [column, term] of vocabulary.terms.entries()) {
    columns.set(term, column)
    if (column % termsPerStep === 0) yield
  }
  const columnOf = new Int32Array(terms.length)
  for (const [id, term] of terms.entries()) {
    columnOf[id] = columns.get(term) ?? -1
    if (id % termsPerStep === 0) yield
  }
  return columnOf
}

export function* judgeFold(
  text: LabelledText,
  foldOf: Int32Array,
  fold: number,
  seed: number
): Steps<Either.Either<FoldResult, TextRefused>> {
  const { test, train } = partedBy(Int32Array.from(foldOf.keys()), foldOf, fold)
  const selection = yield* selectClassifier(text, train, ["sentiment", seed, fold])
  if (Either.isLeft(selection)) return Either.left(selection.left)
  const { classifier, selected } = selection.right
  const columnOf = yield* columnsOf(text.table, classifier.vocabulary)
  const asked = yield* weighedRows(text.table, test, { vocabulary: classifier.vocabulary, columnOf })
  const probabilities = new Float64Array(test.length * classes)
  const shares = new Float64Array(classes)
  for (let i = 0; i < test.length; i++) {
    logitsOf(classifier.linear, asked, i, shares)
    softmaxInPlace(shares)
    probabilities.set(shares, i * classes)
    if (i % rowsPerStep === 0) yield
  }
  return Either.right({ rows: test, probabilities, selected })
}

export interface Judged {
  readonly rows: number
  readonly accuracy: number
  readonly macroF1: number
  /** In nats. */
  readonly logLoss: number
  /** Of the confidence in the most probable class, in `calibrationBins` bins of equal mass. */
  readonly calibrationError: number
  /** [classes, classes]: rows are what is so, columns what was said. */
  readonly confusion: ReadonlyArray<number>
}

/** What some folds come to together. */
export const judge = (
  { labels }: LabelledText,
  results: ReadonlyArray<FoldResult>
): Either.Either<Judged, OutcomesRefused> =>
  Either.gen(function* () {
    const rows = results.flatMap((one) => [...one.rows])
    const truth = Uint8Array.from(rows, (row) => labels[row] as number)
    const said = Float64Array.from(results.flatMap(({ probabilities }) => [...probabilities]))
    const { confidence, correct, predicted } = yield* topLabels(said, truth, classes)
    const curve = yield* reliability(confidence, correct, { kind: "equal-mass", bins: calibrationBins })
    return {
      rows: rows.length,
      accuracy: yield* accuracy(predicted, truth, classes),
      macroF1: yield* macroF1(predicted, truth, classes),
      logLoss: yield* meanLogLoss(said, truth, classes),
      calibrationError: curve.expectedCalibrationError,
      confusion: [...(yield* confusion(predicted, truth, classes))]
    }
  })
