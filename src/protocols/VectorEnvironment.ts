/**
 * What a policy acts and learns in: several copies of one environment, stepped together, in Gymnasium's words (Towers et al.,
 * Gymnasium: A Standard Interface for Reinforcement Learning Environments, 2024). The market makes some, the learners act in
 * them, and neither knows the other. All is in typed arrays that belong to the environment and are written anew by every
 * step.
 *
 * Same-step autoreset: a row whose episode ends in a step stands at the beginning of its next one when `step` returns. Its
 * reward and flags are those of the step, and the observation that the episode ended on is in `finalObservations`: a learner
 * estimates what follows from there where the row was truncated, and takes nothing to follow where it was terminated.
 */

export type ActionSpace =
  | { readonly kind: "discrete"; readonly actions: number }
  | { readonly kind: "box"; readonly size: number; readonly low: number; readonly high: number }

export interface ObservationSpace {
  readonly size: number
  readonly low: number
  readonly high: number
}

/** Of all rows. Discrete: Int32Array [environments]; box: Float32Array [environments, size]. */
export type Actions = Int32Array | Float32Array

export interface VectorEnvironment {
  /** Rows. */
  readonly environments: number
  readonly observationSpace: ObservationSpace
  readonly actionSpace: ActionSpace
  /** [environments, observation size], row-major, written anew by `reset` and `step`. */
  readonly observations: Float32Array
  /** [environments] */
  readonly rewards: Float64Array
  /** [environments]; 1 where the episode came to its end: nothing follows. */
  readonly terminated: Uint8Array
  /** [environments]; 1 where the episode was cut off: something would have followed. */
  readonly truncated: Uint8Array
  /** [environments, observation size]; of the rows that ended in this step the last observation, else unspecified. */
  readonly finalObservations: Float32Array
  /** All rows anew. */
  readonly reset: () => void
  /** Makes no objects. */
  readonly step: (actions: Actions) => void
}
