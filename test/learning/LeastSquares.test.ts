import { Either, Schema } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as LeastSquares from "../../src/learning/LeastSquares.ts"
import { keyedRandom } from "../../src/protocols/wire/KeyedRandom.ts"

type Row = readonly [x: ReadonlyArray<number>, y: number, weight: number]

const accumulate = (rows: ReadonlyArray<Row>, into = LeastSquares.make(rows[0]?.[0].length ?? 1)) => {
  for (const [x, y, weight] of rows) Either.getOrThrow(into.add(Float64Array.from(x), y, weight))
  return into
}

const fitOf = (rows: ReadonlyArray<Row>, ridge: number) => Either.getOrThrow(accumulate(rows).fit(ridge))

/** Gauss-Jordan with partial pivoting: slow, and nothing like the code under test. */
const solveDense = (
  matrix: ReadonlyArray<ReadonlyArray<number>>,
  right: ReadonlyArray<number>
): Array<number> => {
  const rows = matrix.map((row, i) => [...row, right[i] as number])
  for (let i = 0; i < rows.length; i++) {
    const best = rows
      .slice(i)
      .reduce((top, row) => (Math.abs(row[i] as number) > Math.abs(top[i] as number) ? row : top))
    const at = rows.indexOf(best)
    ;[rows[i], rows[at]] = [best, rows[i] as Array<number>]
    const pivot = best[i] as number
    rows[i] = best.map((value) => value / pivot)
    for (let k = 0; k < rows.length; k++) {
      if (k === i) continue
      const factor = rows[k]?.[i] as number
      rows[k] = (rows[k] as Array<number>).map((value, j) => value - factor * (rows[i]?.[j] as number))
    }
  }
  return rows.map((row) => row[row.length - 1] as number)
}

/** The textbook: weighted standardisation, then normal equations with an unpenalised intercept column. */
const naive = (rows: ReadonlyArray<Row>, ridge: number) => {
  const features = rows[0]?.[0].length ?? 0
  const total = rows.reduce((sum, row) => sum + row[2], 0)
  const average = (of: (row: Row) => number) => rows.reduce((sum, row) => sum + row[2] * of(row), 0) / total
  const means = Array.from({ length: features }, (_, j) => average(([x]) => x[j] as number))
  const deviations = means.map((mean, j) => Math.sqrt(average(([x]) => ((x[j] as number) - mean) ** 2)))
  const design = rows.map(([x]) => [
    1,
    ...means.map((mean, j) => ((x[j] as number) - mean) / (deviations[j] as number))
  ])
  const size = features + 1
  const gram = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (_, j) => {
      const sum = rows.reduce(
        (s, row, r) => s + row[2] * (design[r]?.[i] as number) * (design[r]?.[j] as number),
        0
      )
      return sum + (i === j && i > 0 ? ridge : 0)
    })
  )
  const right = Array.from({ length: size }, (_, i) =>
    rows.reduce((sum, row, r) => sum + row[2] * row[1] * (design[r]?.[i] as number), 0)
  )
  const solution = solveDense(gram, right)
  const residuals = rows.map(
    (row, r) => row[1] - solution.reduce((s, b, i) => s + b * (design[r]?.[i] as number), 0)
  )
  const squares = rows.reduce((sum, row, r) => sum + row[2] * (residuals[r] as number) ** 2, 0) / total
  const residualDeviation = Math.sqrt((squares * rows.length) / (rows.length - size))
  return {
    intercept: solution[0] as number,
    coefficients: solution.slice(1),
    means,
    deviations,
    residualDeviation
  }
}

const generate = (key: string, count: number, features: number, level = 0): ReadonlyArray<Row> => {
  const random = keyedRandom(key)
  return Array.from({ length: count }, () => {
    const common = random.normal()
    const x = Array.from({ length: features }, (_, j) => level + (j + 1) * random.normal() + common)
    const signal = x.reduce((sum, value, j) => sum + (j % 2 === 0 ? 0.3 : -0.2) * (value - level), 0)
    return [x, 2 + signal + random.normal(), 0.5 + random.next()] as const
  })
}

const close = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number) => {
  expect(actual.length).toBe(expected.length)
  for (let i = 0; i < actual.length; i++) {
    expect(Math.abs((actual[i] as number) - (expected[i] as number))).toBeLessThan(tolerance)
  }
}

const finite = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 })
const anyRows = fc.integer({ min: 1, max: 4 }).chain((features) =>
  fc.array(fc.tuple(fc.array(finite, { minLength: features, maxLength: features }), finite, fc.constant(1)), {
    minLength: 2,
    maxLength: 12
  })
)

