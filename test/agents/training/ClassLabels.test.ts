import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { type ClassKind, classLabels, classNames } from "../../../src/agents/training/ClassLabels.ts"
import { questionRows } from "../../../src/agents/training/QuestionRows.ts"
import { makeTrainingSet } from "../../../src/agents/training/TrainingSet.ts"
import { decodeTrainingData, encodeTrainingData } from "../../../src/agents/training-host/TrainingData.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import type { BarSeries } from "../../../src/market/BarSeries.ts"
import { roundTrip } from "../../../src/market/Costs.ts"
import { candleClassColumn } from "../../../src/market/candles/CandleLabel.ts"
import { strategyPositions } from "../../../src/market/strategies/StrategyProfiles.ts"
import { utilityOf } from "../../../src/market/strategies/StrategyUtility.ts"
import { costs, cut, simulatedSeries } from "./bars.ts"

const horizonBars = 4
const series = simulatedSeries({ bars: 900, instruments: 2 })
const rowsOf = (of: ReadonlyArray<BarSeries>, matured = true) =>
  runThrough(questionRows(of, { barsBefore: 0, horizonBars, costs, matured }))
const labelled = (kind: ClassKind, of = series) =>
  Either.getOrThrow(runThrough(classLabels(kind, rowsOf(of), costs)))

const flat = (one: BarSeries): BarSeries => ({
  ...one,
  open: one.close,
  high: one.close,
  low: one.close,
  volume: null,
  closeOnly: true
})

describe("the classes of rows", () => {
  it("are the candle that ends at the bar of the as-of, by a history that ends there too", () => {
    const rows = rowsOf(series)
    const labels = labelled("candles")
    const columns = series.map(candleClassColumn)
    expect([...labels]).toEqual(
      Array.from(rows.bar, (bar, i) => columns[rows.instrument[i] as number]?.[bar])
    )
    const shorter = rowsOf(series.map((one) => cut(one, 600)))
    const before = Either.getOrThrow(runThrough(classLabels("candles", shorter, costs)))
    expect([...before]).toEqual([...labels.subarray(0, shorter.rows)])
    expect(new Set(labels).size).toBeGreaterThan(6)
  })

  it("are the strategy of the highest utility over the horizon, after costs", () => {
    const rows = rowsOf(series)
    const labels = labelled("strategies")
    labels.forEach((label, i) => {
      const one = series[rows.instrument[i] as number] as BarSeries
      const sigma = rows.sigma[i] as number
      const horizon = { logReturn: (rows.z[i] as number) * sigma, sigma, roundTripCost: roundTrip(costs) }
      const utilities = strategyPositions(one, rows.bar[i] as number).map((position) =>
        utilityOf(position, horizon)
      )
      expect(label).toBe(utilities.indexOf(Math.max(...utilities)))
    })
    // In a world that moves every profile is the best at some time.
    expect(new Set(labels).size).toBe(classNames("strategies").length)
  })

  it("are none of a series of closes alone, nor of a horizon that is not over", () => {
    const refusal = runThrough(classLabels("candles", rowsOf(series.map(flat)), costs))
    expect(Either.getOrThrow(Either.flip(refusal)).message).toBe(
      "The cnn cannot be trained: ALPHA has closes alone, and every bar without a body is a doji."
    )
    expect(labelled("strategies", series.map(flat)).length).toBeGreaterThan(1_000)
    expect(() => runThrough(classLabels("strategies", rowsOf(series, false), costs))).toThrow(RangeError)
  })
})

describe("the set that a classifier learns from", () => {
  const make = (classes: ClassKind, of = series) =>
    runThrough(
      makeTrainingSet(of, {
        path: "bars.csv",
        input:
          classes === "candles"
            ? { kind: "sequence", features: "candles", length: 12 }
            : { kind: "sequence", features: "bars", length: 1 },
        classes,
        horizonBars,
        costs
      })
    )

  it("has the class of each row as probabilities, and weights by how rare it is", () => {
    for (const kind of ["candles", "strategies"] as const) {
      const { classes, data, training } = Either.getOrThrow(make(kind))
      expect(classes).toMatchObject({ kind, names: classNames(kind) })
      const count = classNames(kind).length
      expect(data.width).toBe(count)
      expect(Either.getOrThrow(decodeTrainingData(Buffer.concat(encodeTrainingData(data))))).toEqual(data)
      classes?.training.forEach((label, i) => {
        const target = data.training.targets.subarray(i * count, (i + 1) * count)
        expect(target.indexOf(1)).toBe(label)
        expect(target.reduce((sum, share) => sum + share, 0)).toBe(1)
        expect(data.training.weights[i]).toBe(Math.fround(classes.weights[label] as number))
      })
      const mean = data.training.weights.reduce((sum, weight) => sum + weight, 0) / training.rows
      expect(mean).toBeCloseTo(1, 5)
      const different = new Set(data.training.weights)
      if (kind === "candles") expect(different.size).toBeGreaterThan(2)
      else expect(different).toEqual(new Set([1]))
      expect(classes?.counts.reduce((sum, one) => sum + one, 0)).toBe(training.rows)
    }
  })

  it("is refused where its bars have no candles", () => {
    const refusal = Either.getOrThrow(Either.flip(make("candles", series.map(flat))))
    expect(refusal).toMatchObject({ _tag: "TrainingRefused" })
    expect(refusal.message).not.toContain("\n")
    expect(Either.isRight(make("strategies", series.map(flat)))).toBe(true)
  })
})
