import { describe, expect, it } from "@effect/vitest"
import { openWithOnnxruntime } from "../../../src/agents/training-host/onnxruntime.ts"
import { a2cTrainable } from "../../../src/learning/rl/A2c.ts"
import { episodeReturns } from "../../../src/learning/rl/episodeReturns.ts"
import { actByPolicy, type PolicySpec } from "../../../src/learning/rl/Policy.ts"
import { type PpoSettings, ppoDefaults, ppoTrainable, trainPpo } from "../../../src/learning/rl/Ppo.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import type { Open } from "../../../src/learning/training/Trainer.ts"
import type { VectorEnvironment } from "../../../src/protocols/VectorEnvironment.ts"
import { chain, chainBest, diverging, follow, notingRates, runThroughAsync } from "./environments.ts"
import { lossAndGradient, manifestFor, numericGradient } from "./losses.ts"

const settings: PpoSettings = {
  ...ppoDefaults,
  hidden: [16],
  learningRate: 0.005,
  rolloutSteps: 32,
  epochs: 4,
  minibatchRows: 64
}

const train = (
  environment: VectorEnvironment,
  steps: number,
  changes: Partial<PpoSettings> = {},
  seed = 1,
  open: Open = openWithOnnxruntime
) => runThroughAsync(trainPpo({ settings: { ...settings, ...changes }, environment, steps, open, seed }))

const policy: PolicySpec = { observations: 2, actionSpace: { kind: "discrete", actions: 3 }, hidden: [4] }
const weights = { clip: 0.2, entropyWeight: 0, valueWeight: 0 }
const policyOnly = ppoTrainable(policy, weights)
const parameters = manifestFor(policyOnly).initial(3)
const observations = [0.5, -1]
const taken = [0, 1, 0]

/** How likely the action is: the loss of an advantage of 1 against a probability of 1 is minus the ratio. */
const probability = () => {
  const batch = { observations, taken, logProbabilities: [0], advantages: [-1], returns: [0] }
  const wide = ppoTrainable(policy, { ...weights, clip: 10 })
  return lossAndGradient(wide, parameters, 1, batch).losses[0] as number
}

const ofRatio = (ratio: number, advantage: number) =>
  lossAndGradient(policyOnly, parameters, 1, {
    observations,
    taken,
    logProbabilities: [Math.log(probability() / ratio)],
    advantages: [advantage],
    returns: [0]
  })

describe("the loss of proximal policy optimisation", () => {
  it("goes with the ratio within the clip, and no further in the direction of the advantage", () => {
    const cases: ReadonlyArray<readonly [ratio: number, advantage: number, loss: number, moves: boolean]> = [
      [1, 2, -2, true],
      [1.1, 2, -2.2, true],
      [1.5, 2, -2.4, false],
      [0.5, 2, -1, true],
      [1.1, -2, 2.2, true],
      [0.5, -2, 1.6, false],
      [1.5, -2, 3, true]
    ]
    for (const [ratio, advantage, loss, moves] of cases) {
      const { gradient, losses } = ofRatio(ratio, advantage)
      expect(losses[0], `ratio ${ratio}, advantage ${advantage}`).toBeCloseTo(loss, 6)
      expect(gradient.some((value) => value !== 0)).toBe(moves)
    }
  })

  it("adds half the squared error of the critic, and takes off the entropy, by their weights", () => {
    const batch = { observations, taken, logProbabilities: [-1], advantages: [0.7], returns: [3] }
    const lossOf = (changed: Partial<typeof weights>) =>
      lossAndGradient(ppoTrainable(policy, { ...weights, ...changed }), parameters, 1, batch)
        .losses[0] as number
    const plain = lossOf({})
    const error = (lossOf({ valueWeight: 2 }) - plain) ** 0.5
    expect(lossOf({ valueWeight: 0.5 }) - plain).toBeCloseTo(error ** 2 / 4, 9)
    // Three actions that are about equally likely at first.
    expect(plain - lossOf({ entropyWeight: 1 })).toBeCloseTo(Math.log(3), 2)
  })

  it("has the gradient that differences have, for actions of both kinds", () => {
    const box: PolicySpec = {
      observations: 2,
      actionSpace: { kind: "box", size: 2, low: -1, high: 1 },
      hidden: [4]
    }
    for (const [spec, acted] of [
      [policy, [0, 1, 0, 1, 0, 0]],
      [box, [0.3, -0.2, -1.4, 0.1]]
    ] as const) {
      const trainable = ppoTrainable(spec, { clip: 0.2, entropyWeight: 0.1, valueWeight: 0.5 })
      const own = manifestFor(trainable).initial(2)
      const batch = {
        observations: [0.5, -1, 1, 2],
        taken: acted,
        logProbabilities: [-1.1, -1.15],
        advantages: [0.7, -1.3],
        returns: [1, -1]
      }
      const { gradient } = lossAndGradient(trainable, own, 2, batch)
      const numeric = numericGradient(trainable, own, 2, batch)
      gradient.forEach((value, i) => {
        expect(Math.abs(value - (numeric[i] as number))).toBeLessThan(2e-5)
      })
    }
  })

  it("begins where the loss of the advantage actor-critic stands: with a ratio of 1 their gradients are one", () => {
    const own = { entropyWeight: 0.01, valueWeight: 0.5 }
    const batch = { observations, taken, advantages: [1.7], returns: [2] }
    const ppo = lossAndGradient(ppoTrainable(policy, { ...own, clip: 0.2 }), parameters, 1, {
      ...batch,
      logProbabilities: [Math.log(probability())]
    })
    const a2c = lossAndGradient(a2cTrainable(policy, own), parameters, 1, batch)
    ppo.gradient.forEach((value, i) => {
      expect(value).toBeCloseTo(a2c.gradient[i] as number, 9)
    })
  })
})

