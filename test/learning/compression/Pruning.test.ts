import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { CompressionInvalid } from "../../../src/learning/compression/errors.ts"
import {
  magnitudeMask,
  masked,
  type PruningScope,
  sparsityAfter,
  sparsityOf
} from "../../../src/learning/compression/Pruning.ts"
import type { Manifest } from "../../../src/learning/graph/Parameters.ts"
import { firstParameters, graphsOf, networks } from "./networks.ts"

const entry = (name: string, shape: ReadonlyArray<number>, offset: number, changes = {}) => ({
  name,
  shape,
  offset,
  decay: shape.length > 1,
  frozen: false,
  ...changes
})

/** Two matrices that may be pruned, and three that may not. */
const manifest: Manifest = {
  entries: [
    entry("a", [4, 5], 0),
    entry("bias", [5], 20),
    entry("frozen", [2, 3], 25, { frozen: true }),
    entry("b", [3, 10], 31),
    entry("kept", [2, 2], 61, { decay: false })
  ],
  size: 65
}
const inA = (place: number) => place < 20
const inB = (place: number) => place >= 31 && place < 61

const vector = fc
  .array(fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.integer({ min: -9, max: 9 })), {
    minLength: 65,
    maxLength: 65
  })
  .map((values) => Float32Array.from(values))
/** Not fc.double, of which nearly all are next to 0. */
const share = fc.integer({ min: 0, max: 999 }).map((thousandths) => thousandths / 1_000)
const scopes: ReadonlyArray<PruningScope> = ["global", "layer"]

const zerosAt = (mask: Float32Array) => [...mask.keys()].filter((place) => mask[place] === 0)

describe("a mask by magnitude", () => {
  it("takes exactly the asked share of the matrices, and nothing else", () => {
    fc.assert(
      fc.property(vector, share, (parameters, sparsity) => {
        const global = zerosAt(magnitudeMask(manifest, parameters, { sparsity, scope: "global" }))
        expect(global.length).toBe(Math.round(sparsity * 50))
        expect(global.every((place) => inA(place) || inB(place))).toBe(true)
        const byLayer = zerosAt(magnitudeMask(manifest, parameters, { sparsity, scope: "layer" }))
        expect(byLayer.filter(inA).length).toBe(Math.round(sparsity * 20))
        expect(byLayer.filter(inB).length).toBe(Math.round(sparsity * 30))
        expect(byLayer.every((place) => inA(place) || inB(place))).toBe(true)
      })
    )
  })

  it("takes nothing that is greater than something it leaves, of those that compete", () => {
    fc.assert(
      fc.property(vector, share, fc.constantFrom(...scopes), (parameters, sparsity, scope) => {
        const mask = magnitudeMask(manifest, parameters, { sparsity, scope })
        const groups = scope === "global" ? [(p: number) => inA(p) || inB(p)] : [inA, inB]
        for (const isIn of groups) {
          const places = [...mask.keys()].filter(isIn)
          const sizes = (kept: number) =>
            places
              .filter((place) => mask[place] === kept)
              .map((place) => Math.abs(parameters[place] as number))
          expect(Math.max(0, ...sizes(0))).toBeLessThanOrEqual(
            Math.min(Number.POSITIVE_INFINITY, ...sizes(1))
          )
        }
      })
    )
  })

  it("leaves taken what was taken before, whatever its value has become", () => {
    fc.assert(
      fc.property(vector, vector, share, share, (first, second, a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a]
        const previous = magnitudeMask(manifest, first, { sparsity: low, scope: "global" })
        const next = magnitudeMask(manifest, second, { sparsity: high, scope: "global", previous })
        for (const place of zerosAt(previous)) expect(next[place]).toBe(0)
      })
    )
  })

  it("takes equals by their place", () => {
    const mask = magnitudeMask(manifest, new Float32Array(65).fill(-0.5), { sparsity: 0.1, scope: "global" })
    expect(zerosAt(mask)).toEqual([0, 1, 2, 3, 4])
  })

  it("gives a vector with that many zeros, in every kind of network", () => {
    for (const [name, spec] of networks) {
      const { manifest: own } = graphsOf(spec)
      const parameters = firstParameters(spec, 5)
      for (const scope of scopes) {
        const pruned = masked(parameters, magnitudeMask(own, parameters, { sparsity: 0.7, scope }))
        const { matrices, prunable, zeros } = sparsityOf(own, pruned)
        const expected =
          scope === "global"
            ? Math.round(0.7 * prunable)
            : matrices.reduce((sum, one) => sum + Math.round(0.7 * one.prunable), 0)
        expect(zeros, `${name}, ${scope}`).toBe(expected)
        const changed = parameters.filter((value, i) => value !== pruned[i]).length
        expect(changed, name).toBe(expected)
      }
    }
  })

  it("cannot be asked for with a share that is none, or over another vector", () => {
    const parameters = new Float32Array(65)
    for (const sparsity of [-0.1, 1, Number.NaN]) {
      expect(() => magnitudeMask(manifest, parameters, { sparsity, scope: "global" })).toThrow(
        CompressionInvalid
      )
    }
    const options = { sparsity: 0.5, scope: "global" } as const
    expect(() => magnitudeMask(manifest, new Float32Array(64), options)).toThrow(/64 numbers, not 65/)
    const previous = new Float32Array(3)
    expect(() => magnitudeMask(manifest, parameters, { ...options, previous })).toThrow(/earlier mask/)
  })
})

describe("a schedule of pruning", () => {
  const schedule = { rounds: 4, initialSparsity: 0.2, finalSparsity: 0.9 }

  it("is the cube of Zhu and Gupta: all of what is left is gone at the end", () => {
    expect(sparsityAfter(schedule, 0)).toBeCloseTo(0.2, 12)
    expect(sparsityAfter(schedule, 1)).toBeCloseTo(0.9 - 0.7 * 0.75 ** 3, 12)
    expect(sparsityAfter(schedule, 4)).toBe(0.9)
    expect(sparsityAfter(schedule, 5)).toBe(0.9)
  })

  it("only ever takes more, and less in each round than in the one before", () => {
    const all = [0, 1, 2, 3, 4].map((round) => sparsityAfter(schedule, round))
    const taken = all.slice(1).map((one, i) => one - (all[i] as number))
    expect(taken.every((one) => one > 0)).toBe(true)
    expect(taken).toEqual([...taken].sort((a, b) => b - a))
  })

  it("is refused where it is none", () => {
    expect(() => sparsityAfter({ ...schedule, rounds: 0 }, 1)).toThrow(CompressionInvalid)
    expect(() => sparsityAfter({ ...schedule, finalSparsity: 1 }, 1)).toThrow(CompressionInvalid)
    expect(() => sparsityAfter({ ...schedule, initialSparsity: -1 }, 1)).toThrow(CompressionInvalid)
  })
})
