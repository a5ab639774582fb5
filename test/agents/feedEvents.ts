/** Events of bars as the market-data agent writes them, of the simulator or of given prices. */
import { Either } from "effect"
import { enveloped } from "../../src/agents/NodeContext.ts"
import { simulate } from "../../src/market/Simulator.ts"
import { type WorldName, worlds } from "../../src/market/worlds.ts"
import type { Bar, BarsClosed, BarsEvent, FeedEnded, FeedOpened } from "../../src/protocols/Bar.ts"
import { type Instrument, instrumentId } from "../../src/protocols/Instrument.ts"
import { TimeFrame, toMs } from "../../src/protocols/TimeFrame.ts"
import { Epoch, RunId } from "../../src/protocols/wire/Ids.ts"

export const run = RunId.make("test")
export const timeFrame = TimeFrame.make("1h")
export const frameMs = toMs(timeFrame)
export const startTime = Date.UTC(2024, 0, 1)
/** As-of of the bar at an index: the end of its interval. */
export const asOfAt = (index: number): number => startTime + (index + 1) * frameMs

const about = (asOf: number, subject: string) => ({ run, source: "market-data", asOf, subject }) as const
const event = <Type extends BarsEvent["type"], P>(type: Type, asOf: number, subject: string, payload: P) => ({
  ...enveloped(about(asOf, subject), payload),
  type,
  version: 1,
  epoch: Epoch.make(1)
})

export const opened = (
  instruments: ReadonlyArray<Instrument>,
  options: { readonly warmUp?: number; readonly paceMs?: number | null } = {}
): FeedOpened =>
  event("FeedOpened", 0, "opened", {
    source: "test",
    timeFrame,
    instruments,
    warmUp: options.warmUp ?? 0,
    total: null,
    paceMs: options.paceMs ?? null
  })

export const closed = (index: number, bars: ReadonlyArray<Bar>, warmUp = false): BarsClosed => {
  const asOf = Math.max(...bars.map(({ closeTime }) => closeTime))
  return event("BarsClosed", asOf, "bars", { asOf, timeFrame, index, warmUp, bars })
}

export const ended = (asOf: number): FeedEnded =>
  event("FeedEnded", asOf, "ended", { asOf, reason: "the feed has no more bars" })

export interface Simulated {
  readonly instruments: ReadonlyArray<Instrument>
  readonly events: ReadonlyArray<BarsClosed>
}

/** So many as-ofs of a simulated world. */
export const simulated = (options: {
  readonly seed: number
  readonly count: number
  readonly instruments?: number
  readonly world?: WorldName
}): Simulated => {
  const simulation = Either.getOrThrow(
    simulate({
      world: worlds[options.world ?? "momentum"],
      seed: options.seed,
      instruments: options.instruments ?? 2,
      timeFrame,
      startTime
    })
  )
  return {
    instruments: simulation.instruments,
    events: Array.from({ length: options.count }, (_, index) => closed(index, simulation.next()))
  }
}

export const instrumentOf = (symbol: string, contract: Partial<Instrument> = {}): Instrument => ({
  id: instrumentId("sim", symbol, "spot"),
  venue: "sim",
  symbol,
  kind: "spot",
  tick: 0.01,
  lot: 0.0001,
  currency: "USD",
  calendar: "always",
  ...contract
})

export interface Prices {
  readonly open: number
  readonly close: number
  readonly volume?: number | null
  readonly closeOnly?: boolean
}

/** The bar of an instrument at an index. */
export const barOf = (instrument: Instrument, index: number, prices: Prices): Bar => {
  const { close, open, volume = 10, closeOnly = false } = prices
  const openTime = startTime + index * frameMs
  return {
    instrument: instrument.id,
    timeFrame,
    openTime,
    closeTime: openTime + frameMs,
    open: closeOnly ? close : open,
    high: Math.max(closeOnly ? close : open, close),
    low: Math.min(closeOnly ? close : open, close),
    close,
    volume: closeOnly ? null : volume,
    closeOnly,
    source: "test",
    sequence: index,
    revision: 0,
    knownAt: openTime + frameMs
  }
}
