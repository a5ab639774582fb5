/**
 * An environment of one row as a table sees it: every number of an observation falls into a bin between rising thresholds,
 * and the bins together are the state. What falls into the same bins is one to the table, whatever the difference.
 *
 * What can go wrong: more rows than one, thresholds of other than the observed numbers, or continuous actions throw
 * EnvironmentInvalid.
 */
import type { VectorEnvironment } from "../../protocols/VectorEnvironment.ts"
import { EnvironmentInvalid } from "../errors.ts"
import { discretise, marketStates } from "../QTableOpinion.ts"
import { type Act, actionsFor, actionsOf, hasEnded } from "./acting.ts"
import { type Environment, greedyPolicy } from "./QLearning.ts"

/** Of every number of an observation, rising; none leaves the number out. */
export type Thresholds = ReadonlyArray<ReadonlyArray<number>>

export interface BinnedEnvironment extends Environment {
  readonly states: number
  readonly actions: number
}

export const binnedEnvironment = (
  environment: VectorEnvironment,
  thresholds: Thresholds
): BinnedEnvironment => {
  const { environments, finalObservations, observationSpace, observations, rewards } = environment
  if (environments !== 1)
    throw new EnvironmentInvalid({ reason: `it has ${environments} rows, and a table learns of 1` })
  if (thresholds.length !== observationSpace.size) {
    const reason = `it shows ${observationSpace.size} numbers, and there are thresholds of ${thresholds.length}`
    throw new EnvironmentInvalid({ reason })
  }
  const taken = actionsFor(environment)
  const transition = { state: 0, reward: 0, terminated: false, truncated: false }
  let isBegun = false
  return {
    states: marketStates(thresholds),
    actions: actionsOf(environment),
    // After the first episode the environment has begun the next one by itself.
    reset: () => {
      if (!isBegun) environment.reset()
      isBegun = true
      return discretise(thresholds, observations)
    },
    step: (action) => {
      taken[0] = action
      environment.step(taken)
      transition.state = discretise(thresholds, hasEnded(environment, 0) ? finalObservations : observations)
      transition.reward = rewards[0] as number
      transition.terminated = environment.terminated[0] === 1
      transition.truncated = environment.truncated[0] === 1
      return transition
    }
  }
}

/** Acts by a table [states, actions], and never at random. */
export const actByTable = (thresholds: Thresholds, q: Float64Array): Act => {
  const width = thresholds.length
  const best = greedyPolicy(q, q.length / marketStates(thresholds))
  return (observations, actions) => {
    for (let row = 0; row < actions.length; row++) {
      const state = discretise(thresholds, observations.subarray(row * width, (row + 1) * width))
      actions[row] = best[state] as number
    }
  }
}
