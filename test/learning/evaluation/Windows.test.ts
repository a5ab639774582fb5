import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  inputOf,
  type Series,
  targetOf,
  wholeBatches,
  windowsForecasting,
  windowsWithin
} from "../../../src/learning/evaluation/Windows.ts"
import { refusalOf } from "./refusals.ts"

/** Row r holds 10 r and 10 r + 1. */
const counting = (rows: number): Series => ({
  values: Float64Array.from({ length: rows * 2 }, (_, i) => 10 * Math.floor(i / 2) + (i % 2)),
  rows,
  columns: 2
})

const rowsIn = (values: Float64Array) => [...values].filter((_, i) => i % 2 === 0).map((value) => value / 10)

describe("Windows", () => {
  it("trains within its rows and judges with inputs from before them", () => {
    const shape = { inputLength: 3, horizon: 2 }
    const train = Either.getOrThrow(windowsWithin(counting(20), { first: 4, end: 11 }, shape))
    expect(train.count).toBe(3)
    expect(rowsIn(inputOf(train, 0))).toEqual([4, 5, 6])
    expect(rowsIn(targetOf(train, 0))).toEqual([7, 8])
    expect(rowsIn(targetOf(train, 2))).toEqual([9, 10])
    const judged = Either.getOrThrow(windowsForecasting(counting(20), { first: 11, end: 20 }, shape))
    expect(judged.count).toBe(8)
    expect(rowsIn(inputOf(judged, 0))).toEqual([8, 9, 10])
    expect(rowsIn(targetOf(judged, 7))).toEqual([18, 19])
    expect([...inputOf(judged, 0)]).toEqual([80, 81, 90, 91, 100, 101])
  })

  it("covers every row of a part it forecasts and none beyond, whatever the shape", () => {
    const shapes = fc.record({
      inputLength: fc.integer({ min: 1, max: 9 }),
      horizon: fc.integer({ min: 1, max: 9 })
    })
    fc.assert(
      fc.property(
        shapes,
        fc.integer({ min: 9, max: 20 }),
        fc.integer({ min: 9, max: 20 }),
        (shape, first, length) => {
          const part = { first, end: first + length }
          const windows = Either.getOrThrow(windowsForecasting(counting(60), part, shape))
          const forecast = new Set<number>()
          for (let i = 0; i < windows.count; i++) {
            const input = rowsIn(inputOf(windows, i))
            const target = rowsIn(targetOf(windows, i))
            expect(target).toHaveLength(shape.horizon)
            expect(input).toHaveLength(shape.inputLength)
            expect(input.at(-1)).toBe((target[0] as number) - 1)
            for (const row of target) forecast.add(row)
          }
          expect([...forecast].sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, i) => first + i))
          expect(windows.count).toBe(length - shape.horizon + 1)
        }
      )
    )
  })

  it("hands out copies that lead nowhere else", () => {
    const series = counting(10)
    const windows = Either.getOrThrow(
      windowsWithin(series, { first: 0, end: 10 }, { inputLength: 2, horizon: 1 })
    )
    const input = inputOf(windows, 0)
    expect(input.buffer.byteLength).toBe(4 * 8)
    input.fill(-1)
    expect(series.values[0]).toBe(0)
    expect(targetOf(windows, 0).buffer.byteLength).toBe(2 * 8)
  })

  it("drops the last windows that fill no batch", () => {
    const windows = Either.getOrThrow(
      windowsWithin(counting(100), { first: 0, end: 100 }, { inputLength: 2, horizon: 1 })
    )
    expect(windows.count).toBe(98)
    expect(wholeBatches(windows, 32).count).toBe(96)
    expect(wholeBatches(windows, 49).count).toBe(98)
  })

  it("refuses parts too short for one window", () => {
    const shape = { inputLength: 3, horizon: 2 }
    const series = counting(20)
    expect(refusalOf(windowsWithin(series, { first: 0, end: 4 }, shape))).toBe(
      "The part has 4 rows: 5 are needed."
    )
    expect(refusalOf(windowsForecasting(series, { first: 9, end: 10 }, shape))).toContain(
      "has 1 rows: 2 are needed"
    )
    expect(refusalOf(windowsForecasting(series, { first: 2, end: 10 }, shape))).toBe(
      "The series before the part has 2 rows: 3 are needed."
    )
    expect(() => windowsWithin(series, { first: 0, end: 21 }, shape)).toThrow("rows 0 to 21 of 20")
    expect(() => windowsWithin(series, { first: 0, end: 9 }, { ...shape, horizon: 0 })).toThrow(
      "horizon is 0"
    )
  })
})
