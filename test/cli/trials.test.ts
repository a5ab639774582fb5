import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import type { TrainedModel } from "../../src/agents/training/TrainedModel.ts"
import { trainedTrial, trialFolder } from "../../src/cli/trials.ts"
import { Trial } from "../../src/learning/evaluation/Trials.ts"
import { settingsWith } from "../agents/settings.ts"

const model = {
  sequence: { features: "bars", version: 1, length: 8, hasVolume: true },
  timeFrame: "1h",
  horizonBars: 4,
  training: { network: { body: { kind: "mlp", width: 8, layers: 1 } } },
  data: {
    digest: "a".repeat(64),
    from: 1_000,
    knownTo: 9_000,
    trainingRows: 500,
    heldOutRows: 100
  }
} as unknown as TrainedModel

describe("the trial of a training", () => {
  it("is one that the ledger takes, and says nothing of a Sharpe ratio", () => {
    const trial = trainedTrial(model, 5)
    expect(Schema.is(Trial)(trial)).toBe(true)
    expect(trial).toMatchObject({ kind: "network", at: 5, sharpe: null, observations: 100 })
  })

  it("is the same trial when it is done again, and another on other bars or with another network", () => {
    const { id } = trainedTrial(model, 5)
    expect(trainedTrial(model, 6).id).toBe(id)
    expect(trainedTrial({ ...model, data: { ...model.data, digest: "b".repeat(64) } }, 5).id).not.toBe(id)
    expect(trainedTrial({ ...model, horizonBars: 5 }, 5).id).not.toBe(id)
  })

  it("lies beside the runs", () => {
    expect(trialFolder(settingsWith({ "node.dataDirectory": "somewhere" }))).toBe("somewhere/trials")
  })
})
