import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { evaluateForecaster } from "../../../src/learning/evaluation/ForecastProtocol.ts"
import {
  fitLinearForecast,
  type LinearForecastOptions,
  linearForecaster,
  ridgesDefault
} from "../../../src/learning/evaluation/LinearForecast.ts"
import { type Forecaster, inputOf, targetOf, type Windows } from "../../../src/learning/evaluation/Windows.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { refusalOf } from "./refusals.ts"
import { allWindows, waves } from "./series.ts"

const shape = { inputLength: 12, horizon: 3 }
const training = allWindows(waves("train", 300, 3), shape)
const validation = allWindows(waves("validation", 80, 3), shape)

const fitOf = (options: LinearForecastOptions, train = training) =>
  Either.getOrThrow(runThrough(fitLinearForecast(train, validation, options)))

const mseOf = (windows: Windows, forecaster: Forecaster) =>
  Either.getOrThrow(runThrough(evaluateForecaster(windows, forecaster))).mse

const kinds = [
  { differences: false, perColumn: false },
  { differences: false, perColumn: true },
  { differences: true, perColumn: false },
  { differences: true, perColumn: true }
]

describe("LinearForecast", () => {
  it.each(kinds)("has residuals that no input explains (%o)", (kind) => {
    const forecaster = linearForecaster(fitOf({ ...kind, ridges: [0] }))
    const columns = 3
    const inputs = kind.differences ? shape.inputLength - 1 : shape.inputLength
    // The normal equations, window by window: residuals are orthogonal to each input, and to 1.
    for (const group of kind.perColumn ? [[0], [1], [2]] : [[0, 1, 2]]) {
      const products = new Float64Array((inputs + 1) * shape.horizon)
      for (let w = 0; w < training.count; w++) {
        const [input, target] = [inputOf(training, w), targetOf(training, w)]
        const said = forecaster(input)
        for (const column of group) {
          const last = kind.differences ? (input[(shape.inputLength - 1) * columns + column] as number) : 0
          for (let step = 0; step < shape.horizon; step++) {
            const at = step * columns + column
            const residual = (target[at] as number) - (said[at] as number)
            for (let i = 0; i <= inputs; i++) {
              const value = i === inputs ? 1 : (input[i * columns + column] as number) - last
              products[i * shape.horizon + step] =
                (products[i * shape.horizon + step] as number) + residual * value
            }
          }
        }
      }
      for (const product of products) expect(Math.abs(product)).toBeLessThan(1e-7)
    }
  })

  it.each(kinds)("takes the ridge whose forecasts err least on the validation windows (%o)", (kind) => {
    const ridges = [1e6, 1, 30, 1_000]
    const chosen = fitOf({ ...kind, ridges })
    const errors = ridges.map((ridge) =>
      mseOf(validation, linearForecaster(fitOf({ ...kind, ridges: [ridge] })))
    )
    for (const [i, error] of errors.entries()) expect(chosen.validationErrors[i]).toBeCloseTo(error, 9)
    expect(chosen.ridge).toBe(ridges[errors.indexOf(Math.min(...errors))])
    expect(mseOf(validation, linearForecaster(chosen))).toBeCloseTo(Math.min(...errors), 9)
  })

  it("finds what is exactly linear, column by column where they differ", () => {
    const rows = 60
    const values = new Float64Array(rows * 2)
    for (let row = 0; row < rows; row++) {
      values[row * 2] = Math.sin(row / 3)
      values[row * 2 + 1] = 5 + 0.1 * row
    }
    const windows = allWindows({ values, rows, columns: 2 }, { inputLength: 3, horizon: 2 })
    const exact = fitLinearForecast(windows, windows, { differences: false, perColumn: true, ridges: [1e-7] })
    expect(mseOf(windows, linearForecaster(Either.getOrThrow(runThrough(exact))))).toBeLessThan(1e-9)
  })

  it("moves with the level where it works on differences", () => {
    const forecaster = linearForecaster(fitOf({ differences: true, perColumn: false, ridges: ridgesDefault }))
    const input = inputOf(validation, 5)
    const raised = forecaster(input.map((value) => value + 100))
    forecaster(input).forEach((value, i) => {
      expect(raised[i]).toBeCloseTo(value + 100, 9)
    })
  })

  it("keeps columns apart: what one did says nothing about another", () => {
    const forecaster = linearForecaster(fitOf({ differences: false, perColumn: false, ridges: [1] }))
    const input = inputOf(validation, 0)
    const changed = input.map((value, i) => (i % 3 === 0 ? value + 7 : value))
    const [before, after] = [forecaster(input), forecaster(changed)]
    before.forEach((value, i) => {
      if (i % 3 !== 0) expect(after[i]).toBe(value)
    })
    expect(after[0]).not.toBe(before[0])
  })

  it("goes on to a larger ridge where a smaller one does not solve it", () => {
    const flat = allWindows({ values: new Float64Array(40), rows: 40, columns: 1 }, shape)
    const one = allWindows(waves("one", 60, 1), shape)
    const options = { differences: false, perColumn: false }
    const steps = fitLinearForecast(flat, one, { ...options, ridges: [0, 1] })
    expect(Either.getOrThrow(runThrough(steps))).toMatchObject({ ridge: 1 })
    expect(refusalOf(runThrough(fitLinearForecast(flat, one, { ...options, ridges: [0] })))).toContain(
      "collinear"
    )
  })

  it("refuses what it cannot be asked", () => {
    const options = { differences: true, perColumn: false, ridges: [1] }
    const short = allWindows(waves("short", 20, 3), { inputLength: 1, horizon: 3 })
    const fitting = (train: Windows, judge: Windows, chosen: LinearForecastOptions) => () =>
      runThrough(fitLinearForecast(train, judge, chosen))
    expect(fitting(short, short, options)).toThrow("input length is 1")
    expect(fitting(training, short, options)).toThrow("another shape")
    expect(fitting(training, validation, { ...options, ridges: [] })).toThrow("list of ridges is empty")
    const values = training.series.values.slice()
    values[30] = Number.NaN
    const bad = { ...training, series: { ...training.series, values } }
    expect(refusalOf(fitting(bad, validation, options)())).toContain("Row 11 is refused: column 1 is NaN")
  })
})
