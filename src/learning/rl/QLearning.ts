/**
 * Tabular Q-learning (Watkins, Learning from Delayed Rewards, 1989; Sutton and Barto, Reinforcement Learning,
 * 2nd edition, section 6.5), in an environment that speaks Gymnasium's words.
 *
 *   Q(s, a) += learningRate * (reward + discount * max over a' of Q(s', a') - Q(s, a))
 *
 * A terminal state is worth nothing, so that nothing follows the reward. A truncated episode goes on where
 * nobody looks: its last state keeps its worth (Pardo et al., Time Limits in Reinforcement Learning, 2018).
 *
 * Training runs in slices, between which the caller may do something else: how it is cut changes nothing.
 *
 * What can go wrong: an environment that gives a state outside the table or a reward that is not finite
 * throws EnvironmentInvalid before the table is touched. An environment that never ends an episode never
 * ends training.
 * Invariants: equal key, options and environment give equal tables; each episode explores by a stream of
 * its own, so that its exploration does not depend on how long the others were.
 */
import { keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import { EnvironmentInvalid } from "../errors.ts"
import { greedyActions } from "./acting.ts"

/** What a step leads to. The environment may hand out the same object every time. */
export interface Transition {
  readonly state: number
  readonly reward: number
  /** The episode has come to its end: nothing follows. */
  readonly terminated: boolean
  /** The episode was cut off: something would have followed. */
  readonly truncated: boolean
}

/** States and actions are integers from 0. */
export interface Environment {
  readonly reset: () => number
  readonly step: (action: number) => Transition
}

export interface QLearningOptions {
  readonly states: number
  readonly actions: number
  /** In (0, 1]. */
  readonly learningRate: number
  /** In [0, 1]. */
  readonly discount: number
  /** Share of actions taken at random: max(epsilonMin, epsilonStart * epsilonDecay ^ episode). */
  readonly epsilonStart: number
  readonly epsilonMin: number
  readonly epsilonDecay: number
  readonly episodes: number
  /** Names the random streams. */
  readonly key: ReadonlyArray<string | number>
}

export interface TrainingProgress {
  readonly done: boolean
  /** Finished ones. */
  readonly episodes: number
  readonly steps: number
  /** Share of random actions in the current episode. */
  readonly epsilon: number
  /** Sum of the rewards of the last finished episode; 0 before there is one. */
  readonly lastReturn: number
}

export interface QLearning {
  /** Action values [states, actions], row-major; grows better while training runs. */
  readonly q: Float64Array
  /** How often each action was taken in each state, [states, actions]. */
  readonly visits: Uint32Array
  /** Takes at most this many steps; does nothing once all episodes are done. */
  readonly run: (stepsMax: number) => TrainingProgress
}

export const make = (environment: Environment, options: QLearningOptions): QLearning => {
  check(options)
  const { states, actions, learningRate, discount, epsilonStart, epsilonMin, epsilonDecay } = options
  const q = new Float64Array(states * actions)
  const visits = new Uint32Array(states * actions)

  let episode = 0
  let steps = 0
  let epsilon = Math.max(epsilonMin, epsilonStart)
  let random = keyedRandom(...options.key, "q-learning", episode)
  let episodeReturn = 0
  let lastReturn = 0
  /** -1 between episodes. */
  let state = -1

  const checkState = (given: number): number => {
    if (Number.isInteger(given) && given >= 0 && given < states) return given
    throw new EnvironmentInvalid({ reason: `it gave the state ${given}, and there are ${states}` })
  }

  const bestValue = (of: number): number => {
    let best = q[of * actions] as number
    for (let action = 1; action < actions; action++) best = Math.max(best, q[of * actions + action] as number)
    return best
  }

  /** Among equals one at random, so that a state never seen has no favourite. */
  const greedyAction = (of: number): number => {
    let best = 0
    let equals = 1
    for (let action = 1; action < actions; action++) {
      const value = q[of * actions + action] as number
      const highest = q[of * actions + best] as number
      if (value > highest) {
        best = action
        equals = 1
      } else if (value === highest) {
        equals++
        if (random.int(equals) === 0) best = action
      }
    }
    return best
  }

  const step = (): void => {
    if (state < 0) state = checkState(environment.reset())
    const action = random.next() < epsilon ? random.int(actions) : greedyAction(state)
    const { state: given, reward, terminated, truncated } = environment.step(action)
    const next = checkState(given)
    if (!Number.isFinite(reward)) throw new EnvironmentInvalid({ reason: `it gave the reward ${reward}` })

    const target = reward + (terminated ? 0 : discount * bestValue(next))
    const at = state * actions + action
    q[at] = (q[at] as number) + learningRate * (target - (q[at] as number))
    visits[at] = (visits[at] as number) + 1
    steps++
    episodeReturn += reward
    state = next

    if (terminated || truncated) {
      episode++
      epsilon = Math.max(epsilonMin, epsilonStart * epsilonDecay ** episode)
      random = keyedRandom(...options.key, "q-learning", episode)
      lastReturn = episodeReturn
      episodeReturn = 0
      state = -1
    }
  }

  return {
    q,
    visits,
    run: (stepsMax) => {
      for (let taken = 0; taken < stepsMax && episode < options.episodes; taken++) step()
      return { done: episode >= options.episodes, episodes: episode, steps, epsilon, lastReturn }
    }
  }
}

/** The best action of every state; among equals the first. */
export const greedyPolicy = (q: Float64Array, actions: number): Int32Array => {
  const policy = new Int32Array(q.length / actions)
  greedyActions(q, actions, policy)
  return policy
}

const check = (options: QLearningOptions): void => {
  const within = (name: keyof QLearningOptions, low: number, high: number) => {
    const value = options[name] as number
    if (!(value >= low && value <= high))
      throw new RangeError(`${name} is ${value}, not in [${low}, ${high}]`)
  }
  within("states", 1, 2 ** 24)
  within("actions", 1, 1_000)
  within("learningRate", Number.MIN_VALUE, 1)
  within("discount", 0, 1)
  within("epsilonStart", 0, 1)
  within("epsilonMin", 0, 1)
  within("epsilonDecay", 0, 1)
  within("episodes", 0, Number.MAX_SAFE_INTEGER)
}
