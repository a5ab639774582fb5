import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { checkModel, type ModelFile } from "../../../src/agents/training/ModelFile.ts"
import { inputSchema } from "../../../src/agents/training/ModelInput.ts"
import {
  type QuantiseOptions,
  quantisationKey,
  quantiseModelFile,
  readQuantisedFrom
} from "../../../src/agents/training/quantiseModelFile.ts"
import type { Bars } from "../../../src/agents/training/readBars.ts"
import { type TrainedModel, trainedModelMetadata } from "../../../src/agents/training/TrainedModel.ts"
import { emitNetwork, networkManifest } from "../../../src/learning/NetworkOpinion.ts"
import { trainingDefaults } from "../../../src/learning/training/TrainingSpec.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { bundled } from "../../support/bundle.ts"
import { simulatedSeries, timeFrame } from "./bars.ts"
import { trained } from "./models.ts"

const bars: Bars = {
  path: "bars.csv",
  digest: "b".repeat(64),
  timeFrame,
  instruments: simulatedSeries({ bars: 500 })
}
const at = (bar: number) => bars.instruments[0]?.openTime[bar] as number

const input = { kind: "sequence", features: "returns", length: 32 } as const

/** A network of random weights that has learned from the first three hundred bars, as it says. */
const fileWith = (width = 64, changes: Partial<TrainedModel> = {}): ModelFile => {
  const { network, ...spec } = trainingDefaults({
    length: input.length,
    features: 1,
    body: { kind: "mlp", hidden: [width] },
    head: { kind: "regression", outputs: 1 }
  })
  const random = keyedRandom("quantised file", width)
  const description: TrainedModel = {
    ...trained,
    sequence: { ...trained.sequence, length: input.length },
    timeFrame,
    training: { ...spec, network },
    data: { ...trained.data, from: at(70), to: at(299), knownTo: at(304), heldOutFrom: at(310) },
    ...changes
  }
  const { names, version } = inputSchema(input)
  const bytes = emitNetwork({
    network,
    parameters: Float32Array.from({ length: networkManifest(network).size }, () => 0.2 * random.normal()),
    normalisation: { means: [0], deviations: [0.01] },
    calibrator: {
      outcomes: 100,
      sell: { intercept: 0, score: -0.4, band: 0.1 },
      buy: { intercept: 0, score: 0.4, band: 0.1 },
      scoreMax: 3,
      logBandMin: -2,
      logBandMax: 1,
      slope: 0.3,
      residualDeviation: 1
    },
    featureNames: names,
    featureSchemaVersion: version,
    metadata: trainedModelMetadata(description)
  })
  return { path: "m.onnx", digest: sha256(bytes), ...Either.getOrThrow(checkModel(bytes)) }
}

const quantised = (file: ModelFile, options: Partial<QuantiseOptions> = {}, of: Bars = bars) =>
  Effect.flatMap(bundled("src/agents/model-host/main.ts"), (script) =>
    quantiseModelFile(file, of, {
      kind: "static",
      lossIncreaseMax: 0.01,
      seed: 1,
      modelHost: { script, memoryBytesMax: 2 ** 30, runMsMax: 10_000 },
      ...options
    })
  )
const refusal = (...args: Parameters<typeof quantised>) =>
  Effect.map(Effect.flip(quantised(...args)), ({ message }) => message)

const cutTo = (bar: number, from = 0): Bars => ({
  ...bars,
  instruments: bars.instruments.map((series) => ({
    ...series,
    openTime: series.openTime.slice(from, bar),
    open: series.open.slice(from, bar),
    high: series.high.slice(from, bar),
    low: series.low.slice(from, bar),
    close: series.close.slice(from, bar),
    volume: series.volume?.slice(from, bar) ?? null
  }))
})

