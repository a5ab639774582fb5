/** Series of a simulated world, of several instruments, as a bar file would give them. */
import { Either } from "effect"
import type { BarSeries } from "../../../src/market/BarSeries.ts"
import { simulate } from "../../../src/market/Simulator.ts"
import { type WorldName, worlds } from "../../../src/market/worlds.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"

export const timeFrame = TimeFrame.make("1h")

export const simulatedSeries = (options: {
  readonly bars: number
  readonly instruments?: number
  readonly world?: WorldName
  readonly seed?: number
}): ReadonlyArray<BarSeries> => {
  const { bars, instruments = 1, seed = 5, world = "momentum" } = options
  const simulation = Either.getOrThrow(
    simulate({ world: worlds[world], seed, instruments, timeFrame, startTime: Date.UTC(2024, 0, 1) })
  )
  const all = Array.from({ length: bars }, () => simulation.next())
  return simulation.instruments.map((instrument, i) => {
    const column = (of: (bar: (typeof all)[number][number]) => number) =>
      Float64Array.from(all, (row) => of(row[i] as (typeof row)[number]))
    return {
      instrument,
      timeFrame,
      gaps: 0,
      barsMissing: 0,
      openTime: column(({ openTime }) => openTime),
      open: column(({ open }) => open),
      high: column(({ high }) => high),
      low: column(({ low }) => low),
      close: column(({ close }) => close),
      volume: column(({ volume }) => volume ?? 0),
      closeOnly: false
    }
  })
}

/** Some bars of a series, by their places. */
export const keep = (series: BarSeries, isKept: (bar: number) => boolean): BarSeries => {
  const pick = (column: Float64Array) => column.filter((_, bar) => isKept(bar))
  return {
    ...series,
    openTime: pick(series.openTime),
    open: pick(series.open),
    high: pick(series.high),
    low: pick(series.low),
    close: pick(series.close),
    volume: series.volume === null ? null : pick(series.volume)
  }
}

export const cut = (series: BarSeries, bars: number): BarSeries => ({
  ...series,
  openTime: series.openTime.slice(0, bars),
  open: series.open.slice(0, bars),
  high: series.high.slice(0, bars),
  low: series.low.slice(0, bars),
  close: series.close.slice(0, bars),
  volume: series.volume?.slice(0, bars) ?? null
})

export const costs = { feeBps: 5, halfSpreadBps: 1, slippageBps: 1 }
