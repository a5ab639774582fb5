import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Either, Fiber, Logger, Metric, type Scope, Stream, TestClock } from "effect"
import type { HistoryRequest } from "../../../src/agents/market-data/BarSource.ts"
import type { FeedItem, FeedPosition } from "../../../src/agents/market-data/Feed.ts"
import { makeBarSieve } from "../../../src/agents/market-data/sources/BarSieve.ts"
import type { InstrumentId } from "../../../src/protocols/Instrument.ts"
import { instrumentOf } from "../feedEvents.ts"
import { barAt, failure, frameMs, openTimeAt, startTime } from "./chains.ts"
import { liveFeedOf, type ScriptedSource, scriptedSource, whole } from "./scriptedSource.ts"

const alpha = instrumentOf("ALPHA")
const beta = instrumentOf("BETA")
const instruments = [alpha, beta]
const fresh: FeedPosition = { index: 0, asOf: null, active: null }

/** What the feed gives, gathered as it comes. */
const follow = (
  sources: ReadonlyArray<ScriptedSource>,
  position: FeedPosition = fresh,
  changes: Readonly<Record<string, string | number>> = {}
) =>
  Effect.gen(function* () {
    const feed = yield* liveFeedOf(sources, changes)
    const take = yield* feed.from(position)
    const items: Array<FeedItem> = []
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.map(take, (item) => {
          if (item !== undefined) items.push(item)
        })
      )
    )
    const bars = () =>
      items.flatMap(({ bars }) =>
        bars === undefined
          ? []
          : [
              bars.map(
                ({ instrument, openTime, source }) =>
                  `${source}:${instrument.split(":")[1]}@${(openTime - startTime) / frameMs}`
              )
            ]
      )
    return { feed, items, bars }
  })

const both = (index: number) => instruments.map(({ id }) => barAt(index, { instrument: id }))
const barsOf = (name: string, index: number) => [`${name}:ALPHA@${index}`, `${name}:BETA@${index}`]

const pass = (ms: number) => TestClock.adjust(ms)

