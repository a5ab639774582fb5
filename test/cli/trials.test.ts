import { describe, expect, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import { checkModel } from "../../src/agents/training/ModelFile.ts"
import { trainingTrial } from "../../src/agents/training/trainingTrial.ts"
import type { Fitted } from "../../src/agents/voter/Learner.ts"
import { fittedOf } from "../../src/agents/voter/shipped.ts"
import { trainedTrial } from "../../src/cli/trials.ts"
import { Trial } from "../../src/learning/evaluation/Trials.ts"
import { artefactOf, trained } from "../agents/training/models.ts"

const knownTo = 9_000
const trialOf = (artefact: Uint8Array, at = 5) => Either.getOrThrow(trainedTrial(artefact, knownTo, at))
const withData = (changes: object) => artefactOf({ ...trained, data: { ...trained.data, ...changes } })

describe("the trial of a training", () => {
  it("is one that the ledger takes, and says nothing of a Sharpe ratio", () => {
    const trial = trialOf(artefactOf())
    expect(Schema.is(Trial)(trial)).toBe(true)
    expect(trial).toMatchObject({ kind: "network-mlp", at: 5, sharpe: null })
    expect(trial.data).toEqual({ from: trained.data.heldOutFrom, to: knownTo })
    expect(trial.meta).toEqual([
      { name: "rows", value: 15 },
      { name: "log-loss", value: 1.05 }
    ])
  })

  it("is the same trial when it is done again, and another on other bars or with another network", () => {
    const { id } = trialOf(artefactOf())
    expect(trialOf(artefactOf(), 6).id).toBe(id)
    const others = [
      withData({ digest: "b".repeat(64) }),
      withData({ instruments: ["csv:Y:spot"] }),
      artefactOf({ ...trained, horizonBars: 5 }),
      artefactOf({ ...trained, training: { ...trained.training, seed: 9 } })
    ]
    expect(new Set([id, ...others.map((other) => trialOf(other).id)]).size).toBe(5)
  })

  it("is the one that a running agent enters of the same training", () => {
    const artefact = artefactOf()
    const model = { ...Either.getOrThrow(checkModel(artefact)), path: "", digest: "" }
    const { manifest } = fittedOf(model) as Fitted
    const entered = { ...manifest, fittedAsOf: knownTo }
    expect(trialOf(artefact)).toEqual(trainingTrial({ manifest: entered }, trained.data.heldOutFrom, 5))
  })

  it("is none of what does not say how it was trained", () => {
    expect(trainedTrial(Uint8Array.of(1, 2, 3), knownTo, 5)).toMatchObject({ _tag: "Left" })
  })
})
