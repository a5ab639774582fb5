import { describe, expect, it } from "@effect/vitest"
import { makeEpisodes } from "../../../src/learning/rl/Episodes.ts"
import { episodeReturns } from "../../../src/learning/rl/episodeReturns.ts"
import { actorFor, type PolicySpec, policyManifest } from "../../../src/learning/rl/Policy.ts"
import { makeRollout } from "../../../src/learning/rl/Rollout.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { chain, vectorOf } from "./environments.ts"

const policy: PolicySpec = { observations: 1, actionSpace: { kind: "discrete", actions: 2 }, hidden: [4] }

/** Observes the number of its step; its third step ends the episode, at 3. */
const counting = (end: "terminated" | "truncated") =>
  vectorOf(2, {
    size: 1,
    actionSpace: { kind: "discrete", actions: 2 },
    row: () => {
      let step = 0
      return {
        reset: (out) => {
          step = 0
          out[0] = 0
        },
        step: (_, out) => {
          out[0] = ++step
          const isOver = step === 3
          return {
            reward: step,
            terminated: isOver && end === "terminated",
            truncated: isOver && end === "truncated"
          }
        }
      }
    }
  })

describe("a rollout", () => {
  for (const end of ["terminated", "truncated"] as const) {
    it(`knows what follows each step, and what does where an episode was ${end}`, () => {
      const environment = counting(end)
      const manifest = policyManifest(policy)
      const parameters = manifest.initial(1)
      const actor = actorFor(policy, manifest)
      const rollout = makeRollout({ environment, policy, actor, steps: 5, episodes: makeEpisodes(2) })
      const worth = new Float32Array(4)
      actor.values(parameters, Float32Array.of(0, 1, 2, 3), 4, worth)
      environment.reset()
      while (!rollout.isFull()) rollout.step(parameters, keyedRandom("rollout"))
      const seen = [0, 1, 2, 0, 1]
      const after = [1, 2, 3, 1, 2]
      for (let row = 0; row < 2; row++) {
        const of = (all: ArrayLike<number>) => seen.map((_, t) => all[2 * t + row])
        expect(of(rollout.observations)).toEqual(seen)
        expect(of(rollout.rewards)).toEqual(after)
        expect(of(rollout.ended)).toEqual([0, 0, 1, 0, 0])
        expect(of(rollout.values)).toEqual(seen.map((step) => worth[step]))
        const isOver = (t: number) => t === 2 && end === "terminated"
        expect(of(rollout.nextValues)).toEqual(after.map((step, t) => (isOver(t) ? 0 : worth[step])))
      }
    })
  }

  it("values its first step anew where the parameters have changed since the last one", () => {
    const environment = counting("terminated")
    const manifest = policyManifest(policy)
    const actor = actorFor(policy, manifest)
    const rollout = makeRollout({ environment, policy, actor, steps: 2, episodes: makeEpisodes(2) })
    environment.reset()
    const random = keyedRandom("rollout")
    for (let step = 0; step < 2; step++) rollout.step(manifest.initial(1), random)
    rollout.step(manifest.initial(2), random)
    const worth = new Float32Array(1)
    actor.values(manifest.initial(2), Float32Array.of(2), 1, worth)
    expect(rollout.values[0]).toBe(worth[0])
  })
})

describe("episodes", () => {
  it("are judged by the first of each row, and not by those that end first", () => {
    // Row 0 has episodes of one step, row 1 one of nine.
    const lengths = [1, 9]
    const environment = vectorOf(2, {
      size: 1,
      actionSpace: { kind: "discrete", actions: 2 },
      row: (row) => {
        let step = 0
        return {
          reset: () => {
            step = 0
          },
          step: () => ({ reward: 1, terminated: ++step === lengths[row], truncated: false })
        }
      }
    })
    const act = () => undefined
    expect([...runThrough(episodeReturns(environment, act, 9))]).toEqual([1, 9])
    expect(() => runThrough(episodeReturns(environment, act, 8))).toThrow("no end after 8 steps")
  })

  it("are counted with their undiscounted returns, the latest hundred for the mean", () => {
    const environment = chain(1)
    const episodes = makeEpisodes(1)
    environment.reset()
    expect(episodes.meanReturn()).toBeNull()
    for (let step = 0; step < 3 * 150; step++) {
      environment.step(Int32Array.of(step < 150 ? 0 : 1))
      episodes.note(environment)
    }
    expect(episodes.count()).toBe(150)
    expect(episodes.total()).toBeCloseTo(50 * (-1 - 0.02) + 100 * (1 - 0.02), 9)
    expect(episodes.meanReturn()).toBeCloseTo(1 - 0.02, 9)
  })
})
