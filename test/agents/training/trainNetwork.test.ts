/** Classifiers from bars to a judged artefact, through the processes that train and serve them. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { evaluateModel } from "../../../src/agents/training/evaluateModel.ts"
import { checkModel } from "../../../src/agents/training/ModelFile.ts"
import { chooseNetwork, type NetworkChoice } from "../../../src/agents/training/NetworkChoice.ts"
import type { Bars } from "../../../src/agents/training/readBars.ts"
import { finish, learn, prepare } from "../../../src/agents/training/trainNetwork.ts"
import { renderHeldOut, verdictsOf } from "../../../src/cli/report/comparisons.ts"
import { renderTrainingReport } from "../../../src/cli/report/TrainingReport.ts"
import { describeClasses } from "../../../src/learning/ClassOpinion.ts"
import { decode } from "../../../src/learning/onnx/OnnxFile.ts"
import type { BarSeries } from "../../../src/market/BarSeries.ts"
import { candleClasses } from "../../../src/market/candles/CandleLabel.ts"
import { strategyNames } from "../../../src/market/strategies/StrategyProfiles.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
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
