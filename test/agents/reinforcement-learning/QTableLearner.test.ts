import { describe, expect, it } from "@effect/vitest"
import { qTableLearner } from "../../../src/agents/reinforcement-learning/QTableLearner.ts"
import { simulated } from "../feedEvents.ts"
import { settingsWith } from "../settings.ts"
import { learnerConformance } from "../voter/learnerConformance.ts"
import { fitOf, learn, signature } from "../voter/learning.ts"

const changes = { "reinforcementLearning.barsMin": 130, "reinforcementLearning.episodes": 2 }

describe("the Q-table learner", () => {
  learnerConformance({
    make: qTableLearner,
    changes,
    fittableFrom: 280,
    refitEveryBars: "reinforcementLearning.refitEveryBars"
  })

  const learner = qTableLearner(settingsWith(changes))

  it("remembers the latest bars only, as many as it is told to", () => {
    const memory = 200
    const forgetful = qTableLearner(settingsWith({ ...changes, "reinforcementLearning.memorySize": memory }))
    const { events } = simulated({ seed: 74, count: 600, instruments: 1 })
    const state = learn(forgetful, events)
    const [history] = [...state.instruments.values()]
    expect(history?.closes.length).toBeGreaterThanOrEqual(memory)
    expect(history?.closes.length).toBeLessThan(memory + 65)
    expect(history?.closes.at(-1)).toBe(events.at(-1)?.payload.bars[0]?.close)
    const rows = fitOf(forgetful, state)?.manifest.data.rows ?? 0
    expect(rows).toBeLessThan(memory)
  })

  it("draws the same numbers for the same seed and as-of, and others for another seed", () => {
    const { events } = simulated({ seed: 75, count: 400 })
    const fitted = (seed: number) => {
      const seeded = qTableLearner(settingsWith({ ...changes, "run.seed": seed }))
      return signature(fitOf(seeded, learn(seeded, events)))?.artefact
    }
    expect(fitted(1)).toBe(fitted(1))
    expect(fitted(1)).not.toBe(fitted(2))
  })

  it("calibrates on bars that it has not trained on: what is there at the end does not reach the table", () => {
    const { events } = simulated({ seed: 76, count: 400, instruments: 1 })
    const state = learn(learner, events)
    const rows = fitOf(learner, state)?.manifest.data.rows as number
    // 336 bars have a window; seven tenths of them are trained on.
    expect(rows).toBe(Math.floor(336 * 0.7))
    const heldOut = fitOf(learner, state)?.manifest.metrics.find(({ name }) => name === "held-out")?.value
    expect(heldOut).toBe(Math.floor((336 - rows - 4) / 3))
  })
})
