import { describe, expect, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import { inputSchema } from "../../../src/agents/training/ModelInput.ts"
import { chooseNetwork, modelNames, type NetworkChoice } from "../../../src/agents/training/NetworkChoice.ts"
import { FeatureSchema } from "../../../src/protocols/Model.ts"
import { settingsWith } from "../settings.ts"

const choose = (choice: NetworkChoice, settings: Parameters<typeof settingsWith>[0] = {}) =>
  chooseNetwork(choice, settingsWith(settings))
const chosen = (...args: Parameters<typeof choose>) => Either.getOrThrow(choose(...args))
const refusal = (...args: Parameters<typeof choose>) =>
  Either.getOrThrow(Either.flip(choose(...args))).message

describe("the networks that can be trained by name", () => {
  it("are all there, and see what they are trained on", () => {
    for (const model of modelNames) {
      const { input, parameters, spec } = chosen({ model })
      const { features, length } = spec.network
      expect(spec.network.body.kind).toBe(model)
      expect(parameters).toBeGreaterThan(0)
      const schema = inputSchema(input)
      expect(schema.names.length).toBe(length * features)
      expect(Schema.is(FeatureSchema)(schema)).toBe(true)
    }
  })

  it("are as configured", () => {
    const settings = {
      "deepLearning.lstmHiddenSize": 24,
      "deepLearning.cnnFilters": 12,
      "deepLearning.transformerHeads": 4,
      "deepLearning.dropoutRate": 0.25,
      "models.trainingBatchSize": 48,
      "models.trainingLearningRate": 0.005,
      "run.seed": 9
    }
    const of = (model: NetworkChoice["model"]) => chosen({ model }, settings).spec.network.body
    expect(of("lstm")).toEqual({ kind: "lstm", hidden: 24, layers: 3, dropout: 0.25 })
    expect(of("gru")).toEqual({ kind: "gru", hidden: 24, layers: 3, dropout: 0.25 })
    expect(of("cnn")).toMatchObject({ filters: [12, 12], dropout: 0.25 })
    expect(of("transformer")).toMatchObject({ heads: 4, width: 256, inner: 1_024, dropout: 0.25 })
    expect(chosen({ model: "mlp" }, settings).spec).toMatchObject({
      batchRows: 48,
      schedule: { kind: "constant", rate: 0.005 },
      seed: 9
    })
  })

  it("are what the command says, over what is configured", () => {
    const { spec } = chosen({
      model: "transformer",
      width: 16,
      layers: 1,
      length: 10,
      epochs: 3,
      patience: 2,
      batchRows: 8,
      rate: 0.1
    })
    expect(spec).toMatchObject({
      network: { length: 10, body: { width: 16, inner: 64, layers: 1 } },
      epochsMax: 3,
      patience: 2,
      batchRows: 8,
      schedule: { rate: 0.1 }
    })
    expect(chosen({ model: "mlp", width: 5, layers: 3 }).spec.network.body).toEqual({
      kind: "mlp",
      hidden: [5, 5, 5]
    })
    expect(chosen({ model: "dlinear", length: 10 }).spec.network.body).toMatchObject({ window: 10 })
  })

  it("are refused before anything is read where they cannot be", () => {
    expect(refusal({ model: "transformer", width: 10 })).toContain("cannot be shared out to 8 heads")
    expect(refusal({ model: "lstm", width: 4_096 })).toMatch(
      /its \d+ parameters make an artefact of \d+ MiB, 64 can be served/
    )
    expect(refusal({ model: "lstm", length: 500 })).toContain("its sequences have 5000 numbers")
    for (const choice of [{ length: 5_000 }, { width: 5_000 }, { layers: 65 }, { batchRows: 100_000 }]) {
      const line = refusal({ model: "lstm", ...choice })
      expect(line).toMatch(/^The lstm cannot be trained: .*less than or equal to/)
      expect(line).not.toContain("\n")
    }
    expect(refusal({ model: "lstm" }, { "deepLearning.dropoutRate": 1 })).toContain("dropout")
  })
})
