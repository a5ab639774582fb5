import { describe, expect, it } from "vitest"
import { EnvironmentInvalid } from "../../../src/learning/errors.ts"
import * as QLearning from "../../../src/learning/rl/QLearning.ts"

const options: QLearning.QLearningOptions = {
  states: 5,
  actions: 2,
  learningRate: 0.2,
  discount: 0.9,
  epsilonStart: 1,
  epsilonMin: 0.1,
  epsilonDecay: 0.99,
  episodes: 400,
  key: ["test", 7]
}

const [left, right] = [0, 1]

/** Five states in a row. Right of the last lies 1; left of the first a cliff, -1; walking costs 0.01. */
const chain = (): QLearning.Environment => {
  let state = 0
  let steps = 0
  const transition = { state: 0, reward: 0, terminated: false, truncated: false }
  return {
    reset: () => {
      steps = 0
      state = 2
      return state
    },
    step: (action) => {
      const to = state + (action === right ? 1 : -1)
      transition.terminated = to < 0 || to > 4
      transition.truncated = ++steps >= 100
      transition.reward = to > 4 ? 1 : to < 0 ? -1 : -0.01
      state = Math.min(4, Math.max(0, to))
      transition.state = state
      return transition
    }
  }
}

/** The optimal action values of the chain, by value iteration on its description. */
const optimal = (discount: number): Float64Array => {
  const q = new Float64Array(10)
  const best = (state: number) => Math.max(q[2 * state] as number, q[2 * state + 1] as number)
  for (let sweep = 0; sweep < 500; sweep++) {
    for (let state = 0; state < 5; state++) {
      q[2 * state + left] = state === 0 ? -1 : -0.01 + discount * best(state - 1)
      q[2 * state + right] = state === 4 ? 1 : -0.01 + discount * best(state + 1)
    }
  }
  return q
}

/** One state that pays 1 a step and ends after the first step, in the given way. */
const oneStep = (end: "terminated" | "truncated"): QLearning.Environment => ({
  reset: () => 0,
  step: () => ({ state: 0, reward: 1, terminated: end === "terminated", truncated: end === "truncated" })
})

