import { describe, expect, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import { inputSchema } from "../../../src/agents/training/ModelInput.ts"
import { chooseNetwork, modelNames, type NetworkChoice } from "../../../src/agents/training/NetworkChoice.ts"
import { rowShape, trainingName } from "../../../src/agents/training-host/HostTraining.ts"
import { FeatureSchema } from "../../../src/protocols/Model.ts"
import { settingsWith } from "../settings.ts"

const choose = (choice: NetworkChoice, settings: Parameters<typeof settingsWith>[0] = {}) =>
  chooseNetwork(choice, settingsWith(settings))
const chosen = (...args: Parameters<typeof choose>) => Either.getOrThrow(choose(...args))
/** Of a network that is no recursive model. */
const windowed = (...args: Parameters<typeof choose>) => {
  const { spec, ...rest } = chosen(...args)
  if ("trm" in spec) throw new Error("it is a recursive model")
  return { ...rest, spec }
}
const refusal = (...args: Parameters<typeof choose>) =>
  Either.getOrThrow(Either.flip(choose(...args))).message

describe("the networks that can be trained by name", () => {
  it("are all there, and see what they are trained on", () => {
    for (const model of modelNames) {
      const { input, parameters, spec } = chosen({ model })
      const { features, length } = rowShape(spec)
      expect(trainingName(spec)).toBe(model)
      expect(parameters).toBeGreaterThan(0)
      const schema = inputSchema(input)
      expect(schema.names.length).toBe(length * features)
      expect(Schema.is(FeatureSchema)(schema)).toBe(true)
    }
  })

  it("see what instruments do together where that is chosen, if they see ten features of a bar at all", () => {
    for (const model of modelNames) {
      if (model === "cnn" || model === "dlinear") continue
      const { input, spec } = chosen({ model, features: "instruments" })
      expect(input.features).toBe("instruments")
      expect(rowShape(spec)).toEqual(rowShape(chosen({ model }).spec))
      expect(inputSchema(input).names.at(-1)).toBe("week_phase-0")
      expect(chosen({ model, features: "bars" })).toEqual(chosen({ model }))
    }
    const configured = { "deepLearning.features": "instruments" }
    for (const model of modelNames) {
      const isTold = model !== "cnn" && model !== "dlinear"
      const own = chosen({ model })
      const expected = isTold ? chosen({ model, features: "instruments" }) : own
      expect(chosen({ model }, configured)).toEqual(expected)
      if (isTold) expect(chosen({ model, features: "bars" }, configured)).toEqual(own)
    }
    expect(refusal({ model: "cnn", features: "instruments" })).toBe(
      "The cnn cannot be trained: it sees candles and not instruments, which other networks do."
    )
    expect(refusal({ model: "dlinear", features: "bars" })).toContain("it sees returns and not bars")
  })

  it("are of another make where a body is configured, unless the command says a size", () => {
    const settings = settingsWith()
    const body = { kind: "lstm", hidden: 9, layers: 1, dropout: 0 } as const
    const { deepLearning } = settings
    const configured = { ...settings, deepLearning: { ...deepLearning, bodies: [body] } }
    const bodyOf = (choice: NetworkChoice) => {
      const { spec } = Either.getOrThrow(chooseNetwork(choice, configured))
      return "trm" in spec ? undefined : spec.network.body
    }
    expect(bodyOf({ model: "lstm" })).toEqual(body)
    expect(bodyOf({ model: "lstm", width: 7 })).toMatchObject({ hidden: 7 })
    expect(bodyOf({ model: "gru" })).toMatchObject({ kind: "gru", hidden: deepLearning.lstmHiddenSize })
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
    const of = (model: NetworkChoice["model"]) => windowed({ model }, settings).spec.network.body
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
    expect(windowed({ model: "mlp", width: 5, layers: 3 }).spec.network.body).toEqual({
      kind: "mlp",
      hidden: [5, 5, 5]
    })
    expect(windowed({ model: "dlinear", length: 10 }).spec.network.body).toMatchObject({ window: 10 })
  })

  it("answer with classes, some of them: candles over a window, strategies by one bar", () => {
    const cnn = windowed({ model: "cnn" })
    expect(cnn.classes).toBe("candles")
    expect(cnn.spec.network).toMatchObject({ length: 100, features: 5, head: { classes: 14 } })
    const trm = chosen({ model: "trm", batchRows: 16, rate: 0.01, epochs: 3 }, { "run.seed": 9 })
    expect(trm.classes).toBe("strategies")
    expect(trm.input).toEqual({ kind: "sequence", features: "bars", length: 1 })
    expect(trm.spec).toMatchObject({
      trm: { sizes: { width: 64, layers: 2 }, task: { features: 10, classes: 8 } },
      batchRows: 16,
      epochsMax: 3,
      schedule: { rate: 0.01 },
      supervisionSteps: 16,
      seed: 9
    })
    expect(chosen({ model: "trm", width: 512 }).parameters).toBeGreaterThan(trm.parameters)
    expect(modelNames.filter((model) => chosen({ model }).classes !== null)).toEqual(["cnn", "trm"])
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
    expect(refusal({ model: "trm", width: 600 })).toBe(
      "The trm cannot be trained: a width of 600 is more than 512."
    )
    expect(refusal({ model: "trm", length: 60 })).toContain("it sees one bar, not a sequence of 60")
    expect(refusal({ model: "trm", width: 6 })).toMatch(/^The trm cannot be trained: .*heads/)
    expect(refusal({ model: "trm", batchRows: 100_000 })).toMatch(/batchRows: .*less than or equal to/)
  })
})
