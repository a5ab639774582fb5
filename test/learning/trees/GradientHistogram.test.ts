import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { runThrough } from "../../../src/learning/steps.ts"
import { binFeatures, type FeatureBins } from "../../../src/learning/trees/FeatureBins.ts"
import {
  addRows,
  bestSplit,
  gridOf,
  leafValue,
  type RowGradients,
  type Split,
  subtract
} from "../../../src/learning/trees/GradientHistogram.ts"

const free = { minChildWeight: 0, lambda: 1, alpha: 0, gamma: 0 }

const features = 3
const all = [0, 1, 2]

interface Given {
  readonly bins: FeatureBins
  readonly values: ReadonlyArray<number>
  readonly gradients: RowGradients
}

const rounded = (values: ReadonlyArray<number>): Float64Array => {
  const grid = gridOf(Math.max(...values.map(Math.abs)), values.length)
  return Float64Array.from(values, (value) => Math.round(value / grid) * grid)
}

const anyRows: fc.Arbitrary<Given> = fc
  .array(
    fc.record({
      values: fc.array(fc.constantFrom(Number.NaN, -1, 0, 0.5, 1, 2), {
        minLength: features,
        maxLength: features
      }),
      first: fc.double({ min: -2, max: 2, noNaN: true }),
      second: fc.double({ min: 0.01, max: 1, noNaN: true })
    }),
    { minLength: 2, maxLength: 25 }
  )
  .map((rows) => {
    const values = rows.flatMap((row) => row.values)
    return {
      bins: Either.getOrThrow(runThrough(binFeatures(values, features, ["a", "b", "c"], 256))),
      values,
      gradients: {
        row: Int32Array.from(rows, (_, i) => i),
        first: rounded(rows.map(({ first }) => first)),
        second: rounded(rows.map(({ second }) => second))
      }
    }
  })

const histogramOf = ({ bins, gradients }: Given, begin = 0, end = gradients.row.length) => {
  const histogram = new Float64Array(2 * (bins.offsets[features] as number))
  runThrough(addRows(histogram, bins, all, gradients, begin, end))
  return histogram
}

const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0)

/** By walking over all rows for every threshold, both ways for what is missing. */
const bruteForce = ({ bins, values, gradients }: Given, options: typeof free) => {
  const shrunk = (g: number) => Math.sign(g) * Math.max(0, Math.abs(g) - options.alpha)
  const score = (g: number, h: number) => shrunk(g) ** 2 / (h + options.lambda)
  const [first, second] = [sum(gradients.first), sum(gradients.second)]
  const gains: Array<number> = []
  for (const feature of all) {
    for (const cut of bins.cuts[feature] as Float32Array) {
      for (const missingGoesLeft of [false, true]) {
        let [g, h, rows] = [0, 0, 0]
        for (const row of gradients.row) {
          const value = values[row * features + feature] as number
          if (!(Number.isNaN(value) ? missingGoesLeft : value < cut)) continue
          g += gradients.first[row] as number
          h += gradients.second[row] as number
          rows++
        }
        if (rows === 0 || rows === gradients.row.length) continue
        if (h < options.minChildWeight || second - h < options.minChildWeight) continue
        gains.push(score(g, h) + score(first - g, second - h) - score(first, second))
      }
    }
  }
  return Math.max(...gains, 0)
}

const found = (given: Given, options: typeof free): Split | undefined =>
  bestSplit(
    histogramOf(given),
    given.bins,
    all,
    sum(given.gradients.first),
    sum(given.gradients.second),
    options
  )

const anyOptions = fc.record({
  minChildWeight: fc.constantFrom(0, 0.5, 3),
  lambda: fc.constantFrom(0, 1, 10),
  alpha: fc.constantFrom(0, 0.5),
  gamma: fc.constantFrom(0, 0.3)
})

