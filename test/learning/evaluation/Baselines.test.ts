import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Baselines from "../../../src/learning/evaluation/Baselines.ts"
import { meanLogLoss } from "../../../src/learning/evaluation/ClassMetrics.ts"
import { evaluateForecaster } from "../../../src/learning/evaluation/ForecastProtocol.ts"
import type { WindowShape } from "../../../src/learning/evaluation/Windows.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { refusalOf } from "./refusals.ts"
import { allWindows, waves } from "./series.ts"

const shape = { inputLength: 6, horizon: 5 }
const windowsOf = (key: string, shaped: WindowShape = shape) => allWindows(waves(key, 200, 2), shaped)

const fitted = (baseline: Baselines.ForecastBaseline, shaped: WindowShape = shape) =>
  Either.getOrThrow(runThrough(baseline.fit(windowsOf("train", shaped), windowsOf("validation", shaped))))

const input = Float64Array.from({ length: 12 }, (_, i) => i)

describe("Baselines", () => {
  it("repeat the last value of every column", () => {
    expect([...fitted(Baselines.repeatLast)(input)]).toEqual([10, 11, 10, 11, 10, 11, 10, 11, 10, 11])
  })

  it("repeat the last period of every column, over and over", () => {
    expect([...fitted(Baselines.seasonal(3))(input)]).toEqual([6, 7, 8, 9, 10, 11, 6, 7, 8, 9])
    expect([...fitted(Baselines.seasonal(1))(input)]).toEqual([...fitted(Baselines.repeatLast)(input)])
    expect(Baselines.seasonal(24).name).toBe("seasonal 24")
  })

  it("make no error on what has exactly that period", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 20 }), (period, horizon) => {
        const values = Float64Array.from(
          { length: 120 },
          (_, i) => ((Math.floor(i / 2) % period) + 1) * (1 + (i % 2))
        )
        const windows = allWindows({ values, rows: 60, columns: 2 }, { inputLength: 6, horizon })
        const forecaster = Either.getOrThrow(runThrough(Baselines.seasonal(period).fit(windows, windows)))
        expect(Either.getOrThrow(runThrough(evaluateForecaster(windows, forecaster))).mse).toBe(0)
      })
    )
  })

  it("refuse a period that the input does not hold", () => {
    const fit = Baselines.seasonal(7).fit(windowsOf("train"), windowsOf("validation"))
    expect(refusalOf(runThrough(fit))).toContain("the period is 7 rows, the input 6")
    expect(() => Baselines.seasonal(0)).toThrow("period is 0 rows")
  })

  it("fit the linear ones, which repeating does not beat where there is something to learn", () => {
    const long = { inputLength: 14, horizon: 5 }
    const test = windowsOf("test", long)
    const mse = (baseline: Baselines.ForecastBaseline) =>
      Either.getOrThrow(runThrough(evaluateForecaster(test, fitted(baseline, long)))).mse
    const names = new Set<string>()
    for (const differences of [false, true]) {
      for (const perColumn of [false, true]) {
        const baseline = Baselines.linear({ differences, perColumn, ridges: [1, 100] })
        names.add(baseline.name)
        expect(mse(baseline)).toBeLessThan(0.5 * mse(Baselines.repeatLast))
      }
    }
    expect([...names]).toEqual([
      "linear",
      "linear, per column",
      "linear on differences",
      "linear on differences, per column"
    ])
  })

  it("give the base rates of the classes, none of them nothing", () => {
    const rates = Either.getOrThrow(Baselines.baseRates([0, 0, 2, 0], 3))
    expect([...rates]).toEqual([4 / 7, 1 / 7, 2 / 7])
    expect([...Either.getOrThrow(Baselines.baseRates([], 4))]).toEqual([0.25, 0.25, 0.25, 0.25])
    expect([...Baselines.forecastRates(rates, 2)]).toEqual([...rates, ...rates])
  })

  it("give rates than which no other constant does better on what they are of", () => {
    const labels = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1 })
    const others = fc.tuple(...Array.from({ length: 3 }, () => fc.double({ noNaN: true, min: 0.01, max: 1 })))
    fc.assert(
      fc.property(labels, others, (drawn, weights) => {
        const rates = Either.getOrThrow(Baselines.baseRates(drawn, 3, 1e-3))
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        const other = Float64Array.from(weights, (weight) => weight / total)
        const loss = (of: Float64Array) =>
          Either.getOrThrow(meanLogLoss(Baselines.forecastRates(of, drawn.length), drawn, 3))
        expect(loss(rates)).toBeLessThanOrEqual(loss(other) + 0.01)
      })
    )
  })

  it("refuse labels that name no class", () => {
    expect(refusalOf(Baselines.baseRates([0, 3], 3))).toContain(
      "Row 2 is refused: label is 3, not one of 3 classes"
    )
    expect(refusalOf(Baselines.baseRates([Number.NaN], 3))).toContain("label is NaN")
    expect(() => Baselines.baseRates([0], 1)).toThrow("of 1 classes")
    expect(() => Baselines.baseRates([0], 2, 0)).toThrow("imagined 0 times")
  })
})
