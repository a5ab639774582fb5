/**
 * CartPole-v1: a pole on a cart that is pushed to the left or to the right (Barto, Sutton and Anderson, Neuronlike Adaptive
 * Elements That Can Solve Difficult Learning Control Problems, 1983), with Gymnasium's constants: Euler steps of 20 ms, 1 for
 * each step, terminated beyond 2.4 m or 12 degrees, truncated after 500 steps, every number at first uniform in +-0.05.
 *
 * Observation: position (m), velocity (m/s), angle (rad), angular velocity (rad/s). Actions: 0 left, 1 right.
 *
 * Invariants: equal keys and actions give equal episodes; how an episode begins follows from (key, row, episode) alone.
 */
import type { VectorEnvironment } from "../../protocols/VectorEnvironment.ts"
import { keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import { EnvironmentInvalid } from "../errors.ts"

const gravity = 9.8
const cartMass = 1
const poleMass = 0.1
const totalMass = cartMass + poleMass
/** Metres, half of the pole. */
const halfLength = 0.5
const poleMassLength = poleMass * halfLength
/** Newtons. */
const force = 10
const secondsPerStep = 0.02
const positionMax = 2.4
const angleMax = (12 * 2 * Math.PI) / 360
const startMax = 0.05
export const cartPoleStepsMax = 500
const size = 4

export const cartPole = (environments: number, key: ReadonlyArray<string | number>): VectorEnvironment => {
  /** [environments, 4] */
  const states = new Float64Array(environments * size)
  const steps = new Int32Array(environments)
  const episodes = new Int32Array(environments)
  const observations = new Float32Array(environments * size)
  const finalObservations = new Float32Array(environments * size)
  const rewards = new Float64Array(environments)
  const terminated = new Uint8Array(environments)
  const truncated = new Uint8Array(environments)

  const begin = (row: number) => {
    const random = keyedRandom(...key, "cart-pole", row, episodes[row] as number)
    for (let k = 0; k < size; k++) states[row * size + k] = (2 * random.next() - 1) * startMax
    episodes[row] = (episodes[row] as number) + 1
    steps[row] = 0
  }

  const advance = (row: number, push: number) => {
    const at = row * size
    const position = states[at] as number
    const velocity = states[at + 1] as number
    const angle = states[at + 2] as number
    const spin = states[at + 3] as number
    const sine = Math.sin(angle)
    const cosine = Math.cos(angle)
    // Florian, Correct equations for the dynamics of the cart-pole system (2007), without friction.
    const shared = (push + poleMassLength * spin ** 2 * sine) / totalMass
    const spinChange =
      (gravity * sine - cosine * shared) / (halfLength * (4 / 3 - (poleMass * cosine ** 2) / totalMass))
    const velocityChange = shared - (poleMassLength * spinChange * cosine) / totalMass
    states[at] = position + secondsPerStep * velocity
    states[at + 1] = velocity + secondsPerStep * velocityChange
    states[at + 2] = angle + secondsPerStep * spin
    states[at + 3] = spin + secondsPerStep * spinChange
  }

  return {
    environments,
    observationSpace: { size, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY },
    actionSpace: { kind: "discrete", actions: 2 },
    observations,
    rewards,
    terminated,
    truncated,
    finalObservations,
    reset: () => {
      for (let row = 0; row < environments; row++) begin(row)
      observations.set(states)
      rewards.fill(0)
      terminated.fill(0)
      truncated.fill(0)
    },
    step: (actions) => {
      for (let row = 0; row < environments; row++) {
        if (actions[row] === 0 || actions[row] === 1) continue
        throw new EnvironmentInvalid({
          reason: `row ${row} was given the action ${actions[row]}, not 0 or 1`
        })
      }
      for (let row = 0; row < environments; row++) {
        const at = row * size
        advance(row, actions[row] === 1 ? force : -force)
        steps[row] = (steps[row] as number) + 1
        rewards[row] = 1
        const isDown =
          Math.abs(states[at] as number) > positionMax || Math.abs(states[at + 2] as number) > angleMax
        const isOver = (steps[row] as number) >= cartPoleStepsMax
        terminated[row] = isDown ? 1 : 0
        truncated[row] = isOver ? 1 : 0
        if (isDown || isOver) {
          for (let k = at; k < at + size; k++) finalObservations[k] = states[k] as number
          begin(row)
        }
        for (let k = at; k < at + size; k++) observations[k] = states[k] as number
      }
    }
  }
}
