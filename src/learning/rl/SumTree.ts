/**
 * Weights by which slots are drawn in proportion, in a binary tree of sums: setting one and finding one take log2(slots)
 * steps (Schaul et al., Prioritized Experience Replay, 2016, appendix B.2.1).
 *
 * What can go wrong: a weight that is negative or not finite, a slot out of range throw RangeError.
 * Invariants: each inner node is exactly the sum of its two children, made anew from them and never by adding differences,
 * so that no rounding gathers over the years; a slot of weight 0 is never found while another has one.
 */
export interface SumTree {
  readonly set: (slot: number, weight: number) => void
  readonly weight: (slot: number) => number
  readonly total: () => number
  /** The slot at which the running sum of the weights passes `mass`, in [0, total). */
  readonly find: (mass: number) => number
}

export const makeSumTree = (slots: number): SumTree => {
  if (!(Number.isInteger(slots) && slots > 0)) throw new RangeError(`a tree of ${slots} slots cannot be made`)
  const leaves = 2 ** Math.ceil(Math.log2(slots))
  /** Node i has the children 2i and 2i + 1; the root is 1. */
  const sums = new Float64Array(2 * leaves)
  return {
    set: (slot, weight) => {
      if (!(slot >= 0 && slot < slots)) throw new RangeError(`there is no slot ${slot} of ${slots}`)
      if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY)) throw new RangeError(`a weight is ${weight}`)
      let node = leaves + slot
      sums[node] = weight
      for (node >>= 1; node > 0; node >>= 1) {
        sums[node] = (sums[2 * node] as number) + (sums[2 * node + 1] as number)
      }
    },
    weight: (slot) => sums[leaves + slot] as number,
    total: () => sums[1] as number,
    find: (mass) => {
      let node = 1
      let rest = mass
      while (node < leaves) {
        const left = sums[2 * node] as number
        // Rounding may leave a rest beyond the right side: nothing lies there then.
        if (rest < left || sums[2 * node + 1] === 0) node = 2 * node
        else {
          rest -= left
          node = 2 * node + 1
        }
      }
      return node - leaves
    }
  }
}
