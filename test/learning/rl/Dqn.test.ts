import { describe, expect, it } from "@effect/vitest"
import { openWithOnnxruntime } from "../../../src/agents/training-host/onnxruntime.ts"
import { EnvironmentInvalid } from "../../../src/learning/errors.ts"
import { type DqnSettings, dqnDefaults, dqnTrainable, trainDqn } from "../../../src/learning/rl/Dqn.ts"
import { episodeReturns } from "../../../src/learning/rl/episodeReturns.ts"
import { actByValues, type QNetworkSpec, qForward } from "../../../src/learning/rl/QNetwork.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import type { Open } from "../../../src/learning/training/Trainer.ts"
import { chain, chainBest, diverging, follow, runThroughAsync, slowly } from "./environments.ts"
import { lossAndGradient, manifestFor, numericGradient } from "./losses.ts"

const settings: DqnSettings = {
  ...dqnDefaults,
  hidden: [16],
  learningRate: 0.005,
  discount: 0.9,
  epsilonDecay: 0.98,
  memorySize: 1_000,
  stepsBefore: 200,
  updatesPerRun: 8,
  targetEveryUpdates: 50
}

const train = (
  changes: Partial<DqnSettings> = {},
  steps = 4_000,
  seed = 1,
  open: Open = openWithOnnxruntime
) =>
  runThroughAsync(
    trainDqn({ settings: { ...settings, ...changes }, environment: chain(8), steps, open, seed })
  )

const network: QNetworkSpec = { observations: 2, actions: 3, hidden: [4], isDueling: true }
const huber = (error: number) => (Math.abs(error) <= 1 ? error ** 2 / 2 : Math.abs(error) - 0.5)

const batch = {
  observations: [0.5, -1, 1, 2],
  next: [1, 1, -2, 0.5],
  taken: [0, 1, 0, 1, 0, 0],
  returns: [0.3, -4],
  discounts: [0.9, 0],
  nextValues: [5, -1, 2, 7, 7, 7],
  importance: [0.5, 1]
}

describe("the loss of deep Q-learning", () => {
  for (const isDouble of [true, false]) {
    it(`is Huber's of the ${isDouble ? "double" : "plain"} target, weighed, with nothing after a termination`, () => {
      const trainable = dqnTrainable(network, isDouble)
      const manifest = manifestFor(trainable)
      const parameters = manifest.initial(5)
      const valuesOf = (x: ReadonlyArray<number>) => {
        const out = new Float64Array(6)
        qForward(network, manifest)(parameters, Float32Array.from(x), 2, out)
        return [...out]
      }
      const chosen = valuesOf(batch.next).slice(0, 3)
      const best = isDouble ? chosen.indexOf(Math.max(...chosen)) : 0
      const q = valuesOf(batch.observations)
      const errors = [
        0.3 + 0.9 * (batch.nextValues[best] as number) - (q[1] as number),
        -4 - (q[3] as number)
      ]
      const { losses, outputs } = lossAndGradient(trainable, parameters, 2, batch)
      errors.forEach((error, row) => {
        expect(outputs.errors?.[row]).toBeCloseTo(error, 9)
        expect(losses[row]).toBeCloseTo((batch.importance[row] as number) * huber(error), 9)
      })
    })
  }

  it("sends its gradient through the value of what was done, and none through the target", () => {
    const trainable = dqnTrainable(network, true)
    const manifest = manifestFor(trainable)
    const parameters = manifest.initial(5)
    const { gradient, outputs } = lossAndGradient(trainable, parameters, 2, batch)
    const values = new Float64Array(6)
    qForward(network, manifest)(parameters, Float32Array.from(batch.observations), 2, values)
    // The same targets as mere numbers: differences move only what is learned.
    const returns = [values[1], values[3]].map(
      (value, row) => (value as number) + (outputs.errors?.[row] as number)
    )
    const fixed = { ...batch, returns, discounts: [0, 0] }
    const numeric = numericGradient(trainable, parameters, 2, fixed)
    gradient.forEach((value, i) => {
      expect(value).toBeCloseTo(numeric[i] as number, 5)
    })
    expect(gradient.some((value) => Math.abs(value) > 0.01)).toBe(true)
  })
})

