import { describe, expect, it } from "@effect/vitest"
import { bestOf, type Trained } from "../../../src/learning/rl/Progress.ts"

const learner = (
  meanReturn: number | null,
  reason: Trained<string>["reason"] = "steps"
): Trained<string> => ({
  ...{ reason, network: "any", manifest: { entries: [], size: 0 }, parameters: new Float32Array() },
  ...{ updates: 1, steps: 1, episodes: 1, meanReturn }
})

describe("the best of several that learned", () => {
  it("has the best mean return, and is the first among equals", () => {
    const all = [learner(1), learner(3), learner(3), learner(null)]
    expect(bestOf(all)).toBe(all[1])
    expect(bestOf([learner(null), learner(-5)]).meanReturn).toBe(-5)
  })

  it("has not diverged, unless all have", () => {
    const sound = learner(null)
    expect(bestOf([learner(9, "diverged"), sound])).toBe(sound)
    expect(bestOf([learner(null, "diverged"), sound])).toBe(sound)
    const better = learner(2, "diverged")
    expect(bestOf([learner(1, "diverged"), better])).toBe(better)
  })
})
