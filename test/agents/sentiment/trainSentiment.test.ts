import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import type { LabelledSentence } from "../../../src/agents/sentiment/SentenceFile.ts"
import { spreadOf } from "../../../src/agents/sentiment/SentimentReport.ts"
import { readTrainedSentiment } from "../../../src/agents/sentiment/TrainedSentiment.ts"
import { type SentimentProgress, trainSentiment } from "../../../src/agents/sentiment/trainSentiment.ts"
import { decode } from "../../../src/learning/onnx/OnnxFile.ts"
import { makeSentences } from "../../learning/text/sentences.ts"
import { bundled } from "../../support/bundle.ts"

const options = Effect.map(bundled("src/agents/model-host/main.ts"), (modelHost) => ({
  scripts: { modelHost },
  memoryBytesMax: 2 ** 30,
  runMsMax: 10_000
}))

const labelled: ReadonlyArray<LabelledSentence> = makeSentences(90).map((one, i) => ({
  ...one,
  agreement: i % 2 === 0 ? 100 : null
}))
const training = { folds: 3, repeats: 2, seed: 4 }

describe("a classifier of sentences that is trained", () => {
  it.scopedLive(
    "comes with its lineage, with a report over folds and seeds, and with the same bytes again",
    () =>
      Effect.gen(function* () {
        const told: Array<SentimentProgress> = []
        const tell = (progress: SentimentProgress) => Effect.sync(() => void told.push(progress))
        const own = yield* options
        const { artefact, checked, report, trained } = yield* trainSentiment(labelled, training, own, tell)
        expect(told.map(({ type }) => type)).toEqual([...Array.from({ length: 6 }, () => "fold"), "choosing"])
        expect(checked.sentences).toBe(90)
        expect(checked.difference).toBeLessThan(1e-6)

        expect(report.seeds).toEqual([4, 5])
        expect(report.folds).toBe(3)
        expect(report.classes).toEqual([30, 30, 30])
        expect(report.baseline.accuracy).toBeCloseTo(1 / 3, 12)
        expect(report.baseline.logLoss).toBeCloseTo(Math.log(3), 12)
        expect(report.accuracy.overSeeds.mean).toBeGreaterThan(0.8)
        expect(report.confusion.flat().reduce((sum, count) => sum + count, 0)).toBe(180)
        expect(report.byAgreement.map(({ agreement, sentences }) => [agreement, sentences])).toEqual([
          [100, 45]
        ])
        expect(report.tried.reduce((sum, { chosen }) => sum + chosen, 0)).toBe(6)

        const { metadata } = Either.getOrThrow(decode(artefact))
        expect(readTrainedSentiment(metadata)).toEqual(trained)
        expect(trained.data).toMatchObject({ sentences: 90, classes: [30, 30, 30] })
        expect(trained.metrics.find(({ name }) => name === "accuracy")?.value).toBe(
          report.accuracy.overSeeds.mean
        )
        expect(readTrainedSentiment(new Map([["training", "{}"]]))).toBeUndefined()

        const again = yield* trainSentiment(labelled, training, own, () => Effect.void)
        expect(again.artefact).toEqual(artefact)
        expect(again.report).toEqual(report)
      }),
    60_000
  )

  it.scopedLive("is refused where a class has too few different sentences", () =>
    Effect.gen(function* () {
      const own = yield* options
      const refusal = (sentences: ReadonlyArray<LabelledSentence>) =>
        Effect.map(
          Effect.flip(trainSentiment(sentences, training, own, () => Effect.void)),
          ({ message }) => message
        )
      const same = labelled.map((one) => (one.label === 2 ? { ...one, sentence: "Profit rose 3 %" } : one))
      expect(yield* refusal(same)).toBe(
        "The sentences cannot be learned from: 1 different sentences are positive, 10 of each class are needed."
      )
    })
  )
})

describe("a spread", () => {
  it("is that of a sample, and none of a single value", () => {
    expect(spreadOf([1, 3])).toEqual({ mean: 2, deviation: Math.SQRT2, least: 1, most: 3 })
    expect(spreadOf([5])).toEqual({ mean: 5, deviation: 0, least: 5, most: 5 })
  })
})