describe("deep Q-learning", () => {
  it("finds the way along the chain, and what it is worth", async () => {
    const { outcome, told } = await train()
    expect(outcome).toMatchObject({ reason: "steps", steps: 4_000 })
    const act = actByValues(outcome.network, outcome.manifest, outcome.parameters)
    const returns = runThrough(episodeReturns(chain(3), act, 20))
    for (const one of returns) expect(one).toBeCloseTo(chainBest, 9)
    const values = new Float32Array(2)
    qForward(outcome.network, outcome.manifest)(outcome.parameters, Float32Array.of(0, 0, 0, 0, 1), 1, values)
    // One step before the end the reward is certain.
    expect(values[1]).toBeCloseTo(1, 1)
    const [first] = told
    expect(first).toMatchObject({ steps: 8, updates: 0, loss: null })
    // An update for every four steps after the first 200, in runs of eight; the last run is taken at the end.
    expect(told.at(-1)?.updates).toBe(Math.floor((4_000 - 200) / 4 / 8) * 8 - 8)
  })

  it("learns in every make of it", async () => {
    const makes: ReadonlyArray<Partial<DqnSettings>> = [
      { isDouble: false },
      { isDueling: false },
      { priorityExponent: 0, importanceStart: 1 },
      { returnSteps: 1 }
    ]
    for (const make of makes) {
      const { outcome } = await train(make)
      const act = actByValues(outcome.network, outcome.manifest, outcome.parameters)
      expect(runThrough(episodeReturns(chain(1), act, 20))[0], JSON.stringify(make)).toBeCloseTo(chainBest, 9)
    }
  })

  it("comes to the same bytes by the same seed, however long the runs take, and to others by another", async () => {
    const bytes = async (seed: number, open?: Open) => {
      const { outcome } = await train({}, 1_000, seed, open)
      return Buffer.from(outcome.parameters.buffer).toString("base64")
    }
    const one = await bytes(1)
    expect(await bytes(1, slowly(openWithOnnxruntime, 5))).toBe(one)
    expect(await bytes(2)).not.toBe(one)
  })

  it("ends where the loss is no number any more, with what it had before", async () => {
    const steady = { importanceStart: 1 }
    // The steps that pay for one run.
    const { outcome: before } = await train(steady, 200 + 8 * 4)
    const { outcome } = await train(steady, 4_000, 1, diverging(openWithOnnxruntime, 1))
    expect(outcome.reason).toBe("diverged")
    expect(outcome.parameters).toEqual(before.parameters)
  })

  it("lets a failing run be seen where it is waited for", async () => {
    const failing: Open = async (spec) => {
      const run = await openWithOnnxruntime(spec)
      return spec.name === "steps" ? () => Promise.reject(new Error("the host is gone")) : run
    }
    await expect(train({}, 4_000, 1, failing)).rejects.toThrow("the host is gone")
  })

  it("refuses settings out of range and environments it cannot choose in", async () => {
    await expect(train({ discount: 1.5 })).rejects.toThrow("discount")
    const running = trainDqn({
      settings,
      environment: follow(2, "box"),
      steps: 10,
      open: openWithOnnxruntime,
      seed: 1
    })
    await expect(running.next()).rejects.toThrow(EnvironmentInvalid)
    const broken = { ...chain(2), step: () => undefined, rewards: Float64Array.of(Number.NaN, 0) }
    const learning = trainDqn({
      settings,
      environment: broken,
      steps: 10,
      open: openWithOnnxruntime,
      seed: 1
    })
    await expect(learning.next()).rejects.toThrow("it gave the reward NaN")
  })
})
