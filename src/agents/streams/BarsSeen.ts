/**
 * What the streams keep of the bars: the latest of each instrument, the market as one series, its sessions, and how far the
 * run is. A fold over the bars' stream, changed in place. A run with more instruments than a reading covers has the first of them
 * followed.
 */
import { Schema } from "effect"
import { type PanelDay, takeSessionBar } from "../../market/features/SessionPanel.ts"
import { emptyMarket, type MarketSeries, observe } from "../../market/streams/MarketSeries.ts"
import { type FollowedInstrument, takeBar } from "../../market/streams/RecentBars.ts"
import type { Bar, BarsClosed, BarsEvent } from "../../protocols/Bar.ts"
import { Instrument, type InstrumentId } from "../../protocols/Instrument.ts"
import { instrumentsPerReadingMax } from "../../protocols/Streams.ts"
import { TimeFrame } from "../../protocols/TimeFrame.ts"
import { EpochMs } from "../../protocols/wire/Ids.ts"
import { decodeRows, encodeRows } from "./floatRows.ts"

export interface BarsSeen {
  /** The feed, in words. */
  source: string
  timeFrame: TimeFrame | null
  /** Milliseconds between two as-ofs; null in lock-step, and before the feed has been opened. */
  paceMs: number | null
  /** Whether the bars' time is that of the clock. */
  isLive: boolean
  /** The instant up to which bars are known, and the one before; 0 for none. */
  asOf: number
  previousAsOf: number
  /** Of the as-of in the run. */
  index: number
  isWarmUp: boolean
  instruments: ReadonlyArray<Instrument>
  readonly bars: Map<InstrumentId, Array<Bar>>
  readonly market: MarketSeries
  /** Of the instruments, in their order. */
  readonly sessions: Array<PanelDay>
}

export const emptyBarsSeen = (): BarsSeen => ({
  source: "",
  timeFrame: null,
  paceMs: null,
  isLive: false,
  asOf: 0,
  previousAsOf: 0,
  index: 0,
  isWarmUp: true,
  instruments: [],
  bars: new Map(),
  market: emptyMarket(),
  sessions: []
})

const take = (state: BarsSeen, { payload }: BarsClosed): void => {
  if (state.asOf > 0 && payload.index <= state.index) return
  // A bar may be known later than it closed, and several at once; nothing is read before it is known.
  const asOf = payload.bars.reduce(
    (latest, { knownAt }) => Math.max(latest, knownAt),
    Math.max(payload.asOf, state.asOf)
  )
  if (asOf > state.asOf) state.previousAsOf = state.asOf
  state.asOf = asOf
  state.timeFrame = payload.timeFrame
  state.index = payload.index
  state.isWarmUp = payload.warmUp
  const places = new Map(state.instruments.map(({ id }, place) => [id, place]))
  const calendars = state.instruments.map(({ calendar }) => calendar)
  const returns: Array<number> = []
  for (const bar of payload.bars) {
    const bars = state.bars.get(bar.instrument)
    if (bars === undefined) continue
    const before = bars.at(-1)
    if (!takeBar(bars, bar)) continue
    if (before !== undefined) returns.push(Math.log(bar.close / before.close))
    takeSessionBar(state.sessions, calendars, places.get(bar.instrument) as number, bar)
  }
  observe(state.market, asOf, returns)
}

export const evolveBarsSeen = (state: BarsSeen, event: BarsEvent): BarsSeen => {
  if (event.type === "FeedOpened") {
    const { instruments, isLive = false, paceMs, source, timeFrame } = event.payload
    state.source = source
    state.paceMs = paceMs
    state.isLive = isLive
    state.timeFrame = timeFrame
    state.instruments = instruments.slice(0, instrumentsPerReadingMax)
    for (const { id } of state.instruments) if (!state.bars.has(id)) state.bars.set(id, [])
  }
  if (event.type === "BarsClosed") take(state, event)
  return state
}

export const followedBy = ({ bars, instruments }: BarsSeen): ReadonlyArray<FollowedInstrument> =>
  instruments.map((instrument) => ({ instrument, bars: bars.get(instrument.id) ?? [] }))

