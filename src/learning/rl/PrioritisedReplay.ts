/**
 * A memory of transitions, the oldest forgotten first, from which they are drawn in proportion to what was last learned
 * from them (Schaul et al., Prioritized Experience Replay, 2016, section 3.3):
 *
 *   P(i) = p_i / sum of p,  p_i = (|error_i| + 1e-6) ^ exponent
 *   w_i  = (size * P(i)) ^ -importance, divided by the largest of the batch
 *
 * What is new gets the largest priority that there was, so that all is seen. A batch is drawn stratified: one row from each
 * of its equal shares of the mass. An exponent of 0 draws uniformly.
 *
 * Invariants: an error goes to the transition that it was computed of, never to one that has taken its slot since;
 * equal transitions, errors and random streams give equal batches.
 */
import type { KeyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import type { TakeTransition } from "./NStepReturns.ts"
import { makeSumTree } from "./SumTree.ts"

/** Rows that were drawn, [rows] each. */
export interface Drawn {
  readonly slots: Int32Array
  /** Which of the transitions that have been in the slot. */
  readonly generations: Int32Array
  readonly weights: Float32Array
}

export interface PrioritisedReplay {
  readonly size: () => number
  readonly add: TakeTransition
  /** So many batches of so many rows, one after the other; the weights are relative within each. */
  readonly draw: (batches: number, rows: number, importance: number, random: KeyedRandom) => Drawn
  /** Errors of drawn rows, of either sign. */
  readonly learned: (drawn: Drawn, errors: ArrayLike<number>) => void
  /** [capacity, observation size] */
  readonly observations: Float32Array
  readonly nextObservations: Float32Array
  /** [capacity] */
  readonly actions: Int32Array
  readonly gains: Float32Array
  readonly discounts: Float32Array
}

const errorMin = 1e-6

export const makePrioritisedReplay = (options: {
  readonly capacity: number
  readonly observations: number
  readonly exponent: number
}): PrioritisedReplay => {
  const { capacity, exponent, observations: width } = options
  const tree = makeSumTree(capacity)
  const observations = new Float32Array(capacity * width)
  const nextObservations = new Float32Array(capacity * width)
  const actions = new Int32Array(capacity)
  const gains = new Float32Array(capacity)
  const discounts = new Float32Array(capacity)
  const generations = new Int32Array(capacity)
  let size = 0
  let next = 0
  let highest = 1

  return {
    size: () => size,
    observations,
    nextObservations,
    actions,
    gains,
    discounts,
    add: (from, at, action, gain, after, afterAt, discount) => {
      const base = next * width
      for (let k = 0; k < width; k++) {
        observations[base + k] = from[at + k] as number
        nextObservations[base + k] = after[afterAt + k] as number
      }
      actions[next] = action
      gains[next] = gain
      discounts[next] = discount
      generations[next] = (generations[next] as number) + 1
      tree.set(next, highest)
      next = (next + 1) % capacity
      size = Math.min(capacity, size + 1)
    },
    draw: (batches, rows, importance, random) => {
      if (size === 0) throw new RangeError("nothing can be drawn from an empty memory")
      const slots = new Int32Array(batches * rows)
      const weights = new Float32Array(batches * rows)
      const total = tree.total()
      for (let batch = 0; batch < batches; batch++) {
        let largest = 0
        for (let row = 0; row < rows; row++) {
          const at = batch * rows + row
          const slot = tree.find(((row + random.next()) / rows) * total)
          const weight = ((size * tree.weight(slot)) / total) ** -importance
          slots[at] = slot
          weights[at] = weight
          largest = Math.max(largest, weight)
        }
        for (let at = batch * rows; at < (batch + 1) * rows; at++)
          weights[at] = (weights[at] as number) / largest
      }
      return { slots, weights, generations: slots.map((slot) => generations[slot] as number) }
    },
    learned: (drawn, errors) => {
      for (let i = 0; i < drawn.slots.length; i++) {
        const slot = drawn.slots[i] as number
        if (generations[slot] !== drawn.generations[i]) continue
        const priority = (Math.abs(errors[i] as number) + errorMin) ** exponent
        highest = Math.max(highest, priority)
        tree.set(slot, priority)
      }
    }
  }
}
