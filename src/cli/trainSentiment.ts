/**
 * `conclave train --model sentiment`: labelled sentences in, a classifier out, with its checksum and with what the same way of
 * choosing one came to on sentences that had not been seen.
 */
import { resolve } from "node:path"
import { Effect } from "effect"
import { readLabelled } from "../agents/sentiment/SentenceFile.ts"
import type { SentimentReport, Spread } from "../agents/sentiment/SentimentReport.ts"
import {
  type SentimentArtefact,
  type SentimentProgress,
  sentimentTrainingLimits,
  trainSentiment as trainOn
} from "../agents/sentiment/trainSentiment.ts"
import { checksumPath, writeModelFile } from "../agents/training/ModelFile.ts"
import { calibrationBins } from "../learning/text/crossValidate.ts"
import { sentiments } from "../learning/text/SentenceClassifier.ts"
import { monotonicMs } from "../runtime/MonotonicClock.ts"
import { UsageError } from "./errors.ts"
import { note, table, writeJson, writeLine } from "./output.ts"
import { checkOutput } from "./outputFile.ts"
import { builtScripts, modelHostOptions } from "./processes.ts"
import type { LoadedSettings } from "./settings.ts"

export interface TrainSentimentOptions {
  readonly data: string
  readonly output?: string
  readonly folds?: number
  readonly repeats?: number
  readonly json: boolean
}

/** The folds are those of the papers; a spread over fewer than three seeds says little. */
export const sentimentDefaults = { folds: 5, repeats: 3, output: "sentiment.onnx" } as const

const within = (name: string, value: number, least: number, most: number) =>
  Number.isInteger(value) && value >= least && value <= most
    ? Effect.void
    : new UsageError({ reason: `${name} ${value} is not between ${least} and ${most}.` })

const percent = (share: number) => `${(share * 100).toFixed(1)}%`
const accuracyOf = ({ deviation, least, mean, most }: Spread) =>
  `${percent(mean)} (deviation ${percent(deviation)}, ${percent(least)} to ${percent(most)})`

const told = (progress: SentimentProgress) =>
  progress.type === "choosing"
    ? note("conclave: choosing and fitting one on all sentences")
    : note(
        `conclave: fold ${progress.done} of ${progress.all} (seed ${progress.seed}): accuracy ${percent(progress.accuracy)}`
      )

const namesOf = (blocks: ReadonlyArray<string>) => blocks.join(" + ")

const rendered = ({ checked, report, trained }: SentimentArtefact): string => {
  const { accuracy, baseline, byAgreement, calibrationError, confusion, logLoss, macroF1, tried } = report
  const { blocks, penalty, temperature } = trained.configuration
  const seeds = `${report.seeds[0]} to ${report.seeds.at(-1)}`
  const classes = sentiments.map((name, i) => `${report.classes[i]} ${name}`).join(", ")
  return [
    `${report.sentences} sentences (${classes}), ${report.groups} of them different but for numbers`,
    "",
    `nested cross-validation, ${report.folds} folds, seeds ${seeds}:`,
    table([
      ["accuracy over folds", accuracyOf(accuracy.overFolds)],
      ["accuracy over seeds", accuracyOf(accuracy.overSeeds)],
      [`always ${baseline.class}`, percent(baseline.accuracy)],
      ["macro F1", macroF1.mean.toFixed(3)],
      ["log loss", `${logLoss.mean.toFixed(4)} (base rates ${baseline.logLoss.toFixed(4)})`],
      ["calibration error", `${calibrationError.mean.toFixed(4)} (${calibrationBins} bins of equal mass)`],
      ...byAgreement.map(({ accuracy: own, agreement, sentences }) => [
        `agreement ${agreement}`,
        `${percent(own)} of ${sentences}`
      ])
    ]),
    "",
    "what is so (rows) and what was said (columns), over all seeds:",
    table([
      ["", ...sentiments],
      ...confusion.map((row, i) => [sentiments[i] as string, ...row.map((count) => String(count))])
    ]),
    "",
    "tried within the training folds: log loss there, and how often it was chosen:",
    table(
      tried.map(({ blocks: own, chosen, logLoss: loss, penalty: strength }) => [
        namesOf(own),
        `penalty ${strength}`,
        loss.toFixed(4),
        String(chosen)
      ])
    ),
    "",
    `fitted on all: ${namesOf(blocks)}, penalty ${penalty}, temperature ${temperature.toFixed(3)}`,
    `checked: onnxruntime on ${checked.sentences} sentences, at most ${checked.difference.toExponential(1)} from float64`
  ].join("\n")
}

const jsonOf = (report: SentimentReport) => ({ ...report, labels: sentiments })

export const trainSentiment = ({ value: settings }: LoadedSettings, options: TrainSentimentOptions) =>
  Effect.gen(function* () {
    const now = yield* monotonicMs
    const startedAt = now()
    const { foldsMax, foldsMin, repeatsMax } = sentimentTrainingLimits
    const folds = options.folds ?? sentimentDefaults.folds
    const repeats = options.repeats ?? sentimentDefaults.repeats
    yield* within("--folds", folds, foldsMin, foldsMax)
    yield* within("--repeats", repeats, 1, repeatsMax)
    const output = resolve(options.output ?? sentimentDefaults.output)
    for (const path of [output, checksumPath(output)]) yield* checkOutput(path, [options.data])
    const scripts = yield* builtScripts
    const labelled = yield* readLabelled(options.data)
    const { memoryBytesMax, runMsMax } = modelHostOptions(settings, scripts)
    const made = yield* trainOn(
      labelled,
      { folds, repeats, seed: settings.run.seed },
      { scripts, memoryBytesMax, runMsMax },
      told
    )
    const digest = yield* writeModelFile(output, made.artefact)
    if (options.json) {
      return yield* writeJson({
        type: "sentiment-training",
        model: "sentiment",
        output,
        checksum: checksumPath(output),
        digest,
        bytes: made.artefact.length,
        trained: made.trained,
        report: jsonOf(made.report),
        checked: made.checked,
        wallTimeMs: Math.round(now() - startedAt)
      })
    }
    yield* writeLine(
      `${rendered(made)}\n\nmodel:   ${output} (${made.artefact.length} bytes)\nSHA-256: ${digest}`
    )
  })
