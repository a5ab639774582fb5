/**
 * Random numbers by key. Every stream is named by what it is for (seed, agent, instrument, as-of, purpose), so
 * that drawing more in one place changes nothing in another, and a run can be taken up anywhere.
 *
 * The generator is sfc32 (Chris Doty-Humphrey, PractRand), seeded with the SHA-256 of the key.
 */
import { createHash } from "node:crypto"

export interface KeyedRandom {
  /** Uniform in [0, 1), 53 bits. */
  readonly next: () => number
  /** Uniform integer in [0, n). */
  readonly int: (n: number) => number
  /** Standard normal (Box-Muller). */
  readonly normal: () => number
  /** Student's t with `degrees` degrees of freedom, scaled to unit variance (degrees > 2). */
  readonly studentT: (degrees: number) => number
}

export const keyedRandom = (...key: ReadonlyArray<string | number>): KeyedRandom => {
  const seed = createHash("sha256").update(JSON.stringify(key)).digest()
  let a = seed.readInt32LE(0)
  let b = seed.readInt32LE(4)
  let c = seed.readInt32LE(8)
  let counter = seed.readInt32LE(12)
  const next32 = (): number => {
    const out = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + out) | 0
    return out >>> 0
  }
  const next = () => ((next32() >>> 5) * 67_108_864 + (next32() >>> 6)) / 9_007_199_254_740_992
  let spare: number | undefined
  const normal = () => {
    if (spare !== undefined) {
      const value = spare
      spare = undefined
      return value
    }
    // 1 - next() lies in (0, 1]: its logarithm is finite.
    const radius = Math.sqrt(-2 * Math.log(1 - next()))
    const angle = 2 * Math.PI * next()
    spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }
  return {
    next,
    int: (n) => Math.floor(next() * n),
    normal,
    studentT: (degrees) => {
      let chiSquared = 0
      for (let i = 0; i < degrees; i++) chiSquared += normal() ** 2
      return (normal() / Math.sqrt(chiSquared / degrees)) * Math.sqrt((degrees - 2) / degrees)
    }
  }
}
