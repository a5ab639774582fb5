import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Feed } from "../../../src/agents/market-data/Feed.ts"
import { openFeed } from "../../../src/agents/market-data/openFeed.ts"
import { makeVenues, Venues } from "../../../src/agents/market-data/Venues.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { settingsWith } from "../settings.ts"
import { barsText, hourMs, longText, put, startTime, zipped } from "./files.ts"

type Changes = Readonly<Record<string, string | number | boolean>>

const noVenues = makeVenues({
  sources: [],
  venueOf: () => "",
  open: () => Effect.dieMessage("there are none")
})
const opening = (changes: Changes) =>
  Effect.scoped(Effect.provideServiceEffect(openFeed(settingsWith(changes)), Venues, noVenues))
const csv = (paths: ReadonlyArray<string>, changes: Changes = {}) =>
  opening({ "marketData.source": "csv", "marketData.paths": paths.join(","), ...changes })
const simulator = (changes: Changes = {}) => opening(changes)

/** Everything that a feed gives from an index on, at most so many as-ofs. */
const take = (
  feed: Feed,
  index = 0,
  atMost = Number.POSITIVE_INFINITY
): ReadonlyArray<ReadonlyArray<Bar>> => {
  const position = { index, asOf: null, active: null }
  const next = Effect.runSync(Effect.scoped(feed.from(position)))
  const taken: Array<ReadonlyArray<Bar>> = []
  while (taken.length < atMost) {
    const bars = Effect.runSync(next)?.bars
    if (bars === undefined) break
    taken.push(bars)
  }
  return taken
}
const ids = (feed: Feed) => feed.instruments.map(({ id }) => id)