describe("GradientHistogram", () => {
  it("sums to the bit the same in any order", () => {
    fc.assert(
      fc.property(anyRows, (given) => {
        const { row, first, second } = given.gradients
        const reversed = {
          row: row.slice().reverse(),
          first: first.slice().reverse(),
          second: second.slice().reverse()
        }
        expect(histogramOf({ ...given, gradients: reversed })).toEqual(histogramOf(given))
      })
    )
  })

  it("leaves exactly the other rows when some are subtracted", () => {
    fc.assert(
      fc.property(anyRows, fc.double({ min: 0, max: 1, noNaN: true }), (given, share) => {
        const count = given.gradients.row.length
        const middle = Math.floor(share * count)
        const rest = histogramOf(given)
        subtract(rest, histogramOf(given, 0, middle))
        expect(rest.map((value) => value + 0)).toEqual(
          histogramOf(given, middle, count).map((value) => value + 0)
        )
      })
    )
  })

  it("rounds derivatives by less than float32 would, and sums stay exact for a million rows", () => {
    for (const greatest of [1e-300, 0.25, 1, 3, 1e30]) {
      const grid = gridOf(greatest, 1_000_000)
      expect(Number.isInteger(Math.log2(grid))).toBe(true)
      expect(greatest / grid).toBeGreaterThan(2 ** 24)
      expect((1_000_000 * greatest) / grid).toBeLessThan(2 ** 53)
    }
    expect(gridOf(0, 10)).toBe(1)
    expect(gridOf(Number.MIN_VALUE, 10)).toBeGreaterThan(0)
  })

  it("finds the split that gains most", () => {
    fc.assert(
      fc.property(anyRows, anyOptions, (given, options) => {
        const best = bruteForce(given, options)
        const split = found(given, options)
        if (split === undefined) expect(best).toBeLessThanOrEqual(Math.max(options.gamma, 1e-6) + 1e-9)
        else expect(split.gain).toBeCloseTo(best, 9)
      }),
      { numRuns: 500 }
    )
  })

  it("says of a split what its rows sum to", () => {
    fc.assert(
      fc.property(anyRows, (given) => {
        const split = found(given, free)
        if (split === undefined) return
        const { bins, values, gradients } = given
        const cut = bins.cuts[split.feature]?.[split.bin] as number
        const isLeft = Array.from(gradients.row, (row) => {
          const value = values[row * features + split.feature] as number
          return Number.isNaN(value) ? split.missingGoesLeft : value < cut
        })
        expect(split.leftFirst).toBe(sum(gradients.first.filter((_, i) => isLeft[i])))
        expect(split.leftSecond).toBe(sum(gradients.second.filter((_, i) => isLeft[i])))
      })
    )
  })

  it("sends what is missing to the heavier side where nothing was", () => {
    const given = (second: ReadonlyArray<number>): Given => ({
      bins: Either.getOrThrow(
        runThrough(binFeatures([0, 0, 0, 0, 0, 0, 1, 0, 0], features, ["a", "b", "c"], 256))
      ),
      values: [0, 0, 0, 0, 0, 0, 1, 0, 0],
      gradients: {
        row: Int32Array.of(0, 1, 2),
        first: Float64Array.of(1, 1, -2),
        second: Float64Array.from(second)
      }
    })
    expect(found(given([1, 1, 1]), free)).toMatchObject({ feature: 0, missingGoesLeft: true })
    expect(found(given([1, 1, 4]), free)).toMatchObject({ feature: 0, missingGoesLeft: false })
  })

  it("gives leaves the value that lowers the penalised loss most", () => {
    const penalty = { ...free, lambda: 2, alpha: 1 }
    fc.assert(
      fc.property(
        fc.double({ min: -10, max: 10, noNaN: true }),
        fc.double({ min: 0.1, max: 10, noNaN: true }),
        (first, second) => {
          const cost = (value: number) => first * value + ((second + 2) / 2) * value ** 2 + Math.abs(value)
          const best = leafValue(first, second, penalty)
          for (const step of [-1e-4, 1e-4]) expect(cost(best + step)).toBeGreaterThan(cost(best))
        }
      )
    )
    expect(leafValue(0, 0, { ...free, lambda: 0 })).toBe(0)
  })
})
