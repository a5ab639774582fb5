/**
 * Gathers the steps of each row into transitions of n steps (Sutton, Learning to Predict by the Methods of Temporal
 * Differences, 1988):
 *
 *   return   = r_t + g r_(t+1) + ... + g^(m-1) r_(t+m-1),  m = n, or fewer where the episode ends before
 *   discount = g^m, by which what the state after them is worth counts; 0 where the episode terminated there
 *
 * A truncated episode keeps its discount: its last state, the observation before the reset, is still worth something
 * (Pardo et al., Time Limits in Reinforcement Learning, 2018).
 *
 * Invariants: no transition reaches over the end of an episode; every step begins exactly one transition.
 */
import type { VectorEnvironment } from "../../protocols/VectorEnvironment.ts"
import { hasEnded } from "./acting.ts"

/** Takes a transition: what it is given lies in larger arrays, at the offsets. */
export type TakeTransition = (
  observations: Float32Array,
  at: number,
  action: number,
  gain: number,
  next: Float32Array,
  nextAt: number,
  discount: number
) => void

export interface NStepReturns {
  /** What came of the actions that were taken on the observations before the step. */
  readonly push: (before: Float32Array, actions: Int32Array, environment: VectorEnvironment) => void
}

export const makeNStepReturns = (options: {
  readonly environments: number
  readonly observations: number
  readonly steps: number
  readonly discount: number
  readonly take: TakeTransition
}): NStepReturns => {
  const { discount, environments, observations: size, steps, take } = options
  // Of each row a ring of its last steps.
  const observations = new Float32Array(environments * steps * size)
  const actions = new Int32Array(environments * steps)
  const rewards = new Float64Array(environments * steps)
  /** Slot of the oldest step that has not begun a transition, and how many there are. */
  const oldest = new Int32Array(environments)
  const counts = new Int32Array(environments)

  const giveOldest = (row: number, next: Float32Array, isTerminal: boolean) => {
    const first = oldest[row] as number
    const count = counts[row] as number
    let gain = 0
    for (let i = count - 1; i >= 0; i--) {
      gain = (rewards[row * steps + ((first + i) % steps)] as number) + discount * gain
    }
    const slot = row * steps + first
    const worth = isTerminal ? 0 : discount ** count
    take(observations, slot * size, actions[slot] as number, gain, next, row * size, worth)
    oldest[row] = (first + 1) % steps
    counts[row] = count - 1
  }

  return {
    push: (before, taken, environment) => {
      for (let row = 0; row < environments; row++) {
        const slot = row * steps + (((oldest[row] as number) + (counts[row] as number)) % steps)
        for (let k = 0; k < size; k++) observations[slot * size + k] = before[row * size + k] as number
        actions[slot] = taken[row] as number
        rewards[slot] = environment.rewards[row] as number
        counts[row] = (counts[row] as number) + 1
        if (hasEnded(environment, row)) {
          const isTerminal = environment.terminated[row] === 1
          while ((counts[row] as number) > 0) giveOldest(row, environment.finalObservations, isTerminal)
        } else if (counts[row] === steps) giveOldest(row, environment.observations, false)
      }
    }
  }
}
