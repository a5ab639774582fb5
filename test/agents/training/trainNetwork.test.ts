/** Classifiers from bars to a judged artefact, through the processes that train and serve them. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { evaluateModel } from "../../../src/agents/training/evaluateModel.ts"
import { checkModel } from "../../../src/agents/training/ModelFile.ts"
import { chooseNetwork, type NetworkChoice } from "../../../src/agents/training/NetworkChoice.ts"
import { predict } from "../../../src/agents/training/predictions.ts"
import { type Bars, readBars } from "../../../src/agents/training/readBars.ts"
import type { TrainedModel } from "../../../src/agents/training/TrainedModel.ts"
import { finish, learn, prepare } from "../../../src/agents/training/trainNetwork.ts"
import { renderHeldOut, verdictsOf } from "../../../src/cli/report/comparisons.ts"
import { renderTrainingReport } from "../../../src/cli/report/TrainingReport.ts"
import { describeClasses } from "../../../src/learning/ClassOpinion.ts"
import { decode } from "../../../src/learning/onnx/OnnxFile.ts"
import type { BarSeries } from "../../../src/market/BarSeries.ts"
import { candleClasses } from "../../../src/market/candles/CandleLabel.ts"
import { instrumentFeatureSchema } from "../../../src/market/features/InstrumentFeatures.ts"
import { strategyNames } from "../../../src/market/strategies/StrategyProfiles.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
import { writeBarFile } from "../../support/bars.ts"
import { bundled } from "../../support/bundle.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { settingsWith } from "../settings.ts"
import { simulatedSeries, timeFrame } from "./bars.ts"

const horizonBars = 2
const settings = settingsWith({ "run.seed": 3 })

const barsOf = (instruments: ReadonlyArray<BarSeries>): Bars => ({
  path: "bars.csv",
  digest: "d".repeat(64),
  timeFrame,
  instruments
})

const modelHost = Effect.map(bundled("src/agents/model-host/main.ts"), (script) => ({
  script,
  memoryBytesMax: 2 ** 30,
  runMsMax: 20_000
}))

const trained = (choice: NetworkChoice, bars: Bars) =>
  Effect.gen(function* () {
    const network = yield* chooseNetwork(choice, settings)
    const prepared = yield* prepare(bars, network, horizonBars, settings)
    const script = yield* bundled("src/agents/training-host/main.ts")
    const training = yield* learn(prepared, { folder: yield* temporaryDirectory, script })
    return yield* finish(prepared, yield* training.result, yield* modelHost)
  })

const metric = (
  {
    description
  }: { readonly description: { readonly metrics: ReadonlyArray<{ name: string; value: number }> } },
  name: string
) => description.metrics.find((one) => one.name === name)?.value ?? Number.NaN

/** What every trained classifier has to be. */
const expectSound = (
  { artefact, description, report }: Effect.Effect.Success<ReturnType<typeof trained>>,
  names: ReadonlyArray<string>
) => {
  const model = Either.getOrThrow(checkModel(artefact))
  expect(model.trained).toEqual(description)
  expect(Either.getOrThrow(describeClasses(Either.getOrThrow(decode(artefact))))).toEqual(names)
  expect(description.classes?.each.map(({ name }) => name)).toEqual(names)
  const rows = description.classes?.each ?? []
  expect(rows.reduce((sum, { trainingRows }) => sum + trainingRows, 0)).toBe(description.data.trainingRows)
  expect(rows.reduce((sum, { heldOutRows }) => sum + heldOutRows, 0)).toBe(report.rows)
  const html = renderTrainingReport({
    ...{ digest: sha256(artefact), parameters: 1, ended: "all epochs done" },
    ...{ model: description, heldOut: report }
  })
  for (const name of names) {
    expect(html).toContain(name)
    expect(renderHeldOut(report)).toContain(name)
  }
  expect(html).toContain("cross-entropy of the classes")
  expect(verdictsOf(report).at(-1)).toMatch(/the most frequent class/)
}

describe("a pattern recogniser that is trained on bars", () => {
  it.scopedLive(
    "sees the candles, clearly better than who says the most frequent one, and makes the same bytes again",
    () =>
      Effect.gen(function* () {
        const bars = barsOf(simulatedSeries({ bars: 6_000, instruments: 2, seed: 1 }))
        const choice: NetworkChoice = { model: "cnn", length: 14, width: 24, epochs: 15 }
        const network = yield* trained(choice, bars)
        expectSound(network, candleClasses)
        const { artefact, report } = network
        expect(report.classes?.errors.rows[1]?.verdict).toBe("beats the baseline")
        expect(metric(network, "class-accuracy")).toBeGreaterThan(
          metric(network, "frequent-class-accuracy") + 0.2
        )
        expect(metric(network, "class-macro-f1")).toBeGreaterThan(0.4)
        const again = yield* trained({ ...choice, epochs: 2 }, bars)
        const other = yield* trained({ ...choice, epochs: 2 }, bars)
        expect(Buffer.compare(again.artefact, other.artefact)).toBe(0)

        // The same rows, judged from the artefact alone.
        const model = { path: "m.onnx", digest: sha256(artefact), ...Either.getOrThrow(checkModel(artefact)) }
        const options = { horizonBars, settings, modelHost: yield* modelHost }
        const judged = yield* evaluateModel(model, bars, options)
        expect(judged.report.classes).toEqual(report.classes)
      }),
    60_000
  )

  it.effect("is refused closes alone, in one line, before anything is trained", () =>
    Effect.gen(function* () {
      const flat = simulatedSeries({ bars: 1_500 }).map((one) => ({
        ...one,
        ...{ open: one.close, high: one.close, low: one.close, volume: null, closeOnly: true }
      }))
      const network = yield* chooseNetwork({ model: "cnn" }, settings)
      const refusal = yield* Effect.flip(prepare(barsOf(flat), network, horizonBars, settings))
      expect(refusal.message).toBe(
        "The cnn cannot be trained: ALPHA has closes alone, and every bar without a body is a doji."
      )
    })
  )
})