const check = (name: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.scoped(name, () =>
    Effect.zipRight(TestClock.setTime(openTimeAt(10)), body).pipe(
      Effect.provide(Logger.remove(Logger.defaultLogger))
    )
  )

describe("a live feed", () => {
  check(
    "begins with the last as-ofs of the past, and goes on with live bars",
    Effect.gen(function* () {
      const a = scriptedSource("a", { instruments, history: whole })
      const { bars, feed } = yield* follow([a])
      expect(feed).toMatchObject({ kind: "live", warmUp: 3, total: null, paceMs: frameMs, isLive: true })
      yield* pass(1_000)
      expect(bars()).toEqual([7, 8, 9].map((index) => barsOf("a", index)))
      yield* pass(frameMs - 1_000)
      yield* a.give(...both(10))
      yield* pass(0)
      expect(bars().at(-1)).toEqual(barsOf("a", 10))
      expect(feed.sources()).toMatchObject([
        { name: "a", role: "active", state: "well", bars: 2, latencyMs: 0 }
      ])
      expect(a.connections()).toBe(1)
    })
  )

  check(
    "hands over within the time stated, and fills the gap at the seam",
    Effect.gen(function* () {
      const a = scriptedSource("a", { instruments })
      const b = scriptedSource("b", { instruments, history: whole })
      const { bars, items } = yield* follow([a, b], fresh, { "marketData.live.handOverMs": 1_000 })
      yield* pass(frameMs)
      yield* a.give(...both(10))
      yield* b.give(...both(10))
      yield* pass(frameMs)
      yield* b.give(...both(11))
      yield* pass(800)
      expect(bars().at(-1)).toEqual(barsOf("a", 10))
      yield* pass(200)
      expect(bars().at(-1)).toEqual(barsOf("b", 11))
      const events = items.flatMap(({ event }) => (event === undefined ? [] : [event]))
      expect(events).toMatchObject([
        {
          type: "FeedHandedOver",
          payload: { from: "a", to: "b", gapFrom: openTimeAt(11), gapTo: openTimeAt(11) }
        }
      ])
      yield* b.fail()
      yield* a.fail()
      yield* pass(2 * frameMs)
      yield* b.give(...both(13))
      yield* pass(100)
      expect(bars().slice(-2)).toEqual([barsOf("b", 12), barsOf("b", 13)])
      expect(b.asked.at(-1)).toMatchObject({ from: openTimeAt(12), to: openTimeAt(13) })
      expect(a.connections()).toBe(2)
      expect(b.connections()).toBe(2)
    })
  )

  check(
    "waits for the bars of all instruments, but not for ever",
    Effect.gen(function* () {
      const a = scriptedSource("a", { instruments })
      const { bars, feed, items } = yield* follow([a])
      yield* pass(frameMs)
      yield* a.give(...both(10))
      yield* pass(0)
      expect(bars()).toEqual([barsOf("a", 10)])
      yield* pass(frameMs)
      yield* a.give(barAt(11, { instrument: alpha.id }))
      yield* pass(4_900)
      expect(bars().length).toBe(1)
      yield* pass(200)
      expect(bars().at(-1)).toEqual(["a:ALPHA@11"])
      expect(feed.barsMissing).toBe(1)
      // Too late for its as-of, and the next goes its way.
      yield* a.give(barAt(11, { instrument: beta.id }))
      yield* pass(0)
      expect(items.at(-1)?.late).toMatchObject([{ instrument: beta.id, openTime: openTimeAt(11) }])
      expect(feed.barsMissing).toBe(1)
      yield* pass(frameMs)
      yield* a.give(...both(12))
      yield* pass(0)
      expect(bars().at(-1)).toEqual(barsOf("a", 12))
      expect(bars().length).toBe(3)
    })
  )

  check(
    "leaves out a row that is no bar, though it was asked for alone, without asking again or waiting",
    Effect.gen(function* () {
      const sieve = makeBarSieve("a")
      const rows = (request: HistoryRequest) => {
        const sift = sieve.ofHistory()
        return whole(request).pipe(
          Stream.map((bar) =>
            bar.openTime === openTimeAt(12) ? Either.left("it is none") : Either.right(bar)
          ),
          Stream.mapChunksEffect((page) =>
            Effect.map(sift(Chunk.toReadonlyArray(page)), Chunk.unsafeFromArray)
          )
        )
      }
      const a = scriptedSource("a", { instruments: [alpha], history: rows })
      const { bars, feed } = yield* follow([a])
      yield* pass(frameMs)
      yield* a.give(barAt(10))
      yield* pass(frameMs)
      yield* a.give(barAt(11))
      yield* pass(2 * frameMs)
      const asked = a.asked.length
      yield* a.give(barAt(13))
      yield* pass(100)
      expect(bars().at(-1)).toEqual(["a:ALPHA@13"])
      expect(a.asked.slice(asked)).toMatchObject([{ from: openTimeAt(12), to: openTimeAt(13) }])
      expect(sieve.refused()).toBe(1)
      expect(feed.sources()).toMatchObject([{ failures: 0, breaker: "closed", state: "well" }])
      expect(feed.barsMissing).toBe(1)
    })
  )

  check(
    "waits for what it holds of a standby, and lets no bar be late that came in time",
    Effect.gen(function* () {
      const a = scriptedSource("a", { instruments })
      const b = scriptedSource("b", { instruments })
      const changes = { "marketData.live.handOverMs": 2_000, "marketData.live.barrierMs": 2_100 }
      const { bars, feed } = yield* follow([a, b], fresh, changes)
      yield* pass(frameMs)
      yield* a.give(...both(10))
      yield* b.give(...both(10))
      yield* pass(frameMs)
      yield* a.give(barAt(11, { instrument: alpha.id }))
      yield* pass(1_000)
      yield* b.give(...both(11))
      // The hand-over comes after the time that the as-of would have waited.
      yield* pass(2_500)
      expect(bars().at(-1)).toEqual(["a:ALPHA@11", "b:BETA@11"])
      expect(feed.barsMissing).toBe(0)
    })
  )

  check(
    "gives a correction in its as-of while that waits, and apart once that is gone",
    Effect.gen(function* () {
      const a = scriptedSource("a", { instruments })
      const { bars, items } = yield* follow([a])
      yield* pass(frameMs)
      yield* a.give(barAt(10, { instrument: alpha.id, close: 90 }))
      yield* a.give(barAt(10, { instrument: alpha.id, close: 91, revision: 1 }))
      yield* a.give(barAt(10, { instrument: beta.id, close: 80 }))
      yield* pass(0)
      expect(bars()).toEqual([barsOf("a", 10)])
      expect(items.at(-1)?.bars?.map(({ close }) => close)).toEqual([91, 80])
      yield* a.give(barAt(10, { instrument: beta.id, close: 81, revision: 1 }))
      yield* pass(0)
      expect(items.at(-1)?.late).toMatchObject([{ instrument: beta.id, close: 81, revision: 1 }])
    })
  )

  check(
    "lets the oldest of what befell its sources give way when nobody takes it, and counts it",
    Effect.gen(function* () {
      const dropped = Metric.value(Metric.counter("feed-events-dropped", { incremental: true }))
      const before = (yield* dropped).count
      const a = scriptedSource("a", { instruments: [alpha] })
      const b = scriptedSource("b", { instruments: [alpha] })
      const feed = yield* liveFeedOf([a, b])
      const take = yield* feed.from(fresh)
      yield* pass(frameMs)
      yield* a.give(barAt(10, { close: 100 }))
      yield* pass(0)
      // With every other report the two disagree anew.
      const spells = 10_005
      const reports = Array.from({ length: 2 * spells }, (_, i) =>
        barAt(10, { close: i % 2 === 0 ? 110 + i / spells : 100, revision: i })
      )
      yield* b.give(...reports)
      yield* pass(1_000)
      const shares: Array<number> = []
      for (let item = yield* take; item?.event !== undefined; item = yield* take) {
        if (item.event.type === "FeedsDisagreed") shares.push(item.event.payload.share)
      }
      expect(shares.length).toBe(10_000)
      const last = reports.at(-2)?.close ?? 0
      expect(shares.at(-1)).toBeCloseTo((last - 100) / last, 12)
      expect((yield* dropped).count - before).toBe(5)
    })
  )

  check(
    "is taken up where it was left, with the source that was active",
    Effect.gen(function* () {
      const a = scriptedSource("a", { instruments })
      const b = scriptedSource("b", { instruments, history: whole })
      const position = { index: 5, asOf: openTimeAt(6), active: "b" }
      const { bars, feed } = yield* follow([a, b], position)
      yield* pass(1_000)
      expect(bars()).toEqual([6, 7, 8, 9].map((index) => barsOf("b", index)))
      expect(feed.sources().map(({ name, role }) => [name, role])).toEqual([
        ["a", "standby"],
        ["b", "active"]
      ])
    })
  )

  check(
    "outlives a history that refuses, and a source with a defect",
    Effect.gen(function* () {
      let refusals = 2
      const a = scriptedSource("a", {
        instruments,
        history: (request) =>
          refusals-- > 0
            ? Stream.fail(failure("a", { kind: "rate-limited", retryAfterMs: 3_000 }))
            : whole(request)
      })
      const defective = scriptedSource("b", { instruments })
      const b = { ...defective, source: { ...defective.source, live: () => Stream.dieMessage("a slip") } }
      const { bars, feed } = yield* follow([a, b])
      yield* pass(2_000)
      expect(bars()).toEqual([])
      yield* pass(4_000)
      expect(bars()).toEqual([7, 8, 9].map((index) => barsOf("a", index)))
      expect(feed.sources()).toMatchObject([
        { name: "a", failures: 2 },
        { name: "b", state: "down", breaker: "open", lastFailure: expect.stringContaining("a slip") }
      ])
    })
  )

  check(
    "ends its connections with its scope",
    Effect.gen(function* () {
      let isOpen = 0
      const counted = Stream.acquireRelease(
        Effect.sync(() => isOpen++),
        () => Effect.sync(() => isOpen--)
      ).pipe(Stream.zipRight(Stream.never))
      const scripted = scriptedSource("a", { instruments })
      const a = { ...scripted, source: { ...scripted.source, live: () => counted } }
      const life = yield* Effect.fork(Effect.scoped(Effect.zipRight(follow([a]), Effect.never)))
      yield* pass(500)
      expect(isOpen).toBe(1)
      yield* Fiber.interrupt(life)
      expect(isOpen).toBe(0)
    })
  )

  check(
    "follows the instruments that are chosen, of the first source that knows them all",
    Effect.gen(function* () {
      const gamma = instrumentOf("GAMMA")
      const a = scriptedSource("a", { instruments })
      const b = scriptedSource("b", { instruments: [gamma, alpha] })
      const chosen = (symbols: string) =>
        Effect.map(liveFeedOf([a, b], { "marketData.symbols": symbols }), (feed) =>
          feed.instruments.map(({ symbol }) => symbol)
        )
      expect(yield* chosen("")).toEqual(["ALPHA", "BETA"])
      expect(yield* chosen("BETA")).toEqual(["BETA"])
      expect(yield* chosen(`${gamma.id as InstrumentId},ALPHA`)).toEqual(["GAMMA", "ALPHA"])
      const refusal = (symbols: string) =>
        Effect.map(Effect.flip(liveFeedOf([a, b], { "marketData.symbols": symbols })), String)
      expect(yield* refusal("DELTA")).toContain("b has no DELTA")
      const historyOnly = scriptedSource("c", { instruments, history: whole, isLive: false })
      expect(String(yield* Effect.flip(liveFeedOf([historyOnly])))).toContain("none with live bars")
      expect((yield* liveFeedOf([a])).fingerprint).toBe((yield* liveFeedOf([a, b])).fingerprint)
      expect((yield* liveFeedOf([a])).fingerprint).not.toBe(
        (yield* liveFeedOf([a], { "marketData.symbols": "BETA" })).fingerprint
      )
    })
  )

  check(
    "says so when the first source cannot be asked for its instruments, after asking again",
    Effect.gen(function* () {
      const a = scriptedSource("a", { instruments })
      let asked = 0
      const refused = {
        ...a,
        source: {
          ...a.source,
          instruments: Effect.suspend(() => {
            asked++
            return failure("a", { kind: "unavailable" })
          })
        }
      }
      const opening = yield* Effect.fork(Effect.flip(liveFeedOf([refused])))
      yield* pass(10_000)
      expect((yield* Fiber.join(opening))._tag).toBe("SourceFailed")
      expect(asked).toBe(4)
    })
  )
})