describe("proximal policy optimisation", () => {
  it("finds the way along the chain", async () => {
    const { outcome, told } = await train(chain(8), 8_000)
    expect(outcome).toMatchObject({ reason: "steps", steps: 8_192 })
    const act = actByPolicy(outcome.network, outcome.manifest, outcome.parameters)
    for (const one of runThrough(episodeReturns(chain(2), act, 20))) expect(one).toBeCloseTo(chainBest, 9)
    expect(told.length).toBe(8_192 / 8)
    expect(outcome.meanReturn).toBeGreaterThan(0.9)
  })

  it("learns exposures from a box, too", async () => {
    const { outcome } = await train(follow(16, "training"), 30_000, { entropyWeight: 0, rolloutSteps: 16 })
    const act = actByPolicy(outcome.network, outcome.manifest, outcome.parameters)
    const returns = runThrough(episodeReturns(follow(200, "judging"), act, 1))
    const loss = -returns.reduce((sum, one) => sum + one, 0) / 200
    // Exposure 0 would lose 1/12, the mean square of half of what is seen.
    expect(loss).toBeLessThan(0.01)
  })

  it("learns at the full rate from its first rollout, and at more than none from its last", async () => {
    const ratesOver = async (rollouts: number) => {
      const noted: Array<ReadonlyArray<number>> = []
      const open = notingRates(openWithOnnxruntime, noted)
      const { outcome } = await train(chain(8), rollouts * 256, {}, 1, open)
      expect(outcome.updates).toBe(rollouts * 16)
      return noted.map((rates) => [...new Set(rates)])
    }
    const { learningRate } = settings
    expect(await ratesOver(1)).toEqual([[Math.fround(learningRate)]])
    expect(await ratesOver(4)).toEqual(
      [1, 0.75, 0.5, 0.25].map((share) => [Math.fround(share * learningRate)])
    )
  })

  it("comes to the same bytes by the same seed, and to others by another", async () => {
    const bytes = async (seed: number) => {
      const { outcome } = await train(chain(4), 600, {}, seed)
      return Buffer.from(outcome.parameters.buffer).toString("base64")
    }
    expect(await bytes(1)).toBe(await bytes(1))
    expect(await bytes(2)).not.toBe(await bytes(1))
  })

  it("ends where the loss is no number any more, with what it had before", async () => {
    const { outcome: before } = await train(chain(8), 256, { learningRateEnd: 1 })
    const { outcome } = await train(
      chain(8),
      8_000,
      { learningRateEnd: 1 },
      1,
      diverging(openWithOnnxruntime, 1)
    )
    expect(outcome).toMatchObject({ reason: "diverged", steps: 512 })
    expect(outcome.parameters).toEqual(before.parameters)
  })

  it("refuses minibatches that a rollout cannot be cut into", async () => {
    await expect(train(chain(3), 100, { minibatchRows: 50 })).rejects.toThrow(
      "96 rows cannot be cut into minibatches of 50"
    )
    await expect(train(chain(3), 100, { clip: 0 })).rejects.toThrow("clip")
  })
})
