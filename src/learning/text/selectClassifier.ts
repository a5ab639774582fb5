/**
 * A classifier of the sentences given, chosen and fitted by them alone: what it looks at and its penalty are those of the
 * least log loss in a cross-validation within these sentences, and its temperature is fitted on what it said there of
 * sentences that it had not seen.
 *
 * What can go wrong: too few sentences of a class (TextRefused).
 * Invariants: nothing but the rows given is looked at; equal rows and keys give equal bits.
 */
import { Either } from "effect"
import type { Steps } from "../steps.ts"
import { TextRefused } from "./errors.ts"
import { groupedFolds, partedBy } from "./GroupedFolds.ts"
import { fitLogistic, type LinearClassifier, logitsOf } from "./LogisticRegression.ts"
import {
  cooled,
  fitLinear,
  type LabelledText,
  type SentenceClassifier,
  sentiments
} from "./SentenceClassifier.ts"
import type { BlockName } from "./SentenceTerms.ts"
import { fitTemperature, meanLossOf } from "./Temperature.ts"
import { fitVocabulary, weighedRows } from "./Vocabulary.ts"

/** What may be looked at. */
export const blockChoices: ReadonlyArray<ReadonlyArray<BlockName>> = [
  ["words"],
  ["words", "changes"],
  ["words", "characters", "changes"]
]
/** From the strongest on: the solution under one is where the search under the next begins. */
export const penalties = [3, 1, 0.3, 0.1] as const
const innerFolds = 3

export interface Tried {
  readonly blocks: ReadonlyArray<BlockName>
  readonly penalty: number
  /** Mean, in nats, on sentences that it was not fitted on; before its temperature. */
  readonly logLoss: number
}

export interface Selected extends Tried {
  readonly temperature: number
  readonly tried: ReadonlyArray<Tried>
}

export interface Selection {
  readonly classifier: SentenceClassifier
  readonly selected: Selected
}

const classes = sentiments.length

/** Logits [penalties][rows, classes] that were said by classifiers which had not seen the row. */
function* outOfFoldLogits(
  { labels, table }: LabelledText,
  rows: Int32Array,
  foldOf: Int32Array,
  blocks: ReadonlyArray<BlockName>
): Steps<ReadonlyArray<Float64Array>> {
  const logits = penalties.map(() => new Float64Array(rows.length * classes))
  const row = new Float64Array(classes)
  for (let fold = 0; fold < innerFolds; fold++) {
    const { test, train } = partedBy(rows, foldOf, fold)
    const places = Array.from(rows.keys()).filter((i) => foldOf[i] === fold)
    const known = yield* fitVocabulary(table, train, blocks)
    const seen = yield* weighedRows(table, train, known)
    const asked = yield* weighedRows(table, test, known)
    const own = Uint8Array.from(train, (i) => labels[i] as number)
    let start: LinearClassifier | undefined
    for (const [p, penalty] of penalties.entries()) {
      start = yield* fitLogistic(seen, own, { classes, penalty, ...(start === undefined ? {} : { start }) })
      for (const [i, place] of places.entries()) {
        logitsOf(start, asked, i, row)
        logits[p]?.set(row, place * classes)
      }
    }
  }
  return logits
}

/** @param key of the random order of the cross-validation */
export function* selectClassifier(
  text: LabelledText,
  rows: Int32Array,
  key: ReadonlyArray<string | number>
): Steps<Either.Either<Selection, TextRefused>> {
  const labels = Uint8Array.from(rows, (row) => text.labels[row] as number)
  const groups = Array.from(rows, (row) => text.groups[row] as string)
  const folds = groupedFolds(groups, labels, { folds: innerFolds, key: [...key, "selection"] })
  if (Either.isLeft(folds)) return Either.left(folds.left)
  const tried: Array<Tried> = []
  let best: { readonly tried: Tried; readonly logits: Float64Array } | undefined
  for (const blocks of blockChoices) {
    const logits = yield* outOfFoldLogits(text, rows, folds.right, blocks)
    for (const [p, penalty] of penalties.entries()) {
      const said = logits[p] as Float64Array
      const one = { blocks, penalty, logLoss: yield* meanLossOf(said, labels, classes, 1) }
      tried.push(one)
      if (best === undefined || one.logLoss < best.tried.logLoss) best = { tried: one, logits: said }
    }
  }
  if (best === undefined) throw new RangeError("There is nothing to choose from.")
  const temperature = yield* fitTemperature(best.logits, labels, classes)
  const fitted = yield* fitLinear(text, rows, best.tried)
  if (fitted.vocabulary.terms.length === 0) {
    return Either.left(new TextRefused({ reason: "no term occurs in two of them" }))
  }
  const classifier = { ...fitted, linear: cooled(fitted.linear, temperature) }
  return Either.right({ classifier, selected: { ...best.tried, temperature, tried } })
}