describe("LeastSquares", () => {
  it.each([0, 3, 1_000])("fits as the textbook does, with a ridge of %d", (ridge) => {
    const rows = generate("textbook", 60, 5)
    const [fit, expected] = [fitOf(rows, ridge), naive(rows, ridge)]
    close([fit.intercept, fit.residualDeviation], [expected.intercept, expected.residualDeviation], 1e-9)
    close(fit.coefficients, expected.coefficients, 1e-9)
    close(fit.means, expected.means, 1e-9)
    close(fit.deviations, expected.deviations, 1e-9)
  })

  it("keeps its digits where features lie far from zero", () => {
    const fit = fitOf(generate("far", 200, 3, 1e8), 1)
    const near = fitOf(generate("far", 200, 3, 0), 1)
    close(fit.coefficients, near.coefficients, 1e-6)
  })

  it("goes on from a snapshot that went through JSON exactly as if it had never stopped", () => {
    fc.assert(
      fc.property(anyRows, fc.nat(), (rows, cut) => {
        const at = cut % (rows.length + 1)
        const features = rows[0]?.[0].length as number
        const first = accumulate(rows.slice(0, at), LeastSquares.make(features))
        const json: unknown = JSON.parse(JSON.stringify(first.state()))
        const state = Schema.decodeUnknownSync(LeastSquares.LeastSquaresState)(json)
        const second = accumulate(rows.slice(at), Either.getOrThrow(LeastSquares.fromState(state)))
        const whole = accumulate(rows)
        expect(second.state()).toEqual(whole.state())
        expect(second.fit(1)).toEqual(whole.fit(1))
      })
    )
  })

  it("gives a column without variance no coefficient, and the others theirs", () => {
    const rows = generate("constant", 50, 2)
    const padded = rows.map(([x, y, w]) => [[0.1, ...x, -7e8], y, w] as const)
    const [fit, bare] = [fitOf(padded, 2), fitOf(rows, 2)]
    expect([fit.coefficients[0], fit.coefficients[3]]).toEqual([0, 0])
    expect([fit.deviations[0], fit.deviations[3]]).toEqual([1, 1])
    close(fit.coefficients.subarray(1, 3), bare.coefficients, 1e-12)
    expect(fit.residualDeviation).toBeCloseTo(bare.residualDeviation, 12)
  })

  it("takes a column that varies by rounding alone for constant", () => {
    const rows = generate("rounding", 50, 1).map(
      ([x, y, w], i) => [[...x, i % 2 ? 0.3 : 0.1 + 0.2], y, w] as const
    )
    expect(fitOf(rows, 0).coefficients[1]).toBe(0)
  })

  it("takes a weight for a number of equal rows", () => {
    const rows = generate("weights", 30, 2).map(([x, y]) => [x, y, 1] as const)
    const doubled = rows.map(([x, y], i) => [x, y, i === 4 ? 3 : 1] as const)
    const repeated = [...rows, rows[4] as Row, rows[4] as Row]
    close(fitOf(doubled, 1).coefficients, fitOf(repeated, 1).coefficients, 1e-12)
  })

  it("shrinks towards the mean as the ridge grows", () => {
    const rows = generate("shrink", 60, 3)
    const length = (ridge: number) => Math.hypot(...fitOf(rows, ridge).coefficients)
    expect(length(10)).toBeLessThan(length(0))
    expect(length(1e9)).toBeLessThan(1e-6)
    const total = rows.reduce((sum, row) => sum + row[2], 0)
    const average = rows.reduce((sum, row) => sum + row[2] * row[1], 0) / total
    expect(fitOf(rows, 1e9).intercept).toBeCloseTo(average, 10)
  })

  it("refuses a row that is not finite, names the column, and stays as it was", () => {
    const sums = accumulate(generate("refused", 5, 2))
    const before = sums.state()
    const refused = (x: ReadonlyArray<number>, y: number, weight = 1) =>
      Either.match(sums.add(Float64Array.from(x), y, weight), {
        onLeft: (error) => error.message,
        onRight: () => expect.fail("it was taken")
      })
    expect(refused([1, Number.NaN], 0)).toBe("Row 6 is refused: feature 1 is NaN.")
    expect(refused([Number.POSITIVE_INFINITY, 1], 0)).toContain("feature 0 is Infinity")
    expect(refused([1, 2], Number.NaN)).toContain("y is NaN")
    expect(refused([1e200, 2], 0)).toContain("larger than 1e+100")
    expect(refused([1, 2], 0, 0)).toContain("weight")
    expect(refused([1, 2], 0, Number.NaN)).toContain("weight")
    expect(refused([1], 0)).toContain("its length is 1, not 2")
    expect(sums.state()).toEqual(before)
  })

  it("never puts anything into a state that JSON cannot hold", () => {
    const negativeZero = accumulate([[[-0], -0, 1]]).state()
    expect(JSON.parse(JSON.stringify(negativeZero))).toEqual(negativeZero)
    const extreme = fc.double()
    fc.assert(
      fc.property(fc.array(fc.tuple(extreme, extreme, fc.double()), { maxLength: 20 }), (rows) => {
        const sums = LeastSquares.make(1)
        for (const [x, y, weight] of rows) sums.add(Float64Array.of(x), y, weight)
        expect(JSON.parse(JSON.stringify(sums.state()))).toEqual(sums.state())
      })
    )
  })

  it("says when there is nothing to fit", () => {
    const messageOf = (fit: ReturnType<LeastSquares.LeastSquares["fit"]>) =>
      Either.match(fit, { onLeft: (error) => error.message, onRight: () => expect.fail("it was fitted") })
    expect(messageOf(LeastSquares.make(2).fit(1))).toContain("on 0 rows: at least two are needed")
    const collinear = generate("collinear", 20, 1).map(
      ([x, y, w]) => [[...x, 2 * (x[0] as number)], y, w] as const
    )
    expect(messageOf(accumulate(collinear).fit(0))).toContain("collinear")
    expect(Either.isRight(accumulate(collinear).fit(1))).toBe(true)
    expect(messageOf(accumulate(collinear).fit(Number.NaN))).toContain("ridge is NaN")
  })

  it("refuses a state that no accumulator wrote", () => {
    const state = accumulate(generate("state", 5, 2)).state()
    const isRefused = (changed: Partial<LeastSquares.LeastSquaresState>) =>
      Either.isLeft(LeastSquares.fromState({ ...state, ...changed }))
    expect(isRefused({})).toBe(false)
    expect(isRefused({ features: 3 })).toBe(true)
    expect(isRefused({ gram: state.gram.slice(1) })).toBe(true)
    expect(isRefused({ origin: [0, 0, Number.NaN] })).toBe(true)
    expect(isRefused({ rows: -1 })).toBe(true)
  })
})
