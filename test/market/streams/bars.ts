/** Bars of simulated instruments, and of given prices, for tests of streams. */
import { Either } from "effect"
import { simulate } from "../../../src/market/Simulator.ts"
import { emptyMarket, type MarketSeries, observe } from "../../../src/market/streams/MarketSeries.ts"
import { type FollowedInstrument, takeBar } from "../../../src/market/streams/RecentBars.ts"
import { worlds } from "../../../src/market/worlds.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { type Instrument, instrumentId } from "../../../src/protocols/Instrument.ts"
import { TimeFrame, toMs } from "../../../src/protocols/TimeFrame.ts"

export const timeFrame = TimeFrame.make("1h")
export const frameMs = toMs(timeFrame)
export const startTime = Date.UTC(2024, 0, 1)
/** When the bar at an index closes. */
export const asOfAt = (index: number): number => startTime + (index + 1) * frameMs

export interface World {
  readonly instruments: ReadonlyArray<Instrument>
  /** The bars of one as-of after the other. */
  readonly asOfs: ReadonlyArray<ReadonlyArray<Bar>>
}

export const simulated = (options: {
  readonly seed: number
  readonly count: number
  readonly instruments: number
}): World => {
  const { count, instruments, seed } = options
  const simulation = Either.getOrThrow(
    simulate({ world: worlds.market, seed, instruments, timeFrame, startTime })
  )
  return {
    instruments: simulation.instruments,
    asOfs: Array.from({ length: count }, () => simulation.next())
  }
}

/** Everything of the first so many as-ofs, nothing let go. */
export const followedOf = (world: World, count: number): ReadonlyArray<FollowedInstrument> =>
  world.instruments.map((instrument) => ({
    instrument,
    bars: world.asOfs
      .slice(0, count)
      .flatMap((bars) => bars.filter((bar) => bar.instrument === instrument.id))
  }))

/** What is kept after so many as-ofs. */
export const recentOf = (world: World, count: number): ReadonlyArray<FollowedInstrument> =>
  followedOf(world, count).map(({ bars, instrument }) => {
    const kept: Array<Bar> = []
    for (const bar of bars) takeBar(kept, bar)
    return { instrument, bars: kept }
  })

export const marketOf = (world: World, count: number): MarketSeries => {
  const market = emptyMarket()
  const closes = new Map<string, number>()
  world.asOfs.slice(0, count).forEach((bars, index) => {
    const returns = bars.flatMap(({ close, instrument }) => {
      const before = closes.get(instrument)
      closes.set(instrument, close)
      return before === undefined ? [] : [Math.log(close / before)]
    })
    observe(market, asOfAt(index), returns)
  })
  return market
}

export const instrumentOf = (symbol: string, calendar: Instrument["calendar"] = "always"): Instrument => ({
  id: instrumentId("sim", symbol, "spot"),
  venue: "sim",
  symbol,
  kind: "spot",
  tick: 0.01,
  lot: 0.0001,
  currency: "USD",
  calendar
})

/** The bar of an instrument at an index. */
export const barOf = (
  { id }: Instrument,
  index: number,
  prices: Partial<
    Pick<Bar, "open" | "high" | "low" | "close" | "volume" | "revision" | "knownAt" | "closeOnly">
  >
): Bar => {
  const { close = 100, open = close } = prices
  const openTime = startTime + index * frameMs
  return {
    instrument: id,
    timeFrame,
    openTime,
    closeTime: openTime + frameMs,
    open,
    high: Math.max(open, close),
    low: Math.min(open, close),
    close,
    volume: 10,
    closeOnly: false,
    source: "test",
    sequence: index,
    revision: 0,
    knownAt: openTime + frameMs,
    ...prices
  }
}