describe("a quantised model", () => {
  it.scopedLive.each(["static", "dynamic"] as const)(
    "by %s ranges is smaller, nearly says the same, and is still what it was, of whom it says it was made",
    (kind) =>
      Effect.gen(function* () {
        const file = fileWith()
        const made = yield* quantised(file, { kind })
        const model = Either.getOrThrow(checkModel(made.artefact))
        expect(model.trained).toEqual(file.trained)
        expect(model.input).toEqual(file.input)
        const { metadata, ...described } = model.description
        expect(described).toEqual({
          kind: file.description.kind,
          featureNames: file.description.featureNames,
          featureSchemaVersion: file.description.featureSchemaVersion
        })
        for (const [key, value] of file.description.metadata) expect(metadata.get(key)).toBe(value)
        // Bars from the 64th, the first with a deviation, to the 298th, whose close is the open of the next.
        expect(readQuantisedFrom(metadata)).toEqual({
          version: 1,
          kind,
          parent: file.digest,
          calibration: kind === "static" ? { data: bars.digest, rows: 235 } : null
        })
        expect(readQuantisedFrom(file.description.metadata)).toBeUndefined()

        const { judgement, moved } = made
        expect(made.artefact.length).toBeLessThan(0.8 * file.bytes.length)
        expect(judgement.after.bytes).toBe(made.artefact.length)
        // As-ofs from bar 309 on, whose close is the open of bar 310, but for the horizon of four at the end.
        expect(judgement.rows).toBe(500 - 309 - 4)
        expect(moved.score).toBeGreaterThan(0)
        expect(moved.score).toBeLessThan(0.1)
        expect(moved.probability).toBeGreaterThan(0)
        expect(Math.abs(judgement.lossIncrease)).toBeLessThan(moved.probability * 10)
        expect(judgement.interval?.high).toBeGreaterThan(judgement.lossIncrease)
        for (const { rows1, rows64 } of [made.latency.before, made.latency.after]) {
          for (const { medianMs, p99Ms } of [rows1, rows64]) expect(p99Ms).toBeGreaterThanOrEqual(medianMs)
        }
        expect((yield* quantised(file, { kind })).artefact).toEqual(made.artefact)
      }),
    30_000
  )

  it.scopedLive(
    "is refused where it is worse than it may be, and where that cannot be told",
    () =>
      Effect.gen(function* () {
        const reason = yield* refusal(fileWith(), { lossIncreaseMax: 0 })
        expect(reason).toMatch(
          /^"int8 static" is not taken, over 187 held-out rows: the log loss (grows by|may grow by up to) [\d.e-]+, more than the 0 allowed\.$/
        )
        const short = cutTo(400)
        expect(yield* refusal(fileWith(), {}, short)).toContain(
          "over 87 held-out rows: at least 100 rows are needed"
        )
        expect(yield* refusal(fileWith(), {}, cutTo(300))).toContain("holds nothing to judge the model on")
      }),
    30_000
  )

  it.scopedLive(
    "is not made of what has no large matrices, says too little, or does not fit the bars",
    () =>
      Effect.gen(function* () {
        expect(yield* refusal(fileWith(4))).toMatch(/cannot be quantised: none of its matrices can be/)
        const whole = fileWith()
        const { artefact } = yield* quantised(whole)
        const again = { ...whole, ...Either.getOrThrow(checkModel(artefact)), digest: sha256(artefact) }
        expect(again.description.metadata.has(quantisationKey)).toBe(true)
        expect(yield* refusal(again)).toBe("The model m.onnx cannot be used: it is quantised already.")
        expect(yield* refusal({ ...whole, trained: undefined })).toContain(
          "it does not say what it has learned from"
        )
        const minutes = fileWith(64, { timeFrame: TimeFrame.make("1m") })
        expect(yield* refusal(minutes)).toContain("it was trained on bars of 1m, those in bars.csv are of 1h")
        // Bars that begin where the held-out time does hold nothing that ranges may be taken from.
        const later = cutTo(500, 250)
        expect(yield* refusal(whole, {}, later)).toContain("it holds no rows of the time that the model")
        const { from } = yield* quantised(whole, { kind: "dynamic" }, later)
        expect(from.calibration).toBeNull()
      }),
    30_000
  )
})
