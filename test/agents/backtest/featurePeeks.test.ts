import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { closedBy, cutsOf, featurePeeks } from "../../../src/agents/backtest/featurePeeks.ts"
import { type FeatureSet, featureSets } from "../../../src/agents/backtest/featureSets.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { type BarSeries, ColumnsBuilder } from "../../../src/market/BarSeries.ts"
import { simulate } from "../../../src/market/Simulator.ts"
import { worlds } from "../../../src/market/worlds.ts"
import { frameMs, startTime, timeFrame } from "../feedEvents.ts"

const simulatedSeries = (bars: number): ReadonlyArray<BarSeries> => {
  const simulation = Either.getOrThrow(
    simulate({ world: worlds.market, seed: 3, instruments: 2, timeFrame, startTime })
  )
  const builders = simulation.instruments.map(() => new ColumnsBuilder(false, true))
  for (let i = 0; i < bars; i++) {
    for (const [k, bar] of simulation.next().entries()) {
      builders[k]?.push(bar.openTime, bar.close, bar.open, bar.high, bar.low, bar.volume ?? 0)
    }
  }
  return simulation.instruments.map((instrument, k) => ({
    ...(builders[k] as ColumnsBuilder).finish(),
    instrument,
    timeFrame,
    gaps: 0,
    barsMissing: 0
  }))
}

const planted = (
  name: string,
  columnOf: (series: BarSeries, all: ReadonlyArray<BarSeries>) => Float64Array
) =>
  ({
    name: "planted",
    columns: ["sound", name],
    *of(series) {
      yield
      return series.map((one) => [one.close, columnOf(one, series)])
    }
  }) satisfies FeatureSet

describe("the check of features for peeking", () => {
  const series = simulatedSeries(300)
  const cuts = cutsOf(series, 4)
  const peeksOf = (sets: ReadonlyArray<FeatureSet>) => runThrough(featurePeeks(sets, series, cuts))

  it("cuts the history off evenly, at closes of bars", () => {
    expect(cuts.map((cut) => (cut - startTime) / frameMs)).toEqual([60, 120, 180, 240])
    expect(closedBy(series[0] as BarSeries, startTime + 10 * frameMs + 1).close.length).toBe(10)
  })

  it("finds nothing in the features that the system decides on", () => {
    expect(featureSets.length).toBeGreaterThanOrEqual(6)
    expect(peeksOf(featureSets)).toEqual([])
  })

  it("has something to compare in every column, beyond its look-back", () => {
    for (const set of featureSets) {
      const [first = []] = runThrough(set.of(series))
      expect(first.length).toBe(set.columns.length)
      for (const column of first) {
        expect(column.length).toBe(300)
        expect(
          Array.from(column)
            .slice(100)
            .every((value) => Number.isFinite(value))
        ).toBe(true)
      }
    }
  })

  it("names a feature that looks at the next bar", () => {
    const next = planted("next_close", ({ close }) =>
      Float64Array.from(close, (_, i) => close[i + 1] ?? Number.NaN)
    )
    const [peek, ...others] = peeksOf([...featureSets, next])
    expect(others).toEqual([])
    expect(peek).toMatchObject({ set: "planted", column: "next_close", instrument: series[0]?.instrument.id })
    // The bar at which the shorter history ended is the first whose next one it did not have.
    expect(peek?.asOf).toBe(cuts[0])
    expect(peek?.cutAt).toBe(cuts[0])
  })

  it("names a feature that is scaled by the whole history", () => {
    const scaled = planted("scaled", ({ close }) => {
      const mean = close.reduce((sum, value) => sum + value, 0) / close.length
      return Float64Array.from(close, (value) => value / mean)
    })
    expect(peeksOf([scaled]).map(({ column }) => column)).toEqual(["scaled"])
  })

  it("names a feature that looks at another instrument's next bar", () => {
    const across = planted("across", (_, all) => {
      const other = all[1]?.close ?? new Float64Array()
      return Float64Array.from(other, (_value, i) => other[i + 1] ?? Number.NaN)
    })
    expect(peeksOf([across]).map(({ column }) => column)).toEqual(["across"])
  })
})
