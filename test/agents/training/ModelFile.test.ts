import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import {
  checkModel,
  checksumPath,
  readModelFile,
  writeModelFile
} from "../../../src/agents/training/ModelFile.ts"
import { inputSchema } from "../../../src/agents/training/ModelInput.ts"
import { readTrainedModel } from "../../../src/agents/training/TrainedModel.ts"
import { emitLinear } from "../../../src/learning/LinearOpinion.ts"
import { decode, encode, type ModelProto } from "../../../src/learning/onnx/OnnxFile.ts"
import { featureSchema } from "../../../src/market/Features.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { randomCalibrator } from "../../learning/opinions.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { artefactOf, artefactOfAll, input, inputOfAll, trained, trainedOnAll } from "./models.ts"

const file = Effect.map(temporaryDirectory, (folder) => join(folder, "model.onnx"))
const written = Effect.tap(file, (path) => writeModelFile(path, artefactOf()))
const refusal = (path: string) => Effect.map(Effect.flip(readModelFile(path)), ({ message }) => message)

const linear = (names: ReadonlyArray<string>) =>
  emitLinear({
    means: new Float64Array(names.length),
    deviations: new Float64Array(names.length).fill(1),
    coefficients: new Float64Array(names.length),
    intercept: 0,
    calibrator: randomCalibrator(keyedRandom("linear")),
    featureNames: names,
    featureSchemaVersion: featureSchema(3).version
  })

const changed = (change: (model: ModelProto) => ModelProto) =>
  checkModel(encode(change(Either.getOrThrow(decode(artefactOf())))))
const reason = (either: ReturnType<typeof checkModel>) => Either.getOrThrow(Either.flip(either))

describe("the file of a model", () => {
  it.scoped("gives back what was written, and how the model sees bars", () =>
    Effect.gen(function* () {
      const path = yield* written
      const model = yield* readModelFile(path)
      expect(Buffer.from(model.bytes).equals(artefactOf())).toBe(true)
      expect(model.input).toEqual(input)
      expect(model.trained).toEqual(trained)
      expect(model.description.kind).toBe("network-mlp")
      expect(readFileSync(checksumPath(path), "utf8")).toBe(`${model.digest}  model.onnx\n`)
    })
  )

  it.scoped("is refused when it is not what was written, and taken without a checksum beside it", () =>
    Effect.gen(function* () {
      const path = yield* written
      const bytes = readFileSync(path)
      // A weight, not the structure: as ONNX it is as sound as before.
      const at = bytes.indexOf(Buffer.from(Float32Array.of(-0.25).buffer))
      const place = at >= 0 ? at : bytes.length >> 1
      bytes[place] = (bytes[place] as number) ^ 1
      writeFileSync(path, bytes)
      expect(yield* refusal(path)).toMatch(
        /its checksum is [0-9a-f]{12}…, .*model\.onnx\.sha256 says [0-9a-f]{12}…\.$/
      )
      const other = yield* file
      writeFileSync(other, artefactOf())
      expect((yield* readModelFile(other)).trained).toEqual(trained)
    })
  )

  it.scoped("is refused in one line whatever else it is", () =>
    Effect.gen(function* () {
      const path = yield* file
      expect(yield* refusal(path)).toBe(`The model ${path} cannot be used: there is no such file.`)
      writeFileSync(path, "no model\n".repeat(100))
      expect(yield* refusal(path)).toContain("it is no readable ONNX")
      writeFileSync(path, artefactOf().subarray(0, 300))
      expect(yield* refusal(path)).toContain("it is no readable ONNX")
      writeFileSync(path, "")
      expect(yield* refusal(path)).not.toContain("\n")
      mkdirSync(`${path}.d`)
      expect(yield* refusal(`${path}.d`)).toMatch(/cannot be used: it is a folder|EISDIR/)
      writeFileSync(path, new Uint8Array(64 * 2 ** 20))
      appendFileSync(path, "more")
      expect(yield* refusal(path)).toMatch(/it has \d+ bytes, \d+ are allowed/)
    })
  )

  it("is refused where its operator set cannot be run", () => {
    const opset = (domain: string, version: number) =>
      changed((model) => ({ ...model, opsets: [{ domain, version }] }))
    expect(reason(opset("", 99))).toBe("it is of opset 99, those from 7 to 26 can be run")
    expect(reason(opset("", 6))).toContain("opset 6")
    expect(reason(opset("com.example", 1))).toContain("the operator set com.example")
    expect(Either.isRight(opset("", 18))).toBe(true)
  })

  it("is refused where it does not answer as opinion models do, or does not see what it says", () => {
    const without = changed((model) => ({
      ...model,
      graph: { ...model.graph, outputs: model.graph.outputs.slice(1) }
    }))
    expect(reason(without)).toContain('its output "probabilities" is not float [N, 3]')
    const wider = { ...trained, sequence: { ...trained.sequence, length: 6 } }
    expect(reason(checkModel(artefactOf(wider)))).toBe(
      "its 5 columns are not 6 bars of the features of returns"
    )
    const newer = { ...trained, sequence: { ...trained.sequence, version: 2 } }
    expect(reason(checkModel(artefactOf(newer)))).toContain("version 2 of the features of returns")
  })

  it("says what stands in for features that may be absent, and is refused where it does not", () => {
    const model = Either.getOrThrow(checkModel(artefactOfAll()))
    expect(model.input).toEqual(inputOfAll)
    expect(model.trained).toEqual(trainedOnAll)
    const { scaling, ...sequence } = trainedOnAll.sequence
    const silent = /^it does not say what stands in for features of instruments that are absent$/
    expect(reason(checkModel(artefactOfAll({ ...trainedOnAll, sequence })))).toMatch(silent)
    const short = { ...sequence, scaling: { ...scaling, means: [0] } as typeof scaling & object }
    expect(reason(checkModel(artefactOfAll({ ...trainedOnAll, sequence: short })))).toMatch(silent)
  })

  it("tells how a model of the linear forecaster sees bars, and that it does not know of others", () => {
    const inputOf = (names: ReadonlyArray<string>) => Either.getOrThrow(checkModel(linear(names))).input
    expect(inputOf(featureSchema(3).names)).toEqual({ kind: "closes", lags: 3 })
    expect(inputSchema({ kind: "closes", lags: 3 })).toEqual(featureSchema(3))
    expect(inputOf(["a", "b"])).toBeUndefined()
  })
})

describe("what the file says of its training", () => {
  it("is none where the entry is anything else", () => {
    for (const text of [
      "",
      "{}",
      "null",
      "[1]",
      '{"version":2}',
      JSON.stringify({ ...trained, horizonBars: 0 })
    ]) {
      expect(readTrainedModel(new Map([["training", text]]))).toBeUndefined()
    }
    expect(readTrainedModel(new Map())).toBeUndefined()
  })
})
