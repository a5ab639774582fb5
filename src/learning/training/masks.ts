/**
 * Masks of dropout by counter: each element follows from (seed, step, layer) and its place alone, so that a step can be
 * made again, in any order, on any machine.
 *
 * Two elements take the halves of one 32-bit hash of their place (Wellons' lowbias32, keyed): a rate is met to 1/65,536.
 */
import { keyedRandom } from "../../protocols/wire/KeyedRandom.ts"

/** Fills the target with 0, with the rate's probability, or 1 / (1 - rate). */
export const fillMask = (
  target: Float32Array,
  rate: number,
  seed: number,
  step: number,
  layer: string
): void => {
  const random = keyedRandom(seed, "dropout", layer, step)
  const key = Math.floor(random.next() * 2 ** 32) | 0
  const key2 = Math.floor(random.next() * 2 ** 32) | 0
  const threshold = Math.round(rate * 65_536)
  const kept = 1 / (1 - rate)
  const last = target.length - 1
  for (let i = 0; i <= last; i += 2) {
    let hash = (i >>> 1) ^ key
    hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d)
    hash = Math.imul(hash ^ (hash >>> 15) ^ key2, 0x846ca68b)
    hash ^= hash >>> 16
    target[i] = (hash & 0xffff) < threshold ? 0 : kept
    if (i < last) target[i + 1] = hash >>> 16 < threshold ? 0 : kept
  }
}
