import { describe, expect, it } from "@effect/vitest"
import { openWithOnnxruntime } from "../../../src/agents/training-host/onnxruntime.ts"
import { episodeReturns } from "../../../src/learning/rl/episodeReturns.ts"
import { actByPolicy } from "../../../src/learning/rl/Policy.ts"
import { type PopulationSettings, trainPopulation } from "../../../src/learning/rl/Population.ts"
import { type PpoSettings, ppoDefaults } from "../../../src/learning/rl/Ppo.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import type { Open } from "../../../src/learning/training/Trainer.ts"
import { chain, chainBest, diverging, runThroughAsync } from "./environments.ts"

const ppo: PpoSettings = {
  ...ppoDefaults,
  hidden: [16],
  learningRate: 0.005,
  rolloutSteps: 32,
  epochs: 4,
  minibatchRows: 64
}
const population: PopulationSettings = { roundSteps: 512, share: 0.34, perturbation: 1.2 }

const populate = (steps: number, seed = 1, open: Open = openWithOnnxruntime) =>
  runThroughAsync(
    trainPopulation({
      settings: ppo,
      population,
      environments: [chain(4), chain(4), chain(4)],
      steps,
      open,
      seed
    })
  )

describe("a population", () => {
  it("finds the way along the chain, and teaches it to those who had not", async () => {
    const { outcome, told } = await populate(12_000)
    expect(outcome.length).toBe(3)
    for (const { manifest, network, parameters } of outcome) {
      const act = actByPolicy(network, manifest, parameters)
      expect(runThrough(episodeReturns(chain(1), act, 20))[0]).toBeCloseTo(chainBest, 9)
    }
    const lessons = told.flatMap((event) => (event.type === "taught" ? [event] : []))
    expect(lessons.length).toBeGreaterThan(0)
    for (const { from, rates, scores, to } of lessons) {
      expect(to).not.toBe(from)
      expect(scores[from]).toBe(Math.max(...scores))
      expect(rates.lambda).toBeGreaterThanOrEqual(0)
      expect(rates.lambda).toBeLessThan(1)
    }
  })

  it("hands on all that was learned, with rates that differ by the perturbation", async () => {
    const adopted: Array<Float32Array> = []
    const watched: Open = async (spec) => {
      const run = await openWithOnnxruntime(spec)
      return async (feeds) => {
        adopted.push(feeds.parameters?.data.slice() ?? new Float32Array())
        return run(feeds)
      }
    }
    const { told } = await populate(3 * 2 * 512, 1, watched)
    const lesson = told.find((event) => event.type === "taught")
    if (lesson?.type !== "taught") return expect.fail("nobody was taught")
    // Four updates of each member in a round: pupil and teacher begin the second one alike.
    const second = [12, 16, 20].map((update) => adopted[update])
    expect(second[lesson.to]).toEqual(second[lesson.from])
    const other = [0, 1, 2].find((i) => i !== lesson.to && i !== lesson.from) as number
    expect(second[other]).not.toEqual(second[lesson.from])
  })

  it("comes to the same bytes by the same seed", async () => {
    const bytes = async (seed: number) =>
      (await populate(2_000, seed)).outcome.map(({ parameters }) =>
        Buffer.from(parameters.buffer).toString("base64")
      )
    expect(await bytes(1)).toEqual(await bytes(1))
    expect(await bytes(2)).not.toEqual(await bytes(1))
  })

  it("lets a member that has diverged go on from another", async () => {
    let opened = 0
    const oneFails: Open = (spec) =>
      opened++ === 1 ? diverging(openWithOnnxruntime, 2)(spec) : openWithOnnxruntime(spec)
    const { told } = await populate(3_000, 1, oneFails)
    const lessons = told.flatMap((event) => (event.type === "taught" ? [event] : []))
    expect(lessons[0]).toMatchObject({ to: 1 })
    expect(lessons.every(({ from }) => from !== 1)).toBe(true)
  })

  it("is of at least two", async () => {
    const alone = trainPopulation({
      settings: ppo,
      population,
      environments: [chain(4)],
      steps: 100,
      open: openWithOnnxruntime,
      seed: 1
    })
    await expect(alone.next()).rejects.toThrow("nobody to learn from")
  })
})