const EncodedBarsSeen = Schema.Struct({
  source: Schema.String,
  timeFrame: Schema.NullOr(TimeFrame),
  paceMs: Schema.NullOr(Schema.Finite),
  isLive: Schema.Boolean,
  asOf: EpochMs,
  previousAsOf: EpochMs,
  index: Schema.NonNegativeInt,
  isWarmUp: Schema.Boolean,
  instruments: Schema.Array(Instrument),
  /** Feeds that bars came from: bars have their place in the list. */
  sources: Schema.Array(Schema.String),
  /** Of each instrument, in their order; no volume is NaN. */
  bars: Schema.Array(Schema.String),
  market: Schema.Struct({
    asOfs: Schema.String,
    returns: Schema.String,
    logVolatilities: Schema.String,
    count: Schema.NonNegativeInt,
    variance: Schema.Finite
  }),
  /** The day, then the closes, then the volumes. */
  sessions: Schema.String
})
type EncodedBarsSeen = typeof EncodedBarsSeen.Type

const encode = ({ bars, market, sessions, ...state }: BarsSeen): EncodedBarsSeen => {
  const places = new Map<string, number>()
  const placeOf = (source: string) => {
    const place = places.get(source) ?? places.size
    places.set(source, place)
    return place
  }
  const encoded = state.instruments.map(({ id }) =>
    encodeRows(bars.get(id) ?? [], (bar) => [
      ...[bar.openTime, bar.closeTime, bar.open, bar.high, bar.low, bar.close, bar.volume ?? Number.NaN],
      ...[bar.sequence, bar.revision, bar.knownAt, bar.closeOnly ? 1 : 0, placeOf(bar.source)]
    ])
  )
  const { asOfs, count, logVolatilities, returns, variance } = market
  return {
    ...state,
    bars: encoded,
    sources: [...places.keys()],
    market: {
      asOfs: encodeRows(asOfs, (asOf) => [asOf]),
      returns: encodeRows(returns, (one) => [one]),
      logVolatilities: encodeRows(logVolatilities, (one) => [one]),
      count,
      variance
    },
    sessions: encodeRows(sessions, ({ closes, day, volumes }) => [day, ...closes, ...volumes])
  }
}

const barWidth = 12

const decode = ({ bars, market, sessions, sources, ...state }: EncodedBarsSeen): BarsSeen => {
  const { instruments, timeFrame } = state
  const count = instruments.length
  const barsOf = (instrument: InstrumentId, text: string): Array<Bar> =>
    timeFrame === null
      ? []
      : decodeRows(text, barWidth, (at) => ({
          instrument,
          timeFrame,
          openTime: at(0),
          closeTime: at(1),
          open: at(2),
          high: at(3),
          low: at(4),
          close: at(5),
          volume: Number.isNaN(at(6)) ? null : at(6),
          sequence: at(7),
          revision: at(8),
          knownAt: at(9),
          closeOnly: at(10) === 1,
          source: sources[at(11)] as string
        }))
  const column = (text: string) => decodeRows(text, 1, (at) => at(0))
  return {
    ...state,
    bars: new Map(instruments.map(({ id }, i) => [id, barsOf(id, bars[i] as string)])),
    market: {
      asOfs: column(market.asOfs),
      returns: column(market.returns),
      logVolatilities: column(market.logVolatilities),
      count: market.count,
      variance: market.variance
    },
    sessions: decodeRows(sessions, 1 + 2 * count, (at) => ({
      day: at(0),
      closes: Float64Array.from({ length: count }, (_, place) => at(1 + place)),
      volumes: Float64Array.from({ length: count }, (_, place) => at(1 + count + place))
    }))
  }
}

export const BarsSeenSnapshot: Schema.Schema<BarsSeen, typeof EncodedBarsSeen.Encoded> = Schema.transform(
  EncodedBarsSeen,
  Schema.declare(
    (input): input is BarsSeen => typeof input === "object" && input !== null && "market" in input
  ),
  { strict: true, decode, encode }
)
