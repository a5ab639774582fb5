import { describe, expect, it } from "@effect/vitest"
import type { BarSeries } from "../../../src/market/BarSeries.ts"
import {
  type EventBacktestOptions,
  runEvents,
  type Strategy
} from "../../../src/market/backtest/EventEngine.ts"
import { heldOf } from "../../../src/market/execution/Account.ts"
import { limit, market, stop } from "../../../src/market/execution/Order.ts"
import { withoutLimits } from "../../../src/market/execution/Terms.ts"
import { alpha, asOfAt, free, instrumentOf, openTimeAt, timeFrame } from "../execution/market.ts"
import { drain, scheduleOf, seriesOf } from "./series.ts"

const { id } = alpha
const options: EventBacktestOptions = { startingCash: 1_000, rules: withoutLimits(free) }

/** Bars of one price each, or of [open, high, low, close]. */
const bars = (
  rows: ReadonlyArray<number | readonly [number, number, number, number]>,
  instrument = alpha,
  first = 0
): BarSeries => {
  const column = (i: number) =>
    Float64Array.from(rows, (row) => (typeof row === "number" ? row : (row[i] as number)))
  return {
    instrument,
    timeFrame,
    openTime: Float64Array.from(rows, (_, i) => openTimeAt(first + i)),
    open: column(0),
    high: column(1),
    low: column(2),
    close: column(3),
    volume: null,
    closeOnly: false,
    gaps: 0,
    barsMissing: 0
  }
}

/** Does each thing at its as-of. */
const script =
  (...instructions: ReadonlyArray<ReturnType<Strategy>>): Strategy =>
  ({ index }) =>
    instructions[index] ?? []

