import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import {
  convertTrees,
  differenceMax,
  readXgboostFile,
  trialRows
} from "../../../src/agents/training/importXgboost.ts"
import { decode } from "../../../src/learning/onnx/OnnxFile.ts"
import type { TreeEnsemble } from "../../../src/learning/trees/TreeEnsemble.ts"
import { ensemble } from "../../learning/trees/forests.ts"
import { model, models, refusedModel } from "../../learning/trees/xgboostModels.ts"
import { bundled } from "../../support/bundle.ts"
import { temporaryDirectory } from "../../support/directory.ts"

const modelHost = Effect.map(bundled("src/agents/model-host/main.ts"), (script) => ({
  script,
  memoryBytesMax: 2 ** 30,
  runMsMax: 10_000
}))
const converted = (trees: TreeEnsemble) =>
  Effect.flatMap(modelHost, (options) => convertTrees("m.json", trees, options))

/** Reads these bytes as a file. */
const read = (bytes: string | Uint8Array) =>
  Effect.flatMap(temporaryDirectory, (folder) => {
    const path = join(folder, "model")
    writeFileSync(path, bytes)
    return readXgboostFile(path)
  })
const refusal = (bytes: string | Uint8Array) => Effect.map(Effect.flip(read(bytes)), ({ message }) => message)

describe("an XGBoost model that is imported", () => {
  it.scopedLive(
    "says under onnxruntime what its trees say, whatever its kind",
    () =>
      Effect.gen(function* () {
        const options = yield* modelHost
        for (const { json, name, ubj } of models) {
          const trees = yield* read(ubj)
          expect(yield* read(json), name).toEqual(trees)
          const { artefact, difference, rows } = yield* convertTrees(name, trees, options)
          expect(difference, name).toBeLessThan(differenceMax)
          expect(rows).toBe(256)
          const { graph, opsets } = Either.getOrThrow(decode(artefact))
          expect(graph.nodes[0]?.op).toBe("TreeEnsembleRegressor")
          expect(opsets.map(({ domain }) => domain)).toEqual(["", "ai.onnx.ml"])
        }
      }),
    60_000
  )

  it.scopedLive("is refused where float32 sums of its leaves are not what they come to in float64", () =>
    Effect.gen(function* () {
      const trees = ensemble([{ value: 1e8 }, { value: 1 }, { value: -1e8 }], { features: 1 })
      const { message } = yield* Effect.flip(converted(trees))
      expect(message).toMatch(
        /^The model m\.json cannot be used: onnxruntime's margins are 1\.0e\+0 from those of its trees, 0\.00001 is allowed\.$/
      )
    })
  )

  it.scopedLive("is refused by name where it is none, cut off, or of an unsupported kind", () =>
    Effect.gen(function* () {
      const whole = model("logistic")
      expect(yield* refusal("no model")).toContain("no XGBoost model can be read from it: not JSON")
      expect(yield* refusal("")).toContain("not JSON")
      expect(yield* refusal(`{"a":"\u0007\u001b[2J`)).not.toMatch(/\p{C}/u)
      expect(yield* refusal(whole.json.subarray(0, 700))).toContain("not JSON")
      expect(yield* refusal(whole.ubj.subarray(0, 700))).toContain("it ends in the middle of a value")
      expect(yield* refusal(refusedModel("gblinear"))).toContain('its booster "gblinear" is not supported')
      const { message } = yield* Effect.flip(readXgboostFile("/nowhere/model.json"))
      expect(message).toBe("The model /nowhere/model.json cannot be used: there is no such file.")
      expect(existsSync("/nowhere")).toBe(false)
      expect((yield* Effect.flip(readXgboostFile("/"))).message).toContain("it is a folder")
    })
  )
})

describe("trial rows", () => {
  const split = (threshold: number, feature: number) => ({
    feature,
    threshold,
    defaultLeft: true,
    left: { value: 1 },
    right: { value: 2 }
  })

  it("lie on thresholds, just below them and to both sides, and miss values", () => {
    const thresholds = [0.5, -3, 0, 1e30]
    const rows = trialRows(ensemble(thresholds.map(split), { features: 5 }))
    const column = (feature: number) => rows.filter((_, i) => i % 5 === feature)
    thresholds.forEach((threshold, feature) => {
      const values = column(feature)
      const at = Math.fround(threshold)
      expect(values).toContain(at)
      expect(values.some(Number.isNaN)).toBe(true)
      expect(values.some((value) => value > at)).toBe(true)
      // Nothing lies between the threshold and the greatest value below it.
      const below = values.reduce((most, value) => (value < at && value > most ? value : most), -Infinity)
      expect(Math.fround((below + at) / 2) === below || Math.fround((below + at) / 2) === at).toBe(true)
    })
    // A feature that no tree looks at has values as well.
    expect(new Set(column(4)).size).toBeGreaterThan(10)
  })

  it("are the same for equal trees, and fewer where there are many features", () => {
    const trees = ensemble([split(1, 0)], { features: 2 })
    expect(trialRows(trees)).toEqual(trialRows(trees))
    expect(trialRows(ensemble([split(1, 0)], { features: 100_000 })).length).toBe(10 * 100_000)
  })
})
