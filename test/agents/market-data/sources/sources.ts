/** What the tests of sources share: instruments, messages, a budget that counts, a queue of what comes. */
import { Effect, Queue, Schema, type Scope, Stream, TestClock } from "effect"
import type { BarSource } from "../../../../src/agents/market-data/BarSource.ts"
import type { SourceFailed } from "../../../../src/agents/market-data/errors.ts"
import type { RateBudget } from "../../../../src/agents/market-data/RateBudget.ts"
import { openSource } from "../../../../src/agents/market-data/sources/openSource.ts"
import { SourceSettings } from "../../../../src/agents/market-data/sources/SourceSettings.ts"
import type { CalendarChoice } from "../../../../src/agents/settings/MarketDataSettings.ts"
import type { Bar } from "../../../../src/protocols/Bar.ts"
import { type Instrument, InstrumentId } from "../../../../src/protocols/Instrument.ts"
import { TimeFrame } from "../../../../src/protocols/TimeFrame.ts"
import { breathe } from "../../../../src/runtime/breathe.ts"

export const minuteMs = 60_000
export const oneMinute = TimeFrame.make("1m")
export const startTime = Date.UTC(2024, 0, 1)

export const bitcoin: Instrument = {
  id: InstrumentId.make("binance:BTCUSDT:spot"),
  venue: "binance",
  symbol: "BTCUSDT",
  kind: "spot",
  tick: 0.01,
  lot: 0.00001,
  currency: "USDT",
  calendar: "always"
}
export const ether: Instrument = {
  ...bitcoin,
  id: InstrumentId.make("binance:ETHUSDT:spot"),
  symbol: "ETHUSDT"
}

/** As it stands in the settings of places without a catalogue. */
export const listed = ({ calendar, currency, id, lot, tick }: Instrument) => ({
  id,
  tick,
  lot,
  currency,
  calendar
})

/** A bar as companions, Redis and NATS write it, that opens so many minutes after the start. */
export const message = (minute: number, more: Readonly<Record<string, unknown>> = {}) => ({
  instrument: bitcoin.id,
  timeFrame: "1m",
  openTime: startTime + minute * minuteMs,
  open: 100,
  high: 102,
  low: 99,
  close: 101 + minute,
  volume: 5,
  ...(minute > 1 ? { high: 102 + minute } : {}),
  ...more
})

export const unlimited: RateBudget = { withPermit: (request) => request }

/** Opens a source by settings as they are written. */
export const open = (
  settings: unknown,
  budget: RateBudget = unlimited,
  calendar: CalendarChoice = "auto"
): Effect.Effect<BarSource, SourceFailed, Scope.Scope> =>
  Effect.flatMap(Effect.orDie(Schema.decodeUnknown(SourceSettings)(settings)), (decoded) =>
    openSource(decoded, budget, calendar)
  )

/** History in minutes from the start. */
export const historyOf = (source: BarSource, from: number, to: number, instrument = bitcoin) => {
  if (source.history === null) throw new Error(`${source.name} has no history`)
  const at = (minute: number) => startTime + minute * minuteMs
  const request = { instrument, timeFrame: oneMinute, from: at(from), to: at(to) }
  return Effect.map(Stream.runCollect(source.history(request)), (bars) => [...bars])
}

/** Live bars as they come, and the failure that ends them. */
export const liveOf = Effect.fnUntraced(function* (source: BarSource, instruments = [bitcoin]) {
  if (source.live === null) throw new Error(`${source.name} has no live bars`)
  const bars = yield* Queue.unbounded<Bar>()
  const ended = yield* source.live({ instruments, timeFrame: oneMinute }).pipe(
    Stream.runForEach((bar) => Queue.offer(bars, bar)),
    Effect.zipRight(Effect.die(new Error("the stream ended without a failure"))),
    Effect.flip,
    Effect.forkScoped
  )
  return { bars, ended }
})

/** Repeats something until it has had its effect, as often as the event loop goes round. */
export const until = <A, E, R>(
  attempt: Effect.Effect<A, E, R>,
  isDone: (value: A) => boolean
): Effect.Effect<A, E, R> =>
  Effect.flatMap(attempt, (value) =>
    isDone(value) ? Effect.succeed(value) : Effect.zipRight(breathe, until(attempt, isDone))
  )

/** Waits until a fiber waits for the test clock to reach a time. */
export const asleepUntil = (timeMs: number) =>
  until(TestClock.sleeps(), (times) => [...times].includes(timeMs))