describe("a feed of files", () => {
  it.scopedLive("gives the bars of a file in their order, and can be taken up at any as-of", () =>
    Effect.gen(function* () {
      const path = put(yield* temporaryDirectory, "ALPHA_1h.csv", barsText(400))
      const feed = yield* csv([path])
      const all = take(feed)
      expect(feed).toMatchObject({ kind: "csv", source: path, timeFrame: "1h", total: 400, warmUp: 250 })
      expect(all.flat().map(({ close }) => close)).toEqual(Array.from({ length: 400 }, (_, i) => 100 + i))
      for (const index of [0, 1, 250, 399, 400]) expect(take(feed, index)).toEqual(all.slice(index))
    })
  )

  it.scopedLive("takes a name for an instrument before the path, and a path that holds an equals sign", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = put(directory, "ALPHA_1h.csv", barsText(300))
      const odd = put(directory, "a=b_1h.csv", barsText(300))
      expect(ids(yield* csv([path]))).toEqual(["csv:ALPHA:other"])
      expect(ids(yield* csv([`GOLD=${path}`]))).toEqual(["csv:GOLD:other"])
      expect(ids(yield* csv([`binance:BTCUSDT:perp=${path}`]))).toEqual(["binance:BTCUSDT:perp"])
      expect(ids(yield* csv([odd]))).toEqual(["csv:a-b:other"])
      expect(ids(yield* csv([`GOLD=${odd}`]))).toEqual(["csv:GOLD:other"])
      expect((yield* Effect.flip(csv([`not a name!=${path}`])))._tag).toBe("BadInstrumentName")
    })
  )

  it.scopedLive("puts several files side by side, and refuses one instrument twice", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const alpha = put(directory, "ALPHA_1h.csv", barsText(300))
      const beta = put(directory, "BETA_1h.csv.gz", zipped(barsText(280)))
      const feed = yield* csv([alpha, beta])
      expect(ids(feed)).toEqual(["csv:ALPHA:other", "csv:BETA:other"])
      expect(take(feed).map((bars) => bars.length)).toEqual([
        ...Array.from({ length: 280 }, () => 2),
        ...Array.from({ length: 20 }, () => 1)
      ])
      const twice = yield* Effect.flip(csv([alpha, `ALPHA=${beta}`]))
      expect(twice._tag).toBe("DuplicateInstrument")
    })
  )

  it.scopedLive("reads of a file of many instruments those that are chosen, or the first so many", () =>
    Effect.gen(function* () {
      const path = put(yield* temporaryDirectory, "many.csv", longText(["A", "B", "C", "D"], 300))
      expect(ids(yield* csv([path])).length).toBe(4)
      const chosen = yield* csv([path], { "marketData.symbols": "B,D" })
      expect(chosen.instruments.map(({ symbol }) => symbol)).toEqual(["B", "D"])
      const first = yield* csv([path], { "marketData.instrumentsMax": 3 })
      expect(first.instruments.map(({ symbol }) => symbol)).toEqual(["A", "B", "C"])
    })
  )

  it.scopedLive("refuses a symbol that no file holds, and says which there are", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = put(directory, "many.csv", longText(["A", "B"], 300))
      const error = yield* Effect.flip(csv([path], { "marketData.symbols": "Z" }))
      expect(error._tag).toBe("NothingSelected")
      expect(error.message).toContain("holds no bars of Z: it has A, B")
      const other = put(directory, "C_1h.csv", barsText(300))
      const feed = yield* csv([path, other], { "marketData.symbols": "C" })
      expect(ids(feed)).toEqual(["csv:C:other"])
      const none = yield* Effect.flip(csv([path, other], { "marketData.symbols": "Z" }))
      expect(none._tag).toBe("NothingSelected")
    })
  )

  it.scopedLive("refuses files of which one cannot be read, and no files at all", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = put(directory, "ALPHA_1h.csv", barsText(300))
      const missing = yield* Effect.flip(csv([path, join(directory, "nowhere.csv")]))
      expect(missing.message).toContain("nowhere.csv cannot be read: there is no such file")
      const bad = put(
        directory,
        "BAD_1h.csv",
        barsText(
          100,
          Array.from({ length: 10 }, (_, i) => i + 20)
        )
      )
      expect((yield* Effect.flip(csv([path, bad])))._tag).toBe("TooManyRowsRefused")
      expect((yield* csv([path, bad], { "marketData.refusedShareMax": 0.2 })).rowsRefused).toBe(10)
      const nothing = yield* Effect.flip(csv([]))
      expect(nothing.message).toContain("give a bar file by --path FILE")
    })
  )

  it.scopedLive("says what was refused, where, and what is missing", () =>
    Effect.gen(function* () {
      const path = put(yield* temporaryDirectory, "ALPHA_1h.csv", barsText(400, [100, 101, 300]))
      const feed = yield* csv([path])
      expect(feed).toMatchObject({ rowsRefused: 3, gaps: 2, barsMissing: 3, total: 397 })
      expect(feed.refusals.map(({ line }) => line)).toEqual([102, 103, 302])
      expect(feed.refusals[0]?.path).toBe(path)
    })
  )

  it.scopedLive("keeps the last as-ofs when it is told to, and warms up on a fifth or 250 of them", () =>
    Effect.gen(function* () {
      const path = put(yield* temporaryDirectory, "ALPHA_1h.csv", barsText(2_000))
      expect((yield* csv([path])).warmUp).toBe(400)
      const last = yield* csv([path], { "marketData.lastAsOfs": 300 })
      expect(last).toMatchObject({ total: 300, warmUp: 250 })
      expect(take(last)[0]?.[0]?.openTime).toBe(startTime + 1_700 * hourMs)
      expect((yield* csv([path], { "marketData.lastAsOfs": 100 })).warmUp).toBe(100)
    })
  )

  it.scopedLive("keeps to a range: what is before it is the warm-up, what is after it is left out", () =>
    Effect.gen(function* () {
      const path = put(yield* temporaryDirectory, "ALPHA_1h.csv", barsText(1_000))
      const at = (hours: number) => new Date(startTime + hours * hourMs).toISOString()
      const ranged = yield* csv([path], { "marketData.from": at(600), "marketData.to": at(700) })
      // The bar at position 599 closes at hour 600, that at 699 at hour 700.
      expect(ranged).toMatchObject({ total: 700, warmUp: 599 })
      expect(take(ranged).at(-1)?.[0]?.closeTime).toBe(startTime + 700 * hourMs)
      expect((yield* csv([path], { "marketData.from": at(100) })).warmUp).toBe(250)
      expect((yield* csv([path], { "marketData.to": "2024-01-10" })).total).toBe(240)
      expect((yield* csv([path], { "marketData.to": String(startTime + 300 * hourMs) })).total).toBe(300)
      const whole = yield* csv([path])
      expect(new Set([whole.fingerprint, ranged.fingerprint]).size).toBe(2)
    })
  )

  it.scopedLive("refuses a range that is no time, holds no bars, or leaves nothing to trade", () =>
    Effect.gen(function* () {
      const path = put(yield* temporaryDirectory, "ALPHA_1h.csv", barsText(300))
      const refusal = (changes: Changes) => Effect.map(Effect.flip(csv([path], changes)), String)
      expect(yield* refusal({ "marketData.from": "soon" })).toContain('marketData.from is "soon"')
      expect(yield* refusal({ "marketData.to": "2023-12-31" })).toContain("no bars close before 2023-12-31")
      const after = { "marketData.from": "2025-01-01" }
      expect(yield* refusal(after)).toContain("none is left to trade from 2025-01-01")
      const short = { "marketData.from": "2024-01-02", "marketData.to": "2024-01-05" }
      expect(yield* refusal(short)).toContain("after a warm-up of 250")
    })
  )

  it.scopedLive("names the files that it was read from", () =>
    Effect.gen(function* () {
      const path = put(yield* temporaryDirectory, "ALPHA_1h.csv", barsText(300))
      const { files } = yield* csv([path])
      expect(files).toEqual([{ path, digest: expect.stringMatching(/^[0-9a-f]{64}$/) }])
      expect((yield* simulator()).files).toEqual([])
    })
  )

  it.scopedLive("has a fingerprint of its bytes, not of its name or place", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = put(directory, "ALPHA_1h.csv", barsText(300))
      const { fingerprint } = yield* csv([path])
      const copy = put(directory, "copy.csv", barsText(300))
      expect((yield* csv([`ALPHA=${copy}`])).fingerprint).toBe(fingerprint)
      expect((yield* csv([`BETA=${copy}`])).fingerprint).not.toBe(fingerprint)
      expect((yield* csv([path], { "marketData.lastAsOfs": 299 })).fingerprint).not.toBe(fingerprint)
      const other = put(directory, "other.csv", barsText(301))
      expect((yield* csv([`ALPHA=${other}`])).fingerprint).not.toBe(fingerprint)
    })
  )
})

