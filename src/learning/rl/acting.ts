/**
 * Acting in a vector environment: what a learner needs of its action space and of a step.
 *
 * What can go wrong: numbers that are not finite. `checkStep` throws EnvironmentInvalid before anybody learns from them.
 */
import type { Actions, VectorEnvironment } from "../../protocols/VectorEnvironment.ts"
import { EnvironmentInvalid } from "../errors.ts"

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
