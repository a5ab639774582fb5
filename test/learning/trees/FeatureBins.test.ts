import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { runThrough } from "../../../src/learning/steps.ts"
import { binFeatures, type FeatureBins } from "../../../src/learning/trees/FeatureBins.ts"

const binned = (column: ReadonlyArray<number>, bins = 256): FeatureBins =>
  Either.getOrThrow(runThrough(binFeatures(column, 1, ["x"], bins)))

const cutsOf = (column: ReadonlyArray<number>, bins = 256) => [
  ...(binned(column, bins).cuts[0] as Float32Array)
]

const anyColumn = fc.array(
  fc.oneof(
    fc.integer({ min: -5, max: 5 }),
    fc.float({ noDefaultInfinity: true }),
    fc.constantFrom(3.4028234663852886e38, -3.4028234663852886e38, 1e-45, -0, 0.1)
  ),
  { minLength: 1, maxLength: 60 }
)
const anyBins = fc.integer({ min: 3, max: 20 })

describe("binFeatures", () => {
  it("gives every value a bin of its own where there are enough, and cuts half-way", () => {
    expect(cutsOf([3, 1, 2, 1])).toEqual([1.5, 2.5])
    expect([...binned([3, 1, 2, 1]).codes]).toEqual([2, 0, 1, 0])
    expect(cutsOf([7, 7])).toEqual([])
    // Neighbours in float32 have nothing half-way: the cut is the upper one, which its own row is not below.
    expect(cutsOf([1, 1 + 2 ** -23])).toEqual([1 + 2 ** -23])
  })

  it("gives what is missing the last bin, and a cut above all that is not", () => {
    const { codes, cuts, missingCode, offsets } = binned([1, Number.NaN, 2])
    expect([...(cuts[0] as Float32Array)]).toEqual([1.5, Math.fround(4.00001)])
    expect([...codes]).toEqual([0, 2, 1])
    expect([missingCode[0], offsets[1]]).toEqual([2, 3])
    expect(binned([Number.NaN, Number.NaN]).cuts[0]).toHaveLength(0)
    // Nothing is above the greatest float32: there is no cut, and yet a bin of its own for what is missing.
    const greatest = binned([3.4028234663852886e38, Number.NaN])
    expect([greatest.cuts[0]?.length, ...greatest.codes, greatest.offsets[1]]).toEqual([0, 0, 1, 2])
  })

  it("has at most as many bins as it may, and uses them", () => {
    fc.assert(
      fc.property(anyColumn, anyBins, (column, bins) => {
        const { offsets } = binned(column, bins)
        const present = column.map(Math.fround).filter((value) => !Number.isNaN(value))
        const distinct = new Set(present.map((value) => value + 0)).size
        const used = offsets[1] as number
        expect(used).toBeLessThanOrEqual(bins)
        const room = present.length < column.length ? bins - 1 : bins
        const forValues = present.length < column.length ? used - 1 : used
        expect(forValues).toBeGreaterThanOrEqual(Math.min(distinct, room) - 1)
      })
    )
  })

  it("splits rows by codes exactly as thresholds do", () => {
    fc.assert(
      fc.property(anyColumn, anyBins, (column, bins) => {
        const { codes, cuts, missingCode } = binned(column, bins)
        for (const [row, given] of column.entries()) {
          const value = Math.fround(given)
          if (Number.isNaN(value)) {
            expect(codes[row]).toBe(missingCode[0])
            continue
          }
          expect(codes[row]).not.toBe(missingCode[0])
          for (const [bin, cut] of (cuts[0] as Float32Array).entries()) {
            expect((codes[row] as number) <= bin).toBe(value < cut)
          }
        }
      }),
      { numRuns: 1_000 }
    )
  })

  it("has finite cuts that ascend", () => {
    fc.assert(
      fc.property(anyColumn, anyBins, (column, bins) => {
        const cuts = cutsOf(column, bins)
        expect(cuts.every((cut) => Number.isFinite(cut))).toBe(true)
        for (let i = 1; i < cuts.length; i++) expect(cuts[i]).toBeGreaterThan(cuts[i - 1] as number)
      })
    )
  })

  it("fills bins nearly equally where values are many", () => {
    const column = Array.from({ length: 10_000 }, (_, i) => Math.exp(i / 1_000))
    const { codes, offsets } = binned(column)
    const counts = new Float64Array(offsets[1] as number)
    for (const code of codes) counts[code] = (counts[code] as number) + 1
    expect(counts).toHaveLength(256)
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(39)
    expect(Math.max(...counts)).toBeLessThanOrEqual(40)
  })

  it("keeps the bins that rare values need beside one that is everywhere", () => {
    const column = [...Array<number>(1_000).fill(0), ...Array.from({ length: 40 }, (_, i) => i + 1)]
    expect(cutsOf(column, 21)).toHaveLength(20)
    expect(cutsOf(column, 21)[0]).toBe(0.5)
  })

  it("refuses what float32 cannot hold", () => {
    const refused = runThrough(binFeatures([1, 2, 3, 1e39], 2, ["x", "y"], 256))
    expect(Either.getOrThrow(Either.flip(refused)).message).toBe(
      "Row 2 is refused: y is Infinity as float32."
    )
  })
})
