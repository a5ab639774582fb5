import { describe, expect, it } from "@effect/vitest"
import { fallen, runUpdates, seedOf } from "../../../src/learning/rl/Updates.ts"
import { adam, ratesOf } from "../../../src/learning/training/Optimiser.ts"
import type { Fed } from "../../../src/learning/training/Trainer.ts"

const state = { parameters: Float32Array.of(1, 2), moments: [Float32Array.of(3, 4)], updates: 5 }
const course = { count: 2, rows: 3, optimiser: adam, learningRate: 0.1 }

const answer = (losses: ReadonlyArray<number>, after: ReadonlyArray<number>) => () =>
  Promise.resolve({
    losses: Float32Array.from(losses),
    "next-parameters": Float32Array.from(after),
    "next-moment0": Float32Array.of(7, 8)
  })

describe("a run of updates", () => {
  it("goes on from what there was, at the rates of its own steps", async () => {
    let fed: Readonly<Record<string, Fed>> = {}
    const { loss, state: next } = await runUpdates(
      (feeds) => {
        fed = feeds
        return answer([1, 3], [5, 6])()
      },
      state,
      course,
      { x: { shape: [2, 3], data: new Float32Array(6) } }
    )
    expect(loss).toBe(2)
    expect(next).toEqual({
      parameters: Float32Array.of(5, 6),
      moments: [Float32Array.of(7, 8)],
      updates: 7
    })
    expect(Object.keys(fed).sort()).toEqual(["moment0", "parameters", "rates", "weights", "x"])
    expect(fed.rates?.data).toEqual(Float32Array.of(...ratesOf(adam, 0.1, 6), ...ratesOf(adam, 0.1, 7)))
    expect(fed.weights).toEqual({ shape: [2, 3], data: new Float32Array(6).fill(1) })
  })

  it("leaves what there was where a loss, or a parameter after the last one, is no number any more", async () => {
    for (const run of [answer([1, Number.NaN], [5, 6]), answer([1, 2], [5, Number.POSITIVE_INFINITY])]) {
      const { loss, state: next } = await runUpdates(run, state, course, {})
      expect(loss).toBeNaN()
      expect(next).toEqual(state)
    }
  })

  it("has rates that fall along a line, and seeds for each of several", () => {
    expect([0, 0.5, 1, 2].map((share) => fallen(0.1, 0.2, share))).toEqual([
      0.1,
      expect.closeTo(0.06, 12),
      expect.closeTo(0.02, 12),
      expect.closeTo(0.02, 12)
    ])
    expect(new Set(Array.from({ length: 50 }, (_, i) => seedOf(1, i))).size).toBe(50)
  })
})
