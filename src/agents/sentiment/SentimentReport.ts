/** How well classifiers did on sentences that they had not seen: what the folds of several cross-validations come to. */
import { Either } from "effect"
import type { OutcomesRefused } from "../../learning/evaluation/checks.ts"
import { type FoldResult, type Judged, judge } from "../../learning/text/crossValidate.ts"
import { type LabelledText, sentiments } from "../../learning/text/SentenceClassifier.ts"
import type { Metric } from "../../protocols/Model.ts"
import type { LabelledSentence } from "./SentenceFile.ts"

export interface Spread {
  readonly mean: number
  /** Of a sample; 0 for a single one. */
  readonly deviation: number
  readonly least: number
  readonly most: number
}

/** One cross-validation. */
export interface Repetition {
  readonly seed: number
  readonly folds: ReadonlyArray<FoldResult>
}

export interface SentimentReport {
  readonly sentences: number
  readonly groups: number
  /** Sentences of each class. */
  readonly classes: ReadonlyArray<number>
  /** What naming the most frequent class, or the shares of the classes, comes to. */
  readonly baseline: { readonly class: string; readonly accuracy: number; readonly logLoss: number }
  readonly accuracy: { readonly overFolds: Spread; readonly overSeeds: Spread }
  readonly macroF1: Spread
  readonly logLoss: Spread
  readonly calibrationError: Spread
  /** [classes][classes], summed over the repetitions: rows are what is so, columns what was said. */
  readonly confusion: ReadonlyArray<ReadonlyArray<number>>
  /** Of sentences on which so many percent of those who labelled them agreed, the most agreed on first. */
  readonly byAgreement: ReadonlyArray<{
    readonly agreement: number
    readonly sentences: number
    readonly accuracy: number
  }>
  /** What was tried within the training folds: mean log loss there, and how often it was chosen. */
  readonly tried: ReadonlyArray<{
    readonly blocks: ReadonlyArray<string>
    readonly penalty: number
    readonly logLoss: number
    readonly chosen: number
  }>
  readonly seeds: ReadonlyArray<number>
  readonly folds: number
}

const meanOf = (values: ReadonlyArray<number>) =>
  values.reduce((sum, value) => sum + value, 0) / values.length

export const spreadOf = (values: ReadonlyArray<number>): Spread => {
  const mean = meanOf(values)
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const deviation = values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1))
  return { mean, deviation, least: Math.min(...values), most: Math.max(...values) }
}

const baselineOf = (classes: ReadonlyArray<number>, sentences: number): SentimentReport["baseline"] => {
  const most = Math.max(...classes)
  const logLoss = classes.reduce((sum, count) => sum - (count / sentences) * Math.log(count / sentences), 0)
  return { class: sentiments[classes.indexOf(most)] as string, accuracy: most / sentences, logLoss }
}

const triedOf = (folds: ReadonlyArray<FoldResult>): SentimentReport["tried"] => {
  const [first] = folds
  return (first?.selected.tried ?? []).map(({ blocks, penalty }, i) => ({
    blocks,
    penalty,
    logLoss: meanOf(folds.map(({ selected }) => selected.tried[i]?.logLoss ?? Number.NaN)),
    chosen: folds.filter(
      ({ selected }) => selected.penalty === penalty && `${selected.blocks}` === `${blocks}`
    ).length
  }))
}

const byAgreementOf = (
  text: LabelledText,
  labelled: ReadonlyArray<LabelledSentence>,
  folds: ReadonlyArray<FoldResult>
): SentimentReport["byAgreement"] => {
  const width = sentiments.length
  const counts = new Map<number, { hits: number; said: number }>()
  for (const { probabilities, rows } of folds) {
    for (const [i, row] of rows.entries()) {
      const agreement = labelled[row]?.agreement ?? null
      if (agreement === null) continue
      const shares = probabilities.subarray(i * width, (i + 1) * width)
      const count = counts.get(agreement) ?? { hits: 0, said: 0 }
      if (shares.indexOf(Math.max(...shares)) === text.labels[row]) count.hits++
      count.said++
      counts.set(agreement, count)
    }
  }
  return [...counts]
    .sort(([a], [b]) => b - a)
    .map(([agreement, { hits, said }]) => ({
      agreement,
      sentences: labelled.filter((one) => one.agreement === agreement).length,
      accuracy: hits / said
    }))
}

/** @param repetitions at least one, each of all sentences */
export const sentimentReport = (
  text: LabelledText,
  labelled: ReadonlyArray<LabelledSentence>,
  repetitions: ReadonlyArray<Repetition>
): Either.Either<SentimentReport, OutcomesRefused> =>
  Either.gen(function* () {
    const all = repetitions.flatMap(({ folds }) => folds)
    const ofFolds: Array<Judged> = []
    for (const fold of all) ofFolds.push(yield* judge(text, [fold]))
    const ofSeeds: Array<Judged> = []
    for (const { folds } of repetitions) ofSeeds.push(yield* judge(text, folds))
    const spread = (of: (judged: Judged) => number) => spreadOf(ofSeeds.map(of))
    const sentences = text.labels.length
    const classes = sentiments.map((_, label) => text.labels.filter((one) => one === label).length)
    const width = sentiments.length
    return {
      sentences,
      groups: new Set(text.groups).size,
      classes,
      baseline: baselineOf(classes, sentences),
      accuracy: {
        overFolds: spreadOf(ofFolds.map(({ accuracy }) => accuracy)),
        overSeeds: spread(({ accuracy }) => accuracy)
      },
      macroF1: spread(({ macroF1 }) => macroF1),
      logLoss: spread(({ logLoss }) => logLoss),
      calibrationError: spread(({ calibrationError }) => calibrationError),
      confusion: sentiments.map((_, row) =>
        sentiments.map((_, column) =>
          ofSeeds.reduce((sum, { confusion }) => sum + (confusion[row * width + column] as number), 0)
        )
      ),
      byAgreement: byAgreementOf(text, labelled, all),
      tried: triedOf(all),
      seeds: repetitions.map(({ seed }) => seed),
      folds: repetitions[0]?.folds.length ?? 0
    }
  })

/** What goes into the file of the model. */
export const metricsOf = (report: SentimentReport): ReadonlyArray<Metric> => [
  { name: "accuracy", value: report.accuracy.overSeeds.mean },
  { name: "accuracy-fold-deviation", value: report.accuracy.overFolds.deviation },
  { name: "macro-f1", value: report.macroF1.mean },
  { name: "log-loss", value: report.logLoss.mean },
  { name: "calibration-error", value: report.calibrationError.mean },
  { name: "baseline-accuracy", value: report.baseline.accuracy },
  { name: "baseline-log-loss", value: report.baseline.logLoss }
]
