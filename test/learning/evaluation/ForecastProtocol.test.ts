import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  evaluateForecaster,
  makeScorer,
  publishedParts,
  publishedWindows,
  standardise
} from "../../../src/learning/evaluation/ForecastProtocol.ts"
import { inputOf, type Series, targetOf } from "../../../src/learning/evaluation/Windows.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { refusalOf } from "./refusals.ts"
import { allWindows, waves } from "./series.ts"

const series = waves("protocol", 200, 3)
const shape = { inputLength: 8, horizon: 4 }

describe("ForecastProtocol", () => {
  it("parts data sets as the papers do", () => {
    const exchange = Either.getOrThrow(publishedParts("exchange_rate", 7_588))
    expect(exchange).toEqual({
      train: { first: 0, end: 5_311 },
      validation: { first: 5_311, end: 6_071 },
      test: { first: 6_071, end: 7_588 }
    })
    const hourly = Either.getOrThrow(publishedParts("ETTh2", 17_420))
    expect([hourly.train.end, hourly.validation.end, hourly.test.end]).toEqual([8_640, 11_520, 14_400])
    const quarterly = Either.getOrThrow(publishedParts("ETTm1", 69_680))
    expect([quarterly.train.end, quarterly.validation.end, quarterly.test.end]).toEqual([
      34_560, 46_080, 57_600
    ])
    expect(refusalOf(publishedParts("ETTh1", 14_399))).toBe("The series has 14399 rows: 14400 are needed.")
  })

  it("standardises by the training rows, and by nothing after them", () => {
    const {
      deviations,
      means,
      series: standardised
    } = Either.getOrThrow(standardise(series, { first: 0, end: 120 }))
    for (const column of [0, 1, 2]) {
      const taken = Array.from({ length: 120 }, (_, row) => standardised.values[row * 3 + column] as number)
      const mean = taken.reduce((sum, value) => sum + value, 0) / 120
      expect(mean).toBeCloseTo(0, 12)
      expect(taken.reduce((sum, value) => sum + value * value, 0) / 120).toBeCloseTo(1, 12)
      const back = (standardised.values[150 * 3 + column] as number) * (deviations[column] as number)
      expect(back + (means[column] as number)).toBeCloseTo(series.values[150 * 3 + column] as number, 12)
    }
    const later = series.values.map((value, i) => (i >= 360 ? value * 1_000 : value))
    const other = Either.getOrThrow(standardise({ ...series, values: later }, { first: 0, end: 120 }))
    expect([other.means, other.deviations]).toEqual([means, deviations])
  })

  it("leaves a column alone that does not vary in training", () => {
    const values = Float64Array.of(0.1, 1, 0.1, 2, 0.1, 3, 5, 4)
    const { deviations, series: standardised } = Either.getOrThrow(
      standardise({ values, rows: 4, columns: 2 }, { first: 0, end: 3 })
    )
    expect(deviations[0]).toBe(1)
    expect(standardised.values[6]).toBeCloseTo(4.9, 12)
  })

  it("refuses what is not finite, wherever it stands", () => {
    const values = series.values.slice()
    values[599] = Number.NaN
    expect(refusalOf(standardise({ ...series, values }, { first: 0, end: 10 }))).toContain(
      "Row 200 is refused"
    )
    expect(() => standardise(series, { first: 0, end: 201 })).toThrow("0 to 201 of 200")
  })

  it("gives the windows of all three parts, and says which series is too short", () => {
    const { test, train, validation } = Either.getOrThrow(publishedWindows("any", series, shape))
    // 140, 20 and 40 rows.
    expect([train.count, validation.count, test.count]).toEqual([129, 17, 37])
    expect([train.firstForecast, validation.firstForecast, test.firstForecast]).toEqual([8, 140, 160])
    expect(refusalOf(publishedWindows("any", series, { inputLength: 8, horizon: 21 }))).toContain(
      "20 rows: 21 are"
    )
    expect(refusalOf(publishedWindows("ETTh1", series, shape))).toContain("14400 are needed")
  })

  it("averages errors over all windows, steps and columns", () => {
    const windows = allWindows(series, shape)
    const constant = new Float64Array(12).fill(0.25)
    const scores = Either.getOrThrow(runThrough(evaluateForecaster(windows, () => constant)))
    let squared = 0
    let absolute = 0
    let count = 0
    for (let i = 0; i < windows.count; i++) {
      for (const value of targetOf(windows, i)) {
        squared += (value - 0.25) ** 2
        absolute += Math.abs(value - 0.25)
        count++
      }
    }
    expect(scores.windows).toBe(windows.count)
    expect(scores.mse).toBeCloseTo(squared / count, 12)
    expect(scores.mae).toBeCloseTo(absolute / count, 12)
    expect([scores.squaredErrors.length, scores.absoluteErrors.length]).toEqual([
      windows.count,
      windows.count
    ])
    const first = targetOf(windows, 0).reduce((sum, value) => sum + (value - 0.25) ** 2, 0) / 12
    expect(scores.squaredErrors[0]).toBeCloseTo(first, 12)
  })

  it("shows a forecaster its input alone: what comes after changes no forecast", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 180 }), (window) => {
        const seen: Array<Float64Array> = []
        const look = (of: Series) => {
          const windows = allWindows(of, shape)
          seen.push(inputOf(windows, window))
        }
        look(series)
        const cut = (window + shape.inputLength) * 3
        look({ ...series, values: series.values.map((value, i) => (i < cut ? value : 1e6)) })
        expect(seen[0]).toEqual(seen[1])
      })
    )
  })

  it("takes forecasts from elsewhere one by one, and scores what it was given", () => {
    const windows = { ...allWindows(series, shape), count: 3 }
    const scorer = makeScorer(windows)
    expect(scorer.scores()).toMatchObject({ windows: 0 })
    Either.getOrThrow(scorer.add(Float32Array.from(targetOf(windows, 0))))
    expect(scorer.scores().mse).toBeLessThan(1e-12)
    expect(refusalOf(scorer.add(new Float64Array(11)))).toBe(
      "Row 2 is refused: the forecast has 11 numbers, not 12."
    )
    expect(refusalOf(scorer.add(new Float64Array(12).fill(Number.NaN)))).toContain(
      "Row 2 is refused: the forecast is NaN"
    )
    expect(scorer.scores().windows).toBe(1)
    Either.getOrThrow(scorer.add(targetOf(windows, 1)))
    Either.getOrThrow(scorer.add(targetOf(windows, 2)))
    expect(scorer.scores()).toMatchObject({ windows: 3 })
    expect(() => scorer.add(targetOf(windows, 0))).toThrow("after all 3 windows")
  })

  it("refuses a forecaster that gives something else than a forecast", () => {
    const windows = allWindows(series, shape)
    const evaluate = (output: Float64Array) =>
      refusalOf(runThrough(evaluateForecaster(windows, () => output)))
    expect(evaluate(new Float64Array(4))).toContain("Row 1 is refused: the forecast has 4 numbers, not 12")
    expect(evaluate(new Float64Array(12).fill(Number.POSITIVE_INFINITY))).toContain("Row 1")
  })
})
