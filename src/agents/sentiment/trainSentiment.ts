/**
 * Labelled sentences to a judged classifier: nested cross-validation says how good this way of choosing one is, then one is
 * chosen and fitted on all sentences, and onnxruntime is asked whether it says what the classifier says in float64.
 *
 * What can go wrong: too few sentences of a class (TextRefused), a model that onnxruntime runs otherwise (SentimentFailed).
 * Invariants: equal sentences, folds and seeds give the same bytes; the same sentences in another order other folds.
 */
import { Effect, Either } from "effect"
import { judge, judgeFold, outerFolds } from "../../learning/text/crossValidate.ts"
import { TextRefused } from "../../learning/text/errors.ts"
import {
  type LabelledText,
  sentenceProbabilities,
  sentiments
} from "../../learning/text/SentenceClassifier.ts"
import { emitSentenceModel } from "../../learning/text/SentenceModel.ts"
import { sentenceGroup } from "../../learning/text/SentenceTerms.ts"
import { selectClassifier } from "../../learning/text/selectClassifier.ts"
import { makeTermTable } from "../../learning/text/TermTable.ts"
import type { Metric } from "../../protocols/Model.ts"
import { contentHash } from "../../protocols/wire/Json.ts"
import { stepwise } from "../../runtime/breathe.ts"
import { SentimentFailed } from "./errors.ts"
import type { LabelledSentence } from "./SentenceFile.ts"
import { metricsOf, type Repetition, type SentimentReport, sentimentReport } from "./SentimentReport.ts"
import { checkSentenceModel, type SentenceModelOptions, startSentenceModel } from "./sentenceModelChild.ts"
import { type TrainedSentiment, trainedSentimentMetadata } from "./TrainedSentiment.ts"

export const sentimentTrainingLimits = { foldsMin: 2, foldsMax: 10, repeatsMax: 20 } as const

/** Different sentences of each class: a third of what is left of them beside a fold has to be some. */
const groupsPerClassMin = 10
/** Sentences that both are asked. */
const checkedMax = 256
/** Of a probability in float32. */
export const differenceMax = 1e-5

export interface SentimentTraining {
  readonly folds: number
  /** Cross-validations, each with a seed of its own: `seed`, `seed + 1`, ... */
  readonly repeats: number
  readonly seed: number
}

export type SentimentProgress =
  | {
      readonly type: "fold"
      readonly seed: number
      readonly fold: number
      readonly accuracy: number
      readonly done: number
      readonly all: number
    }
  | { readonly type: "choosing" }

export interface SentimentArtefact {
  readonly artefact: Uint8Array
  readonly trained: TrainedSentiment
  readonly report: SentimentReport
  /** How far onnxruntime was from float64, at most, and on how many sentences. */
  readonly checked: { readonly sentences: number; readonly difference: number }
}

const labelledText = (labelled: ReadonlyArray<LabelledSentence>): Effect.Effect<LabelledText, TextRefused> =>
  Effect.gen(function* () {
    const table = yield* yield* stepwise(makeTermTable(labelled.map(({ sentence }) => sentence)))
    const labels = Uint8Array.from(labelled, ({ label }) => label)
    const groups = labelled.map(({ sentence }) => sentenceGroup(sentence))
    for (const [label, name] of sentiments.entries()) {
      const own = new Set(groups.filter((_, i) => labels[i] === label)).size
      if (own < groupsPerClassMin) {
        const reason = `${own} different sentences are ${name}, ${groupsPerClassMin} of each class are needed`
        return yield* new TextRefused({ reason })
      }
    }
    return { table, labels, groups }
  })

/** Results of a few folds are never refused: they are distributions with labels. */
const sound = Either.getOrThrowWith(
  (refused: { readonly message: string }) => new RangeError(refused.message)
)

const repetition = (
  text: LabelledText,
  { folds }: SentimentTraining,
  seed: number,
  tell: (fold: number, accuracy: number) => Effect.Effect<void>
): Effect.Effect<Repetition, TextRefused> =>
  Effect.gen(function* () {
    const foldOf = yield* outerFolds(text, folds, seed)
    const results = yield* Effect.forEach(
      Array.from({ length: folds }, (_, fold) => fold),
      (fold) =>
        Effect.gen(function* () {
          const result = yield* yield* stepwise(judgeFold(text, foldOf, fold, seed))
          yield* tell(fold, sound(judge(text, [result])).accuracy)
          return result
        })
    )
    return { seed, folds: results }
  })

export const trainSentiment = (
  labelled: ReadonlyArray<LabelledSentence>,
  training: SentimentTraining,
  options: SentenceModelOptions,
  tell: (progress: SentimentProgress) => Effect.Effect<void>
): Effect.Effect<SentimentArtefact, TextRefused | SentimentFailed> =>
  Effect.gen(function* () {
    const { folds, repeats, seed } = training
    const text = yield* labelledText(labelled)
    const seeds = Array.from({ length: repeats }, (_, i) => seed + i)
    let done = 0
    const repetitions = yield* Effect.forEach(seeds, (own) =>
      repetition(text, training, own, (fold, accuracy) =>
        tell({ type: "fold", seed: own, fold, accuracy, done: ++done, all: folds * repeats })
      )
    )
    const report = sound(sentimentReport(text, labelled, repetitions))

    yield* tell({ type: "choosing" })
    const everything = Int32Array.from(text.labels.keys())
    const { classifier, selected } = yield* yield* stepwise(
      selectClassifier(text, everything, ["sentiment", seed, "all"])
    )
    const { blocks, penalty, temperature } = selected
    const [negative = 0, neutral = 0, positive = 0] = report.classes
    const trained: TrainedSentiment = {
      version: 1,
      data: {
        digest: contentHash(labelled.map(({ label, sentence }) => [sentence, label])),
        sentences: labelled.length,
        groups: report.groups,
        classes: [negative, neutral, positive]
      },
      configuration: { blocks, penalty, temperature },
      folds,
      seeds,
      metrics: [...metricsOf(report)] satisfies ReadonlyArray<Metric>
    }
    const artefact = emitSentenceModel(classifier, trainedSentimentMetadata(trained))
    const terms = yield* Either.mapLeft(
      checkSentenceModel(artefact),
      (reason) => new SentimentFailed({ scorer: "that was trained", reason })
    )

    const some = labelled.slice(0, checkedMax).map(({ sentence }) => sentence)
    const said = yield* startSentenceModel(
      { bytes: artefact, path: "that was trained", terms },
      options
    ).pipe(
      Effect.flatMap((ask) => ask(some)),
      Effect.scoped
    )
    const wanted = sentenceProbabilities(classifier)
    let difference = 0
    for (const [i, sentence] of some.entries()) {
      const row = wanted(sentence)
      for (const [k, name] of sentiments.entries()) {
        const apart = Math.abs((said[i]?.[name] ?? Number.NaN) - (row[k] as number))
        // NaN is no agreement.
        difference = Math.max(difference, Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart)
      }
    }
    if (difference > differenceMax) {
      const reason = `onnxruntime's probabilities are ${difference.toExponential(1)} from those in float64, ${differenceMax} is allowed`
      return yield* new SentimentFailed({ scorer: "that was trained", reason })
    }
    return { artefact, trained, report, checked: { sentences: some.length, difference } }
  })
