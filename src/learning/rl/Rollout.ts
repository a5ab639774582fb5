/**
 * A stretch of steps of all rows, acted by one policy: what an actor-critic learns from, and then forgets.
 *
 * Invariant: of a row that ended, what follows is that of `finalObservations`, and nothing where it terminated.
 */
import type { VectorEnvironment } from "../../protocols/VectorEnvironment.ts"
import type { KeyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import { actionsFor, hasEnded } from "./acting.ts"
import type { Course } from "./advantages.ts"
import type { Episodes } from "./Episodes.ts"
import { type Actor, type PolicySpec, policyWidth } from "./Policy.ts"

export interface Rollout extends Course {
  /** [steps, environments, observation size] */
  readonly observations: Float32Array
  /** [steps, environments, width], as the graph takes it. */
  readonly taken: Float32Array
  /** [steps, environments], of what was taken by the policy that acted. */
  readonly logProbabilities: Float32Array
  /** Acts one step in all rows; the next rollout begins where this one is full. */
  readonly step: (parameters: Float32Array, random: KeyedRandom) => void
  readonly isFull: () => boolean
  /** Of the policy over the latest whole rollout, in nats, by what it drew; null before the first. */
  readonly entropy: () => number | null
}

export const makeRollout = (options: {
  readonly environment: VectorEnvironment
  readonly policy: PolicySpec
  readonly actor: Actor
  readonly steps: number
  readonly episodes: Episodes
}): Rollout => {
  const { actor, environment, episodes, policy, steps } = options
  const { environments } = environment
  const width = environment.observationSpace.size
  const rows = steps * environments
  const observations = new Float32Array(rows * width)
  const taken = new Float32Array(rows * policyWidth(policy))
  const logProbabilities = new Float32Array(rows)
  const rewards = new Float64Array(rows)
  const values = new Float32Array(rows)
  const nextValues = new Float32Array(rows)
  const ended = new Uint8Array(rows)
  const actions = actionsFor(environment)
  const current = new Float32Array(environments)
  const following = new Float32Array(environments)
  const final = new Float32Array(environments)
  let at = 0
  let entropy: number | null = null

  return {
    steps,
    environments,
    observations,
    taken,
    logProbabilities,
    rewards,
    values,
    nextValues,
    ended,
    isFull: () => at === rows,
    entropy: () => entropy,
    step: (parameters, random) => {
      if (at === rows) at = 0
      // The parameters may have changed since the last rollout.
      if (at === 0) actor.values(parameters, environment.observations, environments, following)
      current.set(following)
      observations.set(environment.observations, at * width)
      actor.draw(parameters, environment.observations, random, actions, taken, logProbabilities, at)
      environment.step(actions)
      episodes.note(environment)
      actor.values(parameters, environment.observations, environments, following)
      if (environment.truncated.includes(1)) {
        actor.values(parameters, environment.finalObservations, environments, final)
      }
      for (let row = 0; row < environments; row++) {
        const isEnded = hasEnded(environment, row)
        const lastWorth = environment.terminated[row] === 1 ? 0 : (final[row] as number)
        rewards[at + row] = environment.rewards[row] as number
        values[at + row] = current[row] as number
        nextValues[at + row] = isEnded ? lastWorth : (following[row] as number)
        ended[at + row] = isEnded ? 1 : 0
      }
      at += environments
      if (at === rows) entropy = -logProbabilities.reduce((sum, one) => sum + one, 0) / rows
    }
  }
}
