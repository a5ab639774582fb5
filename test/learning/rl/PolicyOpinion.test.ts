import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { ArtefactInvalid } from "../../../src/learning/errors.ts"
import { describe as describeModel } from "../../../src/learning/OpinionModel.ts"
import { decode } from "../../../src/learning/onnx/OnnxFile.ts"
import { policyManifest } from "../../../src/learning/rl/Policy.ts"
import {
  emitPolicy,
  evaluatePolicy,
  type LearnedNetwork,
  policyScorer
} from "../../../src/learning/rl/PolicyOpinion.ts"
import { qForward, qManifest } from "../../../src/learning/rl/QNetwork.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { askOnnx, expectClose, randomCalibrator, randomRows } from "../opinions.ts"

const featureNames = ["a", "b", "c"]
const flatAccount = [0, 0.25]
const sizes = { observations: 5, hidden: [8] }

const kinds: ReadonlyArray<LearnedNetwork> = [
  { kind: "q-network", network: { ...sizes, actions: 3, isDueling: true } },
  { kind: "policy", network: { ...sizes, actionSpace: { kind: "discrete", actions: 3 } } },
  { kind: "policy", network: { ...sizes, actionSpace: { kind: "box", size: 1, low: -0.5, high: 1 } } }
]

const modelOf = (learned: LearnedNetwork) => {
  const { network } = learned
  const { size } = learned.kind === "q-network" ? qManifest(learned.network) : policyManifest(learned.network)
  const random = keyedRandom("policy opinion", learned.kind, network.observations)
  return {
    learned,
    parameters: Float32Array.from({ length: size }, () => 0.1 * random.normal()),
    normalisation: { means: [0.1, -0.2, 0], deviations: [1, 2, 0.5] },
    flatAccount,
    calibrator: randomCalibrator(random),
    featureNames,
    featureSchemaVersion: 1
  }
}

describe("the opinion of what was learned by reinforcement", () => {
  it("is in onnxruntime what it is in the typed arrays, for networks of every kind", async () => {
    for (const learned of kinds) {
      const model = modelOf(learned)
      const rows = randomRows(keyedRandom("policy rows"), 200, 3)
      const expected = rows.map((row) => evaluatePolicy(model, row.features, row))
      expectClose(await askOnnx(emitPolicy(model), rows), expected)
      expect(new Set(expected.map(({ score }) => score)).size).toBeGreaterThan(50)
    }
  })

  it("is an opinion model that says what it is", () => {
    for (const learned of kinds) {
      const file = Either.getOrThrow(decode(emitPolicy(modelOf(learned))))
      expect(Either.getOrThrow(describeModel(file))).toMatchObject({ kind: learned.kind, featureNames })
    }
  })

  it("scores buying over selling at a flat account, on features scaled and cut off as in training", () => {
    const [learned] = kinds
    if (learned?.kind !== "q-network") return expect.fail("the first is a network of action values")
    const model = modelOf(learned)
    const values = new Float64Array(3)
    // The last feature lies far out: ten deviations is what it counts as.
    const seen = Float32Array.of((0.5 - 0.1) / 1, (1 + 0.2) / 2, 10, 0, 0.25)
    qForward(learned.network, qManifest(learned.network))(model.parameters, seen, 1, values)
    const score = policyScorer(model)([0.5, 1, 99])
    expect(score).toBe((values[2] as number) - (values[0] as number))
    expect(evaluatePolicy(model, [0.5, 1, 99], { sigma: 0.01, band: 0.01 }).score).toBe(score)
  })

  it("gives equal bytes for equal parts", () => {
    for (const learned of kinds) expect(emitPolicy(modelOf(learned))).toEqual(emitPolicy(modelOf(learned)))
  })

  it("refuses parts that do not fit, and names them", () => {
    const [q, policy] = kinds as readonly [LearnedNetwork, LearnedNetwork]
    const refusal = (changed: Partial<ReturnType<typeof modelOf>>, of = q) => {
      try {
        emitPolicy({ ...modelOf(of), ...changed })
      } catch (error) {
        expect(error).toBeInstanceOf(ArtefactInvalid)
        return (error as ArtefactInvalid).message
      }
      return expect.fail("it was emitted")
    }
    expect(refusal({ flatAccount: [0] })).toContain("sees 5 numbers, not 3 features and 1 numbers")
    expect(refusal({ parameters: new Float32Array(3) })).toContain("has 3 values instead of")
    expect(refusal({ normalisation: { means: [0, 0, 0], deviations: [1, 1, 0] } })).toContain("not positive")
    expect(refusal({ normalisation: { means: [0], deviations: [1] } })).toContain("the list of means")
    const two = { kind: "q-network", network: { ...sizes, actions: 2, isDueling: true } } as const
    expect(refusal({ learned: two })).toContain("gives 2 numbers, not 3")
    const wide = {
      kind: "policy",
      network: { ...sizes, actionSpace: { kind: "box", size: 2, low: 0, high: 1 } }
    } as const
    expect(refusal({ learned: wide }, policy)).toContain("gives 2 numbers, not 1")
  })
})