describe("the event engine", () => {
  it("fills at the bar after the one that was decided on, and marks every as-of", () => {
    const result = drain(runEvents(scheduleOf(bars([100, 110, 120])), script([market(id, 5)]), options))
    expect(result.fills).toMatchObject([{ order: "0", lots: 5, ticks: 110, at: openTimeAt(1) }])
    expect(Array.from(result.asOfs)).toEqual([0, 1, 2].map(asOfAt))
    expect(Array.from(result.equity)).toEqual([1e9, 1e9, 1.05e9])
    expect(result.orders).toMatchObject([{ id: "0", asOf: asOfAt(0) }])
    expect(heldOf(result.account, id)).toBe(5)
  })

  it("asks the strategy with what it may know: bars closed by the as-of and the account as it stands", () => {
    const seen: Array<unknown> = []
    const strategy: Strategy = ({ asOf, barsOf, cash, equity, heldOf, index, markOf, openOrdersOf }) => {
      const { close, openTime, volume } = barsOf(id)
      seen.push([
        index,
        asOf,
        [...close],
        openTime.length,
        volume,
        cash,
        equity,
        heldOf(id),
        markOf(id),
        openOrdersOf(id).length
      ])
      return index === 0 ? [market(id, 5), limit(id, 1, 50)] : []
    }
    drain(runEvents(scheduleOf(bars([100, 110, 120])), strategy, options))
    expect(seen).toEqual([
      [0, asOfAt(0), [100], 1, null, 1e9, 1e9, 0, 100, 0],
      [1, asOfAt(1), [100, 110], 2, null, 4.5e8, 1e9, 5, 110, 1],
      [2, asOfAt(2), [100, 110, 120], 3, null, 4.5e8, 1.05e9, 5, 120, 1]
    ])
  })

  it("does as it would have done on a history that ends earlier", () => {
    const shape = {
      instrument: instrumentOf("ANY", { tick: 0.01, lot: 0.01 }),
      seed: 5,
      silent: 0.1,
      missing: 0.1,
      closeOnly: false
    }
    const strategy: Strategy = ({ barsOf, equity, heldOf, index, instruments: [first] }) => {
      const instrument = first?.id as string
      const { close } = barsOf(instrument)
      const rises = (close.at(-1) as number) > (close.at(-3) ?? 0)
      const lots = rises ? 100 + (equity % 7) : -heldOf(instrument)
      return lots === 0 || index % 3 === 0 ? [] : [market(instrument, lots)]
    }
    const run = (count: number) =>
      drain(
        runEvents(scheduleOf(seriesOf({ ...shape, bars: count })), strategy, {
          ...options,
          startingCash: 100_000
        })
      )
    const short = run(50)
    const long = run(80)
    expect(long.equity.slice(0, 50)).toEqual(short.equity)
    expect(long.fills.slice(0, short.fills.length)).toEqual(short.fills)
    expect(JSON.stringify(run(80))).toBe(JSON.stringify(long))
    expect(short.fills.length).toBeGreaterThan(10)
  })

  it("shows instruments the bars that they have, where the schedule begins late and others trade between", () => {
    const beta = instrumentOf("BETA")
    const lengths: Array<readonly [number, number]> = []
    const strategy: Strategy = ({ barsOf, markOf }) => {
      lengths.push([barsOf(id).close.length, barsOf(beta.id).close.length])
      return markOf(beta.id) === null ? [market("sim:NONE:spot", 1)] : []
    }
    const schedule = scheduleOf(bars([1, 2, 3, 4]), bars([7, 8], beta, 2))
    const result = drain(runEvents(schedule, strategy, options))
    expect(lengths).toEqual([
      [1, 0],
      [2, 0],
      [3, 1],
      [4, 2]
    ])
    expect(result.rejections.map(({ reason }) => reason)).toEqual([
      "unknown-instrument",
      "unknown-instrument"
    ])
    const astray: Strategy = ({ barsOf }) => (barsOf("sim:NONE:spot").closeOnly ? [] : [])
    expect(() => drain(runEvents(schedule, astray, options))).toThrow(RangeError)
  })

  it("carries brackets, cancellations and rejections through", () => {
    const bracket = { stopLossTicks: 90, takeProfitTicks: 120 }
    const result = drain(
      runEvents(
        scheduleOf(bars([100, [100, 105, 95, 100], [100, 125, 95, 110], 110])),
        script(
          [market(id, 5, { bracket }), limit(id, 1, 10)],
          [{ kind: "cancel", order: "1" }, { kind: "cancel", order: "none" }, stop(id, 0, 5)]
        ),
        options
      )
    )
    expect(result.fills.map(({ order, ticks }) => [order, ticks])).toEqual([
      ["0", 100],
      ["0/take-profit", 120]
    ])
    expect(result.cancellations.map(({ lots, order }) => [order, lots])).toEqual([
      ["1", 1],
      ["0/stop-loss", -5]
    ])
    expect(result.rejections).toMatchObject([{ order: "2", reason: "size-zero" }])
    expect(result.equity.at(-1)).toBe(1.1e9)
  })

  it("asks for nothing during the warm-up", () => {
    const asked: Array<number> = []
    const strategy: Strategy = ({ index }) => {
      asked.push(index)
      return [market(id, 1)]
    }
    const result = drain(
      runEvents(scheduleOf(bars([100, 100, 100, 100])), strategy, { ...options, warmUp: 2 })
    )
    expect([asked, result.fills.length]).toEqual([[2, 3], 1])
  })

  it("pays dividends to who holds before the first bar at their instant", () => {
    const dividends = [
      { instrument: id, perUnit: 3, exAt: openTimeAt(2) - 1 },
      { instrument: id, perUnit: 2, exAt: openTimeAt(1) }
    ]
    const result = drain(
      runEvents(scheduleOf(bars([100, 100, 100])), script([market(id, 5)]), { ...options, dividends })
    )
    expect(result.charges).toEqual([{ instrument: id, kind: "dividend", micro: -15_000_000 }])
    const bad = [{ instrument: id, perUnit: -1, exAt: 0 }]
    expect(() => drain(runEvents(scheduleOf(bars([100])), script(), { ...options, dividends: bad }))).toThrow(
      RangeError
    )
  })

  it("stops between slices, so that whoever runs it may breathe", () => {
    const steps = runEvents(scheduleOf(bars(Array.from({ length: 1_000 }, () => 100))), script(), options)
    let slices = 1
    while (steps.next().done !== true) slices++
    expect(slices).toBe(11)
  })
})
