import { describe, expect, it } from "@effect/vitest"
import { openWithOnnxruntime } from "../../../src/agents/training-host/onnxruntime.ts"
import { type DqnSettings, dqnDefaults, makeDqnLearner, memoryFor } from "../../../src/learning/rl/Dqn.ts"
import { episodeReturns } from "../../../src/learning/rl/episodeReturns.ts"
import { actByValues } from "../../../src/learning/rl/QNetwork.ts"
import { type Explorer, trainSharedReplay } from "../../../src/learning/rl/SharedReplay.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import type { Open } from "../../../src/learning/training/Trainer.ts"
import { chain, chainBest, diverging, runThroughAsync } from "./environments.ts"

const dqn: DqnSettings = {
  ...dqnDefaults,
  hidden: [16],
  learningRate: 0.005,
  discount: 0.9,
  memorySize: 2_000,
  stepsBefore: 100,
  updatesPerRun: 8,
  targetEveryUpdates: 50
}

/** One that goes its own way soon, and one that acts at random always. */
const explorers = (): readonly [Explorer, Explorer] => [
  { environment: chain(4), epsilonMin: 0.01, epsilonDecay: 0.95 },
  { environment: chain(4), epsilonMin: 1, epsilonDecay: 1 }
]

const share = (steps: number, seed = 1, open: Open = openWithOnnxruntime) =>
  runThroughAsync(trainSharedReplay({ settings: dqn, explorers: explorers(), steps, open, seed }))

describe("learners that share their replay", () => {
  it("all find the way along the chain, also the one that only acts at random", async () => {
    const { outcome, told } = await share(6_000)
    expect(outcome.map(({ reason, steps }) => ({ reason, steps }))).toEqual([
      { reason: "steps", steps: 3_000 },
      { reason: "steps", steps: 3_000 }
    ])
    for (const { manifest, network, parameters } of outcome) {
      const act = actByValues(network, manifest, parameters)
      expect(runThrough(episodeReturns(chain(1), act, 20))[0]).toBeCloseTo(chainBest, 9)
    }
    const [own, random] = outcome
    expect(own?.meanReturn).toBeGreaterThan((random?.meanReturn as number) + 0.3)
    expect(new Set(told.map(({ learner }) => learner))).toEqual(new Set([0, 1]))
    expect(own?.parameters).not.toEqual(random?.parameters)
  })

  it("learn from what the others have lived through", async () => {
    const memory = memoryFor(dqn, chain(4))
    const learnerOf = (seed: number) =>
      makeDqnLearner({ settings: dqn, environment: chain(4), memory, open: openWithOnnxruntime, seed })
    const [first, second] = [await learnerOf(1), await learnerOf(2)]
    for (let step = 0; step < 20; step++) first.step()
    const begun = memory.size()
    for (let step = 0; step < 20; step++) second.step()
    expect(begun).toBeGreaterThan(60)
    expect(memory.size()).toBeGreaterThan(begun + 60)
  })

  it("come to the same bytes by the same seed", async () => {
    const bytes = async (seed: number) =>
      (await share(800, seed)).outcome.map(({ parameters }) =>
        Buffer.from(parameters.buffer).toString("base64")
      )
    expect(await bytes(1)).toEqual(await bytes(1))
    expect(await bytes(2)).not.toEqual(await bytes(1))
  })

  it("end together where all have diverged", async () => {
    const { outcome } = await share(6_000, 1, diverging(openWithOnnxruntime, 0))
    expect(outcome.map(({ reason }) => reason)).toEqual(["diverged", "diverged"])
  })
})
