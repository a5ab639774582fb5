import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { evaluateModel } from "../../../src/agents/training/evaluateModel.ts"
import { checkModel, type ModelFile } from "../../../src/agents/training/ModelFile.ts"
import type { Bars } from "../../../src/agents/training/readBars.ts"
import { emitLinear } from "../../../src/learning/LinearOpinion.ts"
import { decode, encode } from "../../../src/learning/onnx/OnnxFile.ts"
import { featureSchema } from "../../../src/market/Features.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { randomCalibrator } from "../../learning/opinions.ts"
import { bundled } from "../../support/bundle.ts"
import { settingsWith } from "../settings.ts"
import { simulatedSeries, timeFrame } from "./bars.ts"
import { artefactOf, trained } from "./models.ts"

const bars: Bars = {
  path: "bars.csv",
  digest: "0".repeat(64),
  timeFrame,
  instruments: simulatedSeries({ bars: 400, instruments: 2 })
}
const horizonBars = 3

const fileOf = (bytes: Uint8Array): ModelFile => ({
  path: "m.onnx",
  digest: sha256(bytes),
  ...Either.getOrThrow(checkModel(bytes))
})

const linear = (names: ReadonlyArray<string>, metadata: Readonly<Record<string, string>> = {}) =>
  fileOf(
    emitLinear({
      means: new Float64Array(names.length),
      deviations: new Float64Array(names.length).fill(1),
      coefficients: new Float64Array(names.length).fill(0.1),
      intercept: 0,
      calibrator: randomCalibrator(keyedRandom("linear")),
      featureNames: names,
      featureSchemaVersion: featureSchema(2).version,
      metadata
    })
  )

const evaluated = (model: ModelFile, of: Bars = bars) =>
  Effect.flatMap(bundled("src/agents/model-host/main.ts"), (script) =>
    evaluateModel(model, of, {
      horizonBars,
      settings: settingsWith(),
      modelHost: { script, memoryBytesMax: 2 ** 30, runMsMax: 10_000 }
    })
  )
const refusal = (...args: Parameters<typeof evaluated>) =>
  Effect.map(Effect.flip(evaluated(...args)), ({ message }) => message)

const rows = 2 * (400 - 64 - horizonBars)

describe("a model that is judged on bars", () => {
  it.scopedLive("of the linear forecaster is judged on all rows, beside the base rate in hindsight", () =>
    Effect.gen(function* () {
      const { report, seen } = yield* evaluated(linear(featureSchema(2).names))
      expect([report.rows, seen]).toEqual([rows, 0])
      expect(report.sides.rows.map(({ model }) => model)).toEqual(["base rate in hindsight", "linear"])
      expect(report.beside).toBeNull()
    })
  )

  it.scopedLive(
    "is judged on what came after its data alone, where its file says up to when it has learned",
    () =>
      Effect.gen(function* () {
        const asOf = bars.instruments[0]?.openTime[300] as number
        const { report, seen } = yield* evaluated(
          linear(featureSchema(2).names, { fitted_as_of: String(asOf) })
        )
        // The as-of of bar 299 is the open of bar 300.
        expect(report.rows).toBe(2 * (400 - horizonBars - 299))
        expect(report.rows + seen).toBe(rows)
        const ofTraining = { ...trained, horizonBars, data: { ...trained.data, heldOutFrom: asOf } }
        const network = yield* evaluated(fileOf(artefactOf(ofTraining)))
        expect(network.report.rows).toBe(report.rows)
        expect(network.report.sides.rows.map(({ model }) => model)).toEqual(["base rate", "mlp"])
        const late = linear(featureSchema(2).names, { fitted_as_of: String(Date.UTC(2030, 0, 1)) })
        expect(yield* refusal(late)).toMatch(
          /holds nothing to judge the model on: all of its 666 rows are from before 2030/
        )
      })
  )

  it.scopedLive("is refused where it cannot see these bars, or cannot be run", () =>
    Effect.gen(function* () {
      expect(yield* refusal(linear(["a", "b"]))).toContain("its features (a, b, …) cannot be made from bars")
      const minutes = { ...trained, timeFrame: TimeFrame.make("1m") }
      expect(yield* refusal(fileOf(artefactOf(minutes)))).toContain(
        "it was trained on bars of 1m, those in bars.csv are of 1h"
      )
      const few = { ...bars, instruments: simulatedSeries({ bars: 40 }) }
      expect(yield* refusal(linear(featureSchema(2).names), few)).toContain("has too few bars: 40")
      const model = Either.getOrThrow(
        decode(artefactOf({ ...trained, data: { ...trained.data, heldOutFrom: 0 } }))
      )
      const nodes = model.graph.nodes.map((node, i) => (i === 0 ? { ...node, op: "Nonsense" } : node))
      const unknown = yield* refusal(fileOf(encode({ ...model, graph: { ...model.graph, nodes } })))
      expect(unknown).toMatch(/^The model m\.onnx cannot be used: .*Nonsense/)
      expect(unknown).not.toContain("\n")
    })
  )
})
