import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { balancedWeights, windowDataset } from "../../../src/learning/training/Dataset.ts"
import { fillMask } from "../../../src/learning/training/masks.ts"
import { rateAt, type ScheduleSpec } from "../../../src/learning/training/Schedule.ts"

describe("a schedule", () => {
  it("warms up linearly, whatever comes after", () => {
    const warm = { rate: 0.1, warmUpSteps: 4 }
    const specs: ReadonlyArray<ScheduleSpec> = [
      { kind: "constant", ...warm },
      { kind: "cosine", ...warm, steps: 10, least: 0.01 },
      { kind: "stepped", ...warm, every: 3, factor: 0.5 }
    ]
    for (const spec of specs) {
      expect([1, 2, 3, 4].map((step) => rateAt(spec, step))).toEqual([0.025, 0.05, 0.1 * 0.75, 0.1])
      expect(rateAt(spec, 5)).toBe(0.1)
    }
  })

  it("goes down along half a cosine to its least, and stays there", () => {
    const spec: ScheduleSpec = { kind: "cosine", rate: 1, warmUpSteps: 0, steps: 100, least: 0.2 }
    expect(rateAt(spec, 51)).toBeCloseTo(0.6, 12)
    expect(rateAt(spec, 101)).toBeCloseTo(0.2, 12)
    expect(rateAt(spec, 1_000)).toBeCloseTo(0.2, 12)
  })

  it("is multiplied every so many steps", () => {
    const spec: ScheduleSpec = { kind: "stepped", rate: 1, warmUpSteps: 0, every: 3, factor: 0.5 }
    expect([1, 2, 3, 4, 6, 7].map((step) => rateAt(spec, step))).toEqual([1, 1, 1, 0.5, 0.5, 0.25])
  })
})

describe("a mask of dropout", () => {
  const maskOf = (count: number, rate: number, seed: number, step: number, layer: string) => {
    const mask = new Float32Array(count)
    fillMask(mask, rate, seed, step, layer)
    return mask
  }

  it("drops the asked share, and scales up the rest", () => {
    for (const rate of [0.1, 0.25, 0.5, 0.9]) {
      const mask = maskOf(100_001, rate, 1, 1, "a")
      const dropped = mask.filter((value) => value === 0).length / mask.length
      // Three standard deviations of a share of 100,001.
      expect(Math.abs(dropped - rate)).toBeLessThan(3 * Math.sqrt((rate * (1 - rate)) / mask.length))
      expect(new Set(mask)).toEqual(new Set([0, Math.fround(1 / (1 - rate))]))
    }
  })

  it("follows from seed, step and layer, and differs where one of them does", () => {
    const mask = maskOf(1_000, 0.5, 1, 1, "a")
    expect(maskOf(1_000, 0.5, 1, 1, "a")).toEqual(mask)
    for (const other of [
      maskOf(1_000, 0.5, 2, 1, "a"),
      maskOf(1_000, 0.5, 1, 2, "a"),
      maskOf(1_000, 0.5, 1, 1, "b")
    ]) {
      const same = other.filter((value, i) => value === mask[i]).length
      expect(Math.abs(same - 500)).toBeLessThan(80)
    }
  })

  it("has no memory of its neighbours", () => {
    const mask = maskOf(100_000, 0.5, 7, 3, "a")
    for (const distance of [1, 2, 3, 64]) {
      let same = 0
      for (let i = distance; i < mask.length; i++) if (mask[i] === mask[i - distance]) same++
      expect(Math.abs(same / (mask.length - distance) - 0.5)).toBeLessThan(0.006)
    }
  })
})

describe("a data set of windows", () => {
  it("gives each window its rows and its target, and nothing after its end", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 10 }),
        (length, features, windows) => {
          const series = Float32Array.from({ length: (length + windows - 1) * features }, (_, i) => i)
          const ends = Int32Array.from({ length: windows }, (_, i) => length - 1 + i)
          const targets = Float32Array.from({ length: windows * 2 }, (_, i) => 100 + i)
          const data = windowDataset({ series, features, length, ends, targets })
          const x = new Float32Array(2 * length * features)
          const y = new Float32Array(4)
          for (let i = 0; i < windows; i++) {
            data.fill(i, 1, x, y)
            const own = x.subarray(length * features)
            expect([...own]).toEqual([...series.subarray(i * features, (i + length) * features)])
            expect([...y.subarray(2)]).toEqual([100 + 2 * i, 101 + 2 * i])
          }
          expect(data.rows).toBe(windows)
        }
      )
    )
  })

  it("weighs classes so that each counts the same", () => {
    const targets = Float32Array.from([1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0])
    expect([...balancedWeights(targets, 3)]).toEqual([4 / 6, 4 / 6, 4 / 6, 2].map(Math.fround))
  })
})
