import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { makePanelCorrelation } from "../../../src/market/features/PanelCorrelation.ts"

type Rows = ReadonlyArray<ReadonlyArray<number>>

const pushed = (rows: Rows, window: number) => {
  const correlation = makePanelCorrelation((rows[0] as ReadonlyArray<number>).length, window)
  return rows.map((row) => correlation.push(row)).at(-1)
}

const pearson = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number => {
  const mean = (all: ReadonlyArray<number>) => all.reduce((sum, one) => sum + one, 0) / all.length
  const [meanA, meanB] = [mean(a), mean(b)]
  let [ab, aa, bb] = [0, 0, 0]
  a.forEach((one, i) => {
    const other = (b[i] as number) - meanB
    ab += (one - meanA) * other
    aa += (one - meanA) ** 2
    bb += other ** 2
  })
  return ab / Math.sqrt(aa * bb)
}

/** Over all pairs, one after the other. */
const meanOverPairs = (rows: Rows, window: number): number => {
  const last = rows.slice(-window)
  const columns = (rows[0] as ReadonlyArray<number>).map((_, i) => last.map((row) => row[i] as number))
  const pairs = columns.flatMap((a, i) => columns.slice(i + 1).map((b) => pearson(a, b)))
  return pairs.reduce((sum, one) => sum + one, 0) / pairs.length
}

const panels = fc
  .record({ instruments: fc.integer({ min: 2, max: 6 }), asOfs: fc.integer({ min: 5, max: 12 }) })
  .chain(({ asOfs, instruments }) =>
    fc.array(
      fc.array(fc.double({ min: -0.1, max: 0.1, noNaN: true }), {
        minLength: instruments,
        maxLength: instruments
      }),
      { minLength: asOfs, maxLength: asOfs }
    )
  )
const window = 5

describe("the correlation of a panel", () => {
  it("is the mean over all pairs", () => {
    fc.assert(
      fc.property(panels, (rows) => {
        const expected = meanOverPairs(rows, window)
        // Columns that stand still, or almost, have none.
        fc.pre(Number.isFinite(expected))
        const moves = (rows[0] as ReadonlyArray<number>).every((_, i) => {
          const column = rows.slice(-window).map((row) => row[i] as number)
          return Math.max(...column) - Math.min(...column) > 1e-6
        })
        fc.pre(moves)
        expect(pushed(rows, window)).toBeCloseTo(expected, 9)
      })
    )
  })

  it("depends on the window alone, to the last bit", () => {
    fc.assert(
      fc.property(panels, (rows) => {
        expect(pushed(rows.slice(-window), window)).toBe(pushed(rows, window))
      })
    )
  })

  it("is 1 where all move alike, and -1/(n-1) at the least", () => {
    const moves = [0.01, -0.02, 0.03, 0.01, -0.05]
    expect(
      pushed(
        moves.map((move) => [move, 2 * move, 0.1 * move]),
        5
      )
    ).toBeCloseTo(1, 12)
    expect(
      pushed(
        moves.map((move) => [move, -move]),
        5
      )
    ).toBeCloseTo(-1, 12)
  })

  it("leaves out instruments that were not there throughout or have not moved", () => {
    const rows = [0.01, -0.02, 0.03, 0.01, -0.05].map((move, i) => [
      move,
      i === 2 ? Number.NaN : -move,
      move + (i % 2) * 0.01,
      0.007,
      0
    ])
    const two = rows.map(([a, , c]) => [a as number, c as number])
    expect(pushed(rows, 5)).toBe(pushed(two, 5))
  })

  it("is not there before the window is full, nor for fewer than two instruments", () => {
    expect(
      pushed(
        [
          [0.1, 0.2],
          [0.2, 0.1]
        ],
        3
      )
    ).toBe("warming-up")
    expect(pushed([[0.1], [0.2], [0.3]], 3)).toBe("undefined")
    expect(() => makePanelCorrelation(3, 5).push([1])).toThrow("3 are expected")
  })
})
