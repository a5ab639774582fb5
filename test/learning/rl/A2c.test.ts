import { describe, expect, it } from "@effect/vitest"
import { openWithOnnxruntime } from "../../../src/agents/training-host/onnxruntime.ts"
import { type A2cSettings, a2cDefaults, trainA2c } from "../../../src/learning/rl/A2c.ts"
import { episodeReturns } from "../../../src/learning/rl/episodeReturns.ts"
import { actByPolicy } from "../../../src/learning/rl/Policy.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import type { Open } from "../../../src/learning/training/Trainer.ts"
import type { VectorEnvironment } from "../../../src/protocols/VectorEnvironment.ts"
import { chain, chainBest, diverging, follow, notingRates, runThroughAsync } from "./environments.ts"

const settings: A2cSettings = { ...a2cDefaults, hidden: [16], learningRate: 0.005 }

const train = (environment: VectorEnvironment, steps: number, seed = 1, open: Open = openWithOnnxruntime) =>
  runThroughAsync(trainA2c({ settings, environment, steps, open, seed }))

describe("advantage actor-critic", () => {
  it("finds the way along the chain", async () => {
    const { outcome } = await train(chain(8), 12_000)
    expect(outcome).toMatchObject({ reason: "steps", steps: 12_000 })
    const act = actByPolicy(outcome.network, outcome.manifest, outcome.parameters)
    expect(runThrough(episodeReturns(chain(1), act, 20))[0]).toBeCloseTo(chainBest, 9)
  })

  it("learns exposures from a box, too", async () => {
    const { outcome } = await train(follow(16, "training"), 30_000)
    const act = actByPolicy(outcome.network, outcome.manifest, outcome.parameters)
    const returns = runThrough(episodeReturns(follow(200, "judging"), act, 1))
    expect(-returns.reduce((sum, one) => sum + one, 0) / 200).toBeLessThan(0.02)
  })

  it("learns at the full rate from its first rollout, and at more than none from its last", async () => {
    const ratesOver = async (rollouts: number) => {
      const noted: Array<ReadonlyArray<number>> = []
      const { outcome } = await train(chain(8), rollouts * 40, 1, notingRates(openWithOnnxruntime, noted))
      expect(outcome.updates).toBe(rollouts)
      return noted.flat()
    }
    const { learningRate } = settings
    expect(await ratesOver(1)).toEqual([Math.fround(learningRate)])
    expect(await ratesOver(4)).toEqual([1, 0.75, 0.5, 0.25].map((share) => Math.fround(share * learningRate)))
  })

  it("comes to the same bytes by the same seed, and to others by another", async () => {
    const bytes = async (seed: number) => {
      const { outcome } = await train(chain(4), 400, seed)
      return Buffer.from(outcome.parameters.buffer).toString("base64")
    }
    expect(await bytes(1)).toBe(await bytes(1))
    expect(await bytes(2)).not.toBe(await bytes(1))
  })

  it("ends where the loss is no number any more", async () => {
    const { outcome } = await train(chain(4), 4_000, 1, diverging(openWithOnnxruntime, 3))
    expect(outcome).toMatchObject({ reason: "diverged", steps: 80 })
    expect(outcome.parameters.every(Number.isFinite)).toBe(true)
  })
})