describe("the simulator as a feed", () => {
  it.effect("goes on without an end, or ends after so many as-ofs", () =>
    Effect.gen(function* () {
      const endless = yield* simulator({ "marketData.history": 700 })
      expect(endless).toMatchObject({ kind: "simulator", total: null, warmUp: 700 })
      expect(take(endless, 0, 50).length).toBe(50)
      const short = yield* simulator({ "marketData.history": 10 })
      expect(short.warmUp).toBe(250)
      const finite = yield* simulator({ "marketData.asOfs": 40 })
      expect(finite).toMatchObject({ total: 40, warmUp: 40 })
      expect(take(finite).length).toBe(40)
    })
  )

  it.effect("gives the same bars however it was taken up", () =>
    Effect.gen(function* () {
      const feed = yield* simulator({ "marketData.asOfs": 60, "marketData.instruments": 3 })
      const all = take(feed)
      expect(all.every((bars) => bars.length === 3)).toBe(true)
      for (const index of [0, 1, 30, 59, 60]) expect(take(feed, index)).toEqual(all.slice(index))
      expect(take(yield* simulator({ "marketData.asOfs": 60, "marketData.instruments": 3 }))).toEqual(all)
    })
  )

  it.effect("is another under another seed, world, count or time frame, and says so in its fingerprint", () =>
    Effect.gen(function* () {
      const changes: ReadonlyArray<Changes> = [
        {},
        { "run.seed": 2 },
        { "marketData.world": "efficient" },
        { "marketData.instruments": 5 },
        { "marketData.timeFrame": "1h" },
        { "marketData.asOfs": 100 }
      ]
      const feeds = yield* Effect.forEach(changes, simulator)
      expect(new Set(feeds.map(({ fingerprint }) => fingerprint)).size).toBe(changes.length)
      expect((yield* simulator()).fingerprint).toBe(feeds[0]?.fingerprint)
    })
  )

  it.effect("refuses a world that it does not know, whatever it is called", () =>
    Effect.gen(function* () {
      for (const world of ["atlantis", "__proto__", "constructor", "toString"]) {
        const error = yield* Effect.flip(simulator({ "marketData.world": world }))
        expect(error.message).toContain(
          `no world is called "${world}"; there are market, momentum, efficient`
        )
      }
    })
  )

  it.effect("keeps time by its speed, or none at all", () =>
    Effect.gen(function* () {
      const pace = (speed: string) =>
        Effect.map(simulator({ "marketData.speed": speed }), ({ paceMs }) => paceMs)
      expect(yield* pace("max")).toBeNull()
      expect(yield* pace("real")).toBe(60_000)
      expect(yield* pace("60x")).toBe(1_000)
      expect(yield* pace("0.5")).toBe(120_000)
    })
  )
})
