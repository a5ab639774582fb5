/** Sources of a test, and the feed of them: what they give live is put in by hand, their history is made by a function. */
import { Effect, type Mailbox, Mailbox as MailboxModule, Queue, Stream } from "effect"
import type { BarSource, HistoryRequest } from "../../../src/agents/market-data/BarSource.ts"
import type { SourceFailed } from "../../../src/agents/market-data/errors.ts"
import { openLiveFeed } from "../../../src/agents/market-data/LiveFeed.ts"
import { makeVenues, Venues } from "../../../src/agents/market-data/Venues.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import type { Instrument } from "../../../src/protocols/Instrument.ts"
import { settingsWith } from "../settings.ts"
import { barAt, failure, frameMs, startTime, timeFrame } from "./chains.ts"

export interface ScriptedSource {
  readonly source: BarSource
  /** Connections that are open now. */
  readonly open: () => number
  /** How often its live bars have been connected to. */
  readonly connections: () => number
  /** Waits for the next connection that has not been waited for. */
  readonly connected: Effect.Effect<void>
  /** Histories that it was asked for. */
  readonly asked: ReadonlyArray<HistoryRequest>
  readonly give: (...bars: ReadonlyArray<Bar>) => Effect.Effect<void>
  readonly fail: (changes?: Partial<SourceFailed>) => Effect.Effect<void>
}

export const scriptedSource = (
  name: string,
  options: {
    readonly instruments: ReadonlyArray<Instrument>
    readonly history?: (request: HistoryRequest) => Stream.Stream<Bar, SourceFailed>
    readonly isLive?: boolean
    readonly kind?: BarSource["kind"]
  }
): ScriptedSource => {
  const open = new Set<Mailbox.Mailbox<Bar, SourceFailed>>()
  const asked: Array<HistoryRequest> = []
  const made = Effect.runSync(Queue.unbounded<void>())
  let connections = 0
  const live = Stream.unwrapScoped(
    Effect.gen(function* () {
      const mailbox = yield* Effect.acquireRelease(MailboxModule.make<Bar, SourceFailed>(), (mailbox) =>
        Effect.sync(() => open.delete(mailbox))
      )
      open.add(mailbox)
      connections++
      yield* made.offer(undefined)
      return MailboxModule.toStream(mailbox)
    })
  )
  const { history, instruments, isLive = true, kind = "companion" } = options
  return {
    source: {
      name,
      kind,
      units: { price: "quote", volume: "base" },
      instruments: Effect.succeed(instruments),
      history:
        history === undefined
          ? null
          : (request) => {
              asked.push(request)
              return Stream.map(history(request), (bar) => ({ ...bar, source: name }))
            },
      live: isLive ? () => live : null,
      refused: () => 0
    },
    open: () => open.size,
    connections: () => connections,
    connected: made.take,
    asked,
    give: (...bars) =>
      Effect.forEach(open, (mailbox) => mailbox.offerAll(bars.map((bar) => ({ ...bar, source: name }))), {
        discard: true
      }),
    fail: (changes) =>
      Effect.forEach([...open], (mailbox) => mailbox.fail(failure(name, changes)), { discard: true })
  }
}

/** History of every interval that has closed, a bar for each. */
export const whole = ({ from, instrument, to }: HistoryRequest) =>
  Stream.unwrap(
    Effect.map(
      Effect.clockWith((clock) => clock.currentTimeMillis),
      (now) => {
        const first = Math.ceil((from - startTime) / frameMs)
        const last = Math.ceil((Math.min(to, now - frameMs + 1) - startTime) / frameMs)
        return Stream.range(first, last - 1).pipe(
          Stream.map((index) => barAt(index, { instrument: instrument.id })),
          last > first ? (bars) => bars : () => Stream.empty
        )
      }
    )
  )

/** A live feed of such sources, with a short warm-up. */
export const liveFeedOf = (
  sources: ReadonlyArray<ScriptedSource>,
  changes: Readonly<Record<string, string | number>> = {}
) => {
  const byName = new Map(sources.map(({ source }) => [source.name, source]))
  const venues = makeVenues({
    sources: sources.map(({ source }) => ({ name: source.name })),
    venueOf: ({ name }) => name,
    open: ({ name }) => Effect.succeed(byName.get(name) as BarSource)
  })
  const settings = settingsWith({
    "marketData.source": "live",
    "marketData.timeFrame": timeFrame,
    "marketData.history": 3,
    "marketData.warmUpBarsMin": 3,
    ...changes
  })
  return Effect.provideServiceEffect(openLiveFeed(settings.marketData), Venues, venues)
}