describe("QLearning", () => {
  it("finds the optimal policy of a chain, and the values along it", () => {
    const learner = QLearning.make(chain(), { ...options, episodes: 4_000 })
    expect(learner.run(Number.POSITIVE_INFINITY)).toMatchObject({ done: true, episodes: 4_000, epsilon: 0.1 })
    expect([...QLearning.greedyPolicy(learner.q, 2)]).toEqual([1, 1, 1, 1, 1])
    const expected = optimal(options.discount)
    // The environment is deterministic, so that the values converge and do not only hover.
    for (let at = 4; at < 10; at++) expect(learner.q[at]).toBeCloseTo(expected[at] as number, 3)
  })

  it("goes over the cliff where that pays best", () => {
    // With every step costing 2, the shortest way out is the best one, reward or not.
    const costly = chain()
    const environment: QLearning.Environment = {
      reset: costly.reset,
      step: (action) => {
        const result = costly.step(action)
        return { ...result, reward: result.terminated ? result.reward : -2 }
      }
    }
    const learner = QLearning.make(environment, { ...options, episodes: 4_000 })
    learner.run(Number.POSITIVE_INFINITY)
    expect([...QLearning.greedyPolicy(learner.q, 2)].slice(0, 2)).toEqual([left, left])
  })

  it("goes on past a truncation and stops at a termination", () => {
    const value = (end: "terminated" | "truncated") => {
      const learner = QLearning.make(oneStep(end), { ...options, states: 1, actions: 1, episodes: 2_000 })
      learner.run(Number.POSITIVE_INFINITY)
      return learner.q[0]
    }
    expect(value("terminated")).toBeCloseTo(1, 9)
    expect(value("truncated")).toBeCloseTo(1 / (1 - options.discount), 9)
  })

  it("gives the same table for the same key, and another for another", () => {
    const table = (key: ReadonlyArray<string | number>) => {
      const learner = QLearning.make(chain(), { ...options, episodes: 50, key })
      learner.run(Number.POSITIVE_INFINITY)
      return { q: learner.q, visits: learner.visits }
    }
    expect(table(["a", 1])).toEqual(table(["a", 1]))
    expect(table(["a", 1])).not.toEqual(table(["a", 2]))
  })

  it("explores an episode by the same stream however long those before it were", () => {
    const secondEpisode = (firstSteps: number) => {
      const taken: Array<number> = []
      let episode = 0
      let steps = 0
      const environment: QLearning.Environment = {
        reset: () => {
          episode++
          steps = 0
          return 0
        },
        step: (action) => {
          if (episode === 2) taken.push(action)
          return {
            state: 0,
            reward: 0,
            terminated: ++steps >= (episode === 1 ? firstSteps : 20),
            truncated: false
          }
        }
      }
      QLearning.make(environment, { ...options, epsilonMin: 1, episodes: 2 }).run(Number.POSITIVE_INFINITY)
      return taken
    }
    expect(secondEpisode(3)).toHaveLength(20)
    expect(secondEpisode(3)).toEqual(secondEpisode(11))
  })

  it("learns the same in slices as in one go", () => {
    const whole = QLearning.make(chain(), { ...options, episodes: 60 })
    whole.run(Number.POSITIVE_INFINITY)
    const sliced = QLearning.make(chain(), { ...options, episodes: 60 })
    let slices = 0
    while (!sliced.run(7).done) slices++
    expect(slices).toBeGreaterThan(10)
    expect(sliced.q).toEqual(whole.q)
    expect(sliced.visits).toEqual(whole.visits)
  })

  it("takes no more steps than it is given, and none once it is done", () => {
    const learner = QLearning.make(chain(), { ...options, episodes: 3 })
    expect(learner.run(1)).toMatchObject({ steps: 1, done: false, episodes: 0 })
    const { steps, lastReturn } = learner.run(Number.POSITIVE_INFINITY)
    expect(Math.abs(lastReturn)).toBeGreaterThan(0.5)
    expect(learner.run(10)).toMatchObject({ steps, done: true, episodes: 3 })
    expect(learner.visits.reduce((sum, count) => sum + count, 0)).toBe(steps)
  })

  it("lets exploration fall from its start to its minimum", () => {
    const learner = QLearning.make(oneStep("terminated"), {
      ...options,
      states: 1,
      epsilonStart: 0.8,
      epsilonDecay: 0.5,
      episodes: 10
    })
    const epsilons = [learner.run(0), learner.run(1), learner.run(1), learner.run(9)].map(
      (progress) => progress.epsilon
    )
    expect(epsilons).toEqual([0.8, 0.4, 0.2, 0.1])
  })

  it("has no favourite among actions of equal worth", () => {
    const indifferent: QLearning.Environment = {
      reset: () => 0,
      step: () => ({ state: 0, reward: 0, terminated: true, truncated: false })
    }
    const greedy = { ...options, states: 1, actions: 3, epsilonStart: 0, epsilonMin: 0, episodes: 3_000 }
    const learner = QLearning.make(indifferent, greedy)
    learner.run(Number.POSITIVE_INFINITY)
    for (const count of learner.visits) expect(Math.abs(count - 1_000)).toBeLessThan(120)
  })

  it("refuses an environment that leaves the table or pays no number, before it learns from it", () => {
    const broken = (change: Partial<QLearning.Transition>) => {
      const environment: QLearning.Environment = {
        reset: () => 0,
        step: () => ({ state: 0, reward: 1, terminated: false, truncated: false, ...change })
      }
      const learner = QLearning.make(environment, { ...options, states: 1, actions: 1 })
      expect(() => learner.run(1)).toThrow(EnvironmentInvalid)
      expect(learner.q[0]).toBe(0)
    }
    broken({ state: 1 })
    broken({ state: -1 })
    broken({ state: Number.NaN })
    broken({ reward: Number.NaN })
    expect(() => QLearning.make({ ...chain(), reset: () => 9 }, options).run(1)).toThrow("the state 9")
  })

  it("refuses options that make no sense, by name", () => {
    expect(() => QLearning.make(chain(), { ...options, learningRate: 0 })).toThrow("learningRate is 0")
    expect(() => QLearning.make(chain(), { ...options, discount: 1.1 })).toThrow("discount is 1.1")
    expect(() => QLearning.make(chain(), { ...options, epsilonDecay: Number.NaN })).toThrow(
      "epsilonDecay is NaN"
    )
  })
})