describe("a recursive model that is trained on bars", () => {
  const choice: NetworkChoice = { model: "trm", width: 16, epochs: 3, batchRows: 16 }

  it.scopedLive(
    "is a judged opinion of strategies, and claims no edge in a world without one",
    () =>
      Effect.gen(function* () {
        const bars = barsOf(simulatedSeries({ bars: 1_500, world: "efficient", seed: 2 }))
        const model = yield* trained(choice, bars)
        expectSound(model, strategyNames)
        const { description, report } = model
        expect(report.sides.rows.at(-1)?.verdict).not.toBe("beats the baseline")
        expect(report.returns.rows.at(-1)?.verdict).not.toBe("beats the baseline")
        expect(description.sequence).toMatchObject({ features: "bars", length: 1 })
        // A profile is worth what its side is: that of the shorts less than nothing.
        const values = new Map(description.classes?.each.map(({ name, value }) => [name, value]))
        expect(values.get("short")).toBeLessThan(-0.3)
        expect(values.get("buy-and-hold")).toBeGreaterThan(0.3)
        expect(Math.abs(values.get("stand-aside") ?? 1)).toBeLessThan(0.2)
      }),
    60_000
  )
})

describe("a network that sees what instruments do together", () => {
  it.scopedLive(
    "says in its artefact how they were scaled, answers from it as it was judged, and in the same company alone",
    () =>
      Effect.gen(function* () {
        const path = join(yield* temporaryDirectory, "bars.csv")
        writeBarFile(path, { asOfs: 700, instruments: 3 })
        const bars = yield* readBars(path, settings)
        const network = yield* trained(
          { model: "mlp", features: "instruments", length: 3, width: 8, epochs: 2 },
          bars
        )
        const { artefact, description, report } = network
        const { scaling } = description.sequence
        expect(scaling?.schema).toEqual(instrumentFeatureSchema)
        expect(description.data.instruments).toEqual(bars.instruments.map(({ instrument }) => instrument.id))

        const model = { path: "m.onnx", digest: sha256(artefact), ...Either.getOrThrow(checkModel(artefact)) }
        expect(model.input).toEqual({
          kind: "sequence",
          features: "instruments",
          length: 3,
          standIns: scaling?.means
        })
        const options = { horizonBars, settings, modelHost: yield* modelHost }
        const judged = yield* evaluateModel(model, bars, options)
        // The artefact is float32, and was judged in float64.
        const lossOf = ({ sides }: typeof report) => sides.rows.at(-1)?.metrics[0]?.value as number
        expect(judged.report.rows).toBe(report.rows)
        expect(lossOf(judged.report)).toBeCloseTo(lossOf(report), 6)

        // What it says of an as-of does not change with what comes after it.
        const { lines } = yield* predict(model, path, options)
        const shorter = join(yield* temporaryDirectory, "bars.csv")
        const rows = readFileSync(path, "utf8").split("\n")
        writeFileSync(shorter, rows.slice(0, 1 + 3 * 400).join("\n"))
        const { lines: before } = yield* predict(model, shorter, options)
        expect(before.length).toBe(1 + 3 * (400 - 64))
        expect(lines.slice(0, before.length)).toEqual(before)

        const other = settingsWith({ "run.seed": 3, "marketData.symbols": "ALPHA,BRAVO" })
        const without = yield* readBars(path, other)
        const refusals = [
          yield* Effect.flip(evaluateModel(model, without, options)),
          yield* Effect.flip(predict(model, path, { ...options, settings: other })),
          yield* Effect.flip(evaluateModel({ ...model, trained: ofFewer(description) }, bars, options))
        ].map(({ message }) => message)
        for (const message of refusals.slice(0, 2)) {
          expect(message).toBe(
            `The model m.onnx cannot be used: its features look at 3 instruments together, and ${path} lacks csv:CHARLIE:other (--symbol chooses).`
          )
        }
        expect(description.sequence.calendar).toBe("always")
        const elsewhere = settingsWith({ "run.seed": 3, "marketData.calendar": "weekdays" })
        const onWeekdays = yield* Effect.flip(predict(model, path, { ...options, settings: elsewhere }))
        expect(onWeekdays.message).toBe(
          `The model m.onnx cannot be used: it was trained on the calendar always, and ${path} is read on weekdays (--market-data.calendar chooses).`
        )
        expect(refusals[2]).toContain("look at 2 instruments together, and")
        expect(refusals[2]).toContain("has csv:CHARLIE:other as well (--symbol chooses).")
      }),
    60_000
  )
})

const ofFewer = (model: TrainedModel): TrainedModel => ({
  ...model,
  data: { ...model.data, instruments: model.data.instruments.slice(0, 2) }
})
