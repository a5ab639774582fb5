import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import { trialClusters } from "../../../src/learning/evaluation/TrialClusters.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { refusalOf } from "./refusals.ts"

/** [bars, trials]: each trial is the idea of its number and some noise of its own. */
const returnsOf = (ideas: ReadonlyArray<number>, noise: number, bars = 400) => {
  const random = keyedRandom("clusters", ...ideas, noise)
  const count = Math.max(...ideas) + 1
  const rows = Array.from({ length: bars }, () => {
    const drawn = Array.from({ length: count }, () => random.normal())
    return ideas.map((idea) => (drawn[idea] as number) + noise * random.normal())
  })
  return new Float64Array(rows.flat())
}

const clusters = (returns: Float64Array, trials: number, correlationMin?: number) =>
  runThrough(trialClusters(returns, { trials, ...(correlationMin === undefined ? {} : { correlationMin }) }))

describe("trialClusters", () => {
  it("finds the ideas behind the trials", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 14 }), (ideas) => {
        const found = Either.getOrThrow(clusters(returnsOf(ideas, 0.3), ideas.length))
        expect(found.clusters).toBe(new Set(ideas).size)
        const inOrder = [...new Set(ideas)]
        expect([...found.clusterOf]).toEqual(ideas.map((idea) => inOrder.indexOf(idea)))
      }),
      { numRuns: 30 }
    )
  })

  it("keeps apart what a chain of likenesses would join", () => {
    // Neighbours share 3/4 of what moves them, the ends of the chain half.
    const random = keyedRandom("chain")
    const rows = Array.from({ length: 4_000 }, () => {
      const parts = Array.from({ length: 6 }, () => random.normal())
      return [0, 1, 2].map((first) => parts.slice(first, first + 4).reduce((sum, part) => sum + part, 0))
    })
    const found = Either.getOrThrow(clusters(new Float64Array(rows.flat()), 3, 0.6))
    expect(found.clusters).toBe(2)
    expect(Either.getOrThrow(clusters(new Float64Array(rows.flat()), 3, 0.4)).clusters).toBe(1)
    expect(Either.getOrThrow(clusters(new Float64Array(rows.flat()), 3, 0.9)).clusters).toBe(3)
  })

  it("takes opposites for two, and what never moves for one of its own each", () => {
    const values = returnsOf([0], 0)
    const rows = [...values].flatMap((value) => [value, -value, 0, 0])
    expect(Either.getOrThrow(clusters(new Float64Array(rows), 4)).clusters).toBe(4)
  })

  it("refuses what cannot be put in clusters", () => {
    expect(refusalOf(clusters(Float64Array.of(1, Number.NaN), 2))).toContain("return is NaN")
    expect(() => clusters(new Float64Array(501), 501)).toThrow("at most 500 are put in clusters")
    expect(() => clusters(new Float64Array(2), 2, 0)).toThrow("smallest correlation is 0")
  })
})
