import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { nameTrial, sweptTrial, trialsBefore } from "../../../src/agents/backtest/crossingTrials.ts"
import type { CrossingLengths, SweptRule } from "../../../src/agents/backtest/sweep.ts"
import { Trial } from "../../../src/learning/evaluation/Trials.ts"
import { type BarSeries, ColumnsBuilder } from "../../../src/market/BarSeries.ts"
import { frameMs, instrumentOf, startTime, timeFrame } from "../feedEvents.ts"

const seriesOf = (bars: number, symbol = "ALPHA", from = 0): BarSeries => {
  const builder = new ColumnsBuilder(true, false)
  for (let i = from; i < from + bars; i++) builder.push(startTime + i * frameMs, 100, 0, 0, 0, 0)
  return { ...builder.finish(), instrument: instrumentOf(symbol), timeFrame, gaps: 0, barsMissing: 0 }
}

const grid = [
  { fast: 6, slow: 72 },
  { fast: 12, slow: 72 }
]
const other = { fast: 24, slow: 168 }
/** That are said of an entry only by its id. */
const on = { digest: "of the file", startingCash: 1_000 }

const swept = (rule: CrossingLengths, sharpePerBar: number) =>
  ({ ...rule, metrics: { sharpePerBar, bars: 99, skewness: 0, kurtosis: 3 } }) as unknown as SweptRule

interface Changed {
  readonly series?: BarSeries
  readonly on?: Record<string, unknown>
  readonly shorting?: boolean
  readonly sharpe?: number
}
const entered = (rule: CrossingLengths, changed: Changed = {}): Trial => {
  const { series = seriesOf(100), sharpe = 0.01, shorting = false } = changed
  return sweptTrial(nameTrial(series, rule, { on: changed.on ?? on, shorting }), swept(rule, sharpe), 5)
}
const named = (series = seriesOf(100)) => grid.map((rule) => nameTrial(series, rule, { on, shorting: false }))
const earlier = (ledger: ReadonlyArray<Trial>, series?: BarSeries) => trialsBefore(ledger, named(series))

describe("the trials of a sweep", () => {
  it("are ones that the ledger takes, another where the rule is run on something else", () => {
    const trial = entered(other)
    expect(Schema.is(Trial)(trial)).toBe(true)
    expect(entered(other).id).toBe(trial.id)
    const ids = [{ on: { ...on, digest: "of another" } }, { shorting: true }].map(
      (one) => entered(other, one).id
    )
    expect(new Set([trial.id, ...ids, entered({ fast: 6, slow: 168 }).id]).size).toBe(4)
  })
})

describe("the trials before a sweep", () => {
  it("are none of its own rules, on other terms and over a file that has grown neither", () => {
    const grown = { series: seriesOf(99), on: { ...on, digest: "a bar ago" } }
    const ledger = grid.flatMap((rule) => [
      entered(rule),
      entered(rule, grown),
      entered(rule, { on: { ...on, startingCash: 2_000 } })
    ])
    expect(earlier(ledger)).toEqual([])
  })

  it("are each other rule once, the latest of its entries, and one that shorts is another", () => {
    const early = entered(other, { sharpe: 0.01 })
    const late = entered(other, { on: { ...on, digest: "of another" }, sharpe: 0.02 })
    const shorting = entered(other, { shorting: true })
    const shortingOwn = entered(grid[0] as CrossingLengths, { shorting: true })
    expect(earlier([early, late, shorting, shortingOwn])).toEqual([late, shorting, shortingOwn])
  })

  it("are each id once where the rule is not told", () => {
    const untold = (trial: Trial): Trial => ({ ...trial, meta: [] })
    const early = untold(entered(other))
    const again = { ...early, at: 6 }
    const elsewhere = untold(entered(other, { on: { ...on, digest: "of another" } }))
    expect(earlier([early, elsewhere, again, untold(entered(grid[0] as CrossingLengths))])).toEqual([
      again,
      elsewhere
    ])
  })

  it("are those on bars like these", () => {
    const apart = entered(other, { series: seriesOf(100, "ALPHA", 200) })
    const overlapping = entered({ fast: 1, slow: 2 }, { series: seriesOf(100, "ALPHA", 90) })
    const bravo = entered({ fast: 1, slow: 3 }, { series: seriesOf(100, "BRAVO") })
    const network = { ...entered({ fast: 1, slow: 4 }), kind: "network" }
    expect(earlier([apart, overlapping, bravo, network])).toEqual([overlapping])
    expect(trialsBefore([overlapping], [])).toEqual([])
  })
})
