import { describe, expect, it } from "@effect/vitest"
import { EnvironmentInvalid } from "../../../src/learning/errors.ts"
import { actByTable, binnedEnvironment } from "../../../src/learning/rl/binned.ts"
import { episodeReturns } from "../../../src/learning/rl/episodeReturns.ts"
import * as QLearning from "../../../src/learning/rl/QLearning.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { chain, chainBest, follow, vectorOf } from "./environments.ts"

/** A number for each of the five states of the chain, 1 for where it stands. */
const thresholds = [[0.5], [0.5], [0.5], [0.5], [0.5]]

const options = {
  ...{ learningRate: 0.2, discount: 0.9, epsilonStart: 1, epsilonMin: 0.1, epsilonDecay: 0.99 },
  ...{ episodes: 500, key: ["binned"] }
}

/** Counts its steps from 0 and shows them, three an episode; its end is the last of them. */
const counting = (end: "terminated" | "truncated") =>
  vectorOf(1, {
    size: 2,
    actionSpace: { kind: "discrete", actions: 2 },
    row: () => {
      let steps = 0
      return {
        reset: (out) => {
          steps = 0
          out.set([0, 7])
        },
        step: (_, out) => {
          steps++
          out[0] = steps
          return { reward: steps, terminated: false, truncated: false, [end]: steps === 3 }
        }
      }
    }
  })

describe("an environment in bins", () => {
  it("is learned by a table, which then acts in as many rows as there are", () => {
    const binned = binnedEnvironment(chain(1), thresholds)
    expect(binned).toMatchObject({ states: 32, actions: 2 })
    const { actions, states } = binned
    const table = QLearning.make(binned, { ...options, states, actions })
    table.run(Number.POSITIVE_INFINITY)
    const returns = runThrough(episodeReturns(chain(3), actByTable(thresholds, table.q), 20))
    for (const one of returns) expect(one).toBeCloseTo(chainBest, 9)
  })

  it("ends an episode in the state that it ended on, and begins the next in the one it stands at", () => {
    for (const end of ["terminated", "truncated"] as const) {
      const binned = binnedEnvironment(counting(end), [[0.5, 1.5, 2.5], []])
      expect(binned.states).toBe(4)
      for (let episode = 0; episode < 2; episode++) {
        expect(binned.reset()).toBe(0)
        for (const state of [1, 2, 3]) {
          expect(binned.step(0)).toEqual({
            ...{ state, reward: state, terminated: false, truncated: false },
            [end]: state === 3
          })
        }
      }
    }
  })

  it("has one row, a few actions, and thresholds for every number that it shows", () => {
    expect(() => binnedEnvironment(chain(2), thresholds)).toThrow("it has 2 rows, and a table learns of 1")
    expect(() => binnedEnvironment(chain(1), [[0.5]])).toThrow(
      "it shows 5 numbers, and there are thresholds of 1"
    )
    expect(() => binnedEnvironment(follow(1, "binned"), [[0]])).toThrow(EnvironmentInvalid)
  })
})
