import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { advantagesOf, standardise } from "../../../src/learning/rl/advantages.ts"

const number = fc.integer({ min: -64, max: 64 }).map((whole) => whole / 8)
const step = fc.record({ reward: number, value: number, next: number, ended: fc.boolean() })
const row = fc.array(step, { minLength: 12, maxLength: 12 })

/** The sum of the definition, for one row: sum over l of (g lambda)^l d_(t+l), up to the end of the episode. */
const plain = (
  steps: ReadonlyArray<{
    readonly reward: number
    readonly value: number
    readonly next: number
    readonly ended: boolean
  }>,
  discount: number,
  lambda: number
) =>
  steps.map((_, t) => {
    let sum = 0
    for (let k = t; k < steps.length; k++) {
      const { ended, next, reward, value } = steps[k] as (typeof steps)[number]
      sum += (discount * lambda) ** (k - t) * (reward + discount * next - value)
      if (ended) break
    }
    return sum
  })

describe("generalised advantages", () => {
  it("are the discounted sums of the surprises of their own episode", () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 4 }), (rows) => {
        const environments = rows.length
        const stacked = (of: (one: (typeof rows)[number][number]) => number) =>
          Array.from({ length: 12 * environments }, (_, i) =>
            of(
              (rows[i % environments] as (typeof rows)[number])[
                Math.floor(i / environments)
              ] as (typeof rows)[number][number]
            )
          )
        const advantages = advantagesOf(
          {
            steps: 12,
            environments,
            rewards: Float64Array.from(stacked(({ reward }) => reward)),
            values: Float32Array.from(stacked(({ value }) => value)),
            nextValues: Float32Array.from(stacked(({ next }) => next)),
            ended: Uint8Array.from(stacked(({ ended }) => Number(ended)))
          },
          0.9,
          0.8
        )
        rows.forEach((steps, r) => {
          plain(steps, 0.9, 0.8).forEach((expected, t) => {
            expect(advantages[t * environments + r]).toBeCloseTo(expected, 9)
          })
        })
      })
    )
  })

  it("are standardised within their part alone", () => {
    const values = Float32Array.of(100, 1, 2, 3, 4, 100)
    standardise(values, 1, 5)
    expect([values[0], values[5]]).toEqual([100, 100])
    const part = values.subarray(1, 5)
    expect(part.reduce((sum, one) => sum + one, 0)).toBeCloseTo(0, 6)
    expect(part.reduce((sum, one) => sum + one ** 2, 0) / 4).toBeCloseTo(1, 5)
    const alike = Float32Array.of(3, 3)
    standardise(alike, 0, 2)
    expect([...alike]).toEqual([0, 0])
  })
})
