import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { addRow, type Moments, noMoments } from "../../../src/learning/evaluation/Ridge.ts"
import { windowMoments } from "../../../src/learning/evaluation/WindowMoments.ts"
import {
  inputOf,
  targetOf,
  type Windows,
  windowsForecasting
} from "../../../src/learning/evaluation/Windows.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { refusalOf } from "./refusals.ts"
import { waves } from "./series.ts"

const series = waves("moments", 90, 3)
const windows = Either.getOrThrow(
  windowsForecasting(series, { first: 20, end: 80 }, { inputLength: 7, horizon: 4 })
)

/** Window by window, column by column. */
const slowly = (all: Windows, differences: boolean, columns: ReadonlyArray<number>): Moments => {
  const { inputLength, horizon } = all
  const width = all.series.columns
  const moments = noMoments(differences ? inputLength - 1 : inputLength, horizon)
  for (let i = 0; i < all.count; i++) {
    for (const column of columns) {
      const pick = (values: Float64Array) => values.filter((_, at) => at % width === column)
      const [input, target] = [pick(inputOf(all, i)), pick(targetOf(all, i))]
      const last = differences ? (input.at(-1) as number) : 0
      const kept = differences ? input.slice(0, -1) : input
      Either.getOrThrow(
        addRow(
          moments,
          Float64Array.of(...kept, ...target).map((value) => value - last)
        )
      )
    }
  }
  return moments
}

const expectEqual = (found: Moments | undefined, expected: Moments) => {
  expect([found?.inputs, found?.outputs, found?.rows]).toEqual([
    expected.inputs,
    expected.outputs,
    expected.rows
  ])
  for (const part of ["sums", "gram"] as const) {
    const largest = Math.max(...expected[part].map(Math.abs))
    expect(found?.[part]).toHaveLength(expected[part].length)
    expected[part].forEach((value, i) => {
      expect(Math.abs((found?.[part][i] as number) - value)).toBeLessThan(1e-12 * largest)
    })
  }
}

describe("windowMoments", () => {
  it.each([false, true])("gives the sums of going through the windows (differences: %s)", (differences) => {
    const [shared] = Either.getOrThrow(runThrough(windowMoments(windows, { differences, perColumn: false })))
    expectEqual(shared, slowly(windows, differences, [0, 1, 2]))
    const each = Either.getOrThrow(runThrough(windowMoments(windows, { differences, perColumn: true })))
    expect(each).toHaveLength(3)
    for (const column of [0, 1, 2]) expectEqual(each[column], slowly(windows, differences, [column]))
  })

  it("reads no row that is in no window", () => {
    const values = series.values.map((value, i) =>
      Math.floor(i / 3) < 13 || Math.floor(i / 3) >= 80 ? Number.NaN : value
    )
    const masked = { ...windows, series: { ...series, values } }
    const options = { differences: false, perColumn: false }
    expect(runThrough(windowMoments(masked, options))).toEqual(runThrough(windowMoments(windows, options)))
  })

  it("refuses a number that is not finite with its row and column", () => {
    const values = series.values.slice()
    values[40 * 3 + 1] = Number.POSITIVE_INFINITY
    const bad = { ...windows, series: { ...series, values } }
    expect(refusalOf(runThrough(windowMoments(bad, { differences: true, perColumn: true })))).toBe(
      "Row 41 is refused: column 2 is Infinity."
    )
  })
})
