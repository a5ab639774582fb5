/** What the algorithms tell while they learn, and what they come to. */
import type { Manifest } from "../graph/Parameters.ts"

export interface Progress {
  /** Of the environment, all rows together. */
  readonly steps: number
  /** Ended ones. */
  readonly episodes: number
  readonly updates: number
  /** Mean of the returns of the latest hundred; null before the first has ended. */
  readonly meanReturn: number | null
  /** Of the last updates; null before the first. */
  readonly loss: number | null
  /**
   * How much it still tries: of action values the share of actions at random; of a policy its entropy in nats, the mean of
   * -log p(a | s) over the latest rollout, null before the first is full.
   */
  readonly exploration: number | null
}

/** A network that has learned, as it acts and is served. */
export interface Trained<Network> {
  readonly reason: "steps" | "diverged"
  readonly network: Network
  readonly manifest: Manifest
  /** Flat, in the order of the manifest. */
  readonly parameters: Float32Array
  /** 0 where nothing was learned: the parameters are then the first ones. */
  readonly updates: number
  readonly steps: number
  readonly episodes: number
  readonly meanReturn: number | null
}

/**
 * Of several that learned the one with the best mean return while it did; among equals the first. One that diverged only where
 * all have.
 */
export const bestOf = <Network>(all: ReadonlyArray<Trained<Network>>): Trained<Network> => {
  const sound = all.filter(({ reason }) => reason !== "diverged")
  const worth = ({ meanReturn }: Trained<Network>) => meanReturn ?? Number.NEGATIVE_INFINITY
  return (sound.length > 0 ? sound : all).reduce((best, one) => (worth(one) > worth(best) ? one : best))
}
