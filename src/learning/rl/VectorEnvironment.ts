/**
 * What a learner acts in: several copies of one environment, stepped together, in Gymnasium's words (Towers et al.,
 * Gymnasium: A Standard Interface for Reinforcement Learning Environments, 2024). All is in typed arrays that belong to the
 * environment and are written anew by every step.
 *
 * Rows end by themselves and begin anew in the same step: `observations` then has the first of the new episode and
 * `finalObservations` the last of the old one. An episode that has terminated is worth nothing from there on; one that was
 * only cut off goes on where nobody looks, and its last state keeps its worth.
 *
 * What can go wrong: numbers that are not finite. `checkStep` throws EnvironmentInvalid before anybody learns from them.
 */
import { EnvironmentInvalid } from "../errors.ts"

export type ActionSpace =
  | { readonly kind: "discrete"; readonly actions: number }
  | { readonly kind: "box"; readonly size: number; readonly low: number; readonly high: number }

export interface ObservationSpace {
  readonly size: number
  readonly low: number
  readonly high: number
}

export interface VectorEnvironment {
  readonly environments: number
  readonly observationSpace: ObservationSpace
  readonly actionSpace: ActionSpace
  /** [environments, observation size], row-major, written anew by reset and step. */
  readonly observations: Float32Array
  /** [environments] */
  readonly rewards: Float64Array
  /** [environments] */
  readonly terminated: Uint8Array
  /** [environments] */
  readonly truncated: Uint8Array
  /** Where a row ended in this step, the observation before its reset; other rows are unspecified. */
  readonly finalObservations: Float32Array
  readonly reset: () => void
  /** Discrete: Int32Array [environments]; box: Float32Array [environments, size]. */
  readonly step: (actions: Int32Array | Float32Array) => void
}

/** What `step` takes. */
export type Actions = Int32Array | Float32Array

/** Chooses actions for rows of observations. */
export type Act = (observations: Float32Array, actions: Actions) => void

export const actionsFor = ({ actionSpace, environments }: VectorEnvironment): Actions =>
  actionSpace.kind === "discrete"
    ? new Int32Array(environments)
    : new Float32Array(environments * actionSpace.size)

/** The action of the highest number in each row [actions]; among equals the first. */
export const greedyActions = (values: ArrayLike<number>, actions: number, out: Actions): void => {
  for (let row = 0; row < out.length; row++) {
    let best = 0
    for (let a = 1; a < actions; a++) {
      if ((values[row * actions + a] as number) > (values[row * actions + best] as number)) best = a
    }
    out[row] = best
  }
}

/** Whether a row's episode came to its end in the last step. */
export const hasEnded = ({ terminated, truncated }: VectorEnvironment, row: number): boolean =>
  terminated[row] === 1 || truncated[row] === 1

/** How many actions there are; a box has none that could be counted. */
export const actionsOf = ({ actionSpace }: VectorEnvironment): number => {
  if (actionSpace.kind === "discrete") return actionSpace.actions
  throw new EnvironmentInvalid({ reason: "its actions are continuous, and the learner chooses among a few" })
}

/** Refuses a step that nothing can be learned from. */
export const checkStep = ({ observations, rewards }: VectorEnvironment): void => {
  for (let row = 0; row < rewards.length; row++) {
    if (!Number.isFinite(rewards[row]))
      throw new EnvironmentInvalid({ reason: `it gave the reward ${rewards[row]}` })
  }
  for (let i = 0; i < observations.length; i++) {
    if (!Number.isFinite(observations[i]))
      throw new EnvironmentInvalid({ reason: `it gave the observation ${observations[i]}` })
  }
}
