import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Logger, Stream, TestClock } from "effect"
import * as fc from "fast-check"
import {
  makeBarSieve,
  type ReadBar,
  sieveLimits
} from "../../../../src/agents/market-data/sources/BarSieve.ts"
import { decodeBar } from "../../../../src/agents/market-data/sources/decodeBar.ts"
import { plainUnits } from "../../../../src/agents/market-data/sources/SourceSettings.ts"
import { bitcoin, message, minuteMs, oneMinute, startTime } from "./sources.ts"

const { barsPerRefused, clocksApartMs, refusedMax } = sieveLimits
const place = { source: "venue", instrument: bitcoin, timeFrame: oneMinute, units: plainUnits }
const good: ReadBar = decodeBar(place, Buffer.from(JSON.stringify(message(0))), {
  nowMs: startTime + minuteMs,
  receivedAt: null
})
const bad: ReadBar = Either.left("it is none")
const many = (read: ReadBar, count: number) => Array.from({ length: count }, () => read)

/** What a sieve gives of pages, and what it says. */
const sifted = (...pages: ReadonlyArray<ReadonlyArray<ReadBar>>) => {
  const said: Array<string> = []
  const logger = Logger.make(({ message }) => said.push(String(message)))
  const sieve = makeBarSieve("venue")
  return Effect.gen(function* () {
    const sift = sieve.ofHistory()
    const outcome = yield* Effect.either(Effect.forEach(pages, sift))
    const bars = Either.map(outcome, (given) => given.flat().length)
    return { bars, refused: sieve.refused(), said }
  }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
}

describe("the sieve of a source", () => {
  it.effect("passes every bar and counts the rest, whatever their order, as long as the rest is little", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: refusedMax }),
          async (runs) => {
            const page = [good, ...runs.flatMap((length) => [...many(good, length), bad])]
            const { bars, refused } = await Effect.runPromise(sifted(page))
            expect(bars).toEqual(Either.right(page.length - runs.length))
            expect(refused).toBe(runs.length)
          }
        ),
        { numRuns: 50 }
      )
    )
  )

  it.effect("bears one in so many for ever, and fails at more than it bears in a row", () =>
    Effect.gen(function* () {
      const round = [bad, ...many(good, barsPerRefused)]
      const pages = Array.from({ length: 200 }, () => round)
      expect(yield* sifted(...pages)).toMatchObject({
        bars: Either.right(200 * barsPerRefused),
        refused: 200
      })
      const worse = yield* sifted([good, ...many(bad, refusedMax + 1)])
      expect(worse.bars).toMatchObject({ left: { kind: "malformed", source: "venue", reason: "it is none" } })
      const tooOften = Array.from({ length: 200 }, () => round.slice(0, -2))
      expect((yield* sifted(...tooOften)).bars._tag).toBe("Left")
    })
  )

  it.effect("gives nothing for a page of history of which little was asked, and nothing is a bar", () =>
    Effect.gen(function* () {
      expect(yield* sifted([bad])).toMatchObject({ bars: Either.right(0), refused: 1 })
      expect((yield* sifted([good], [bad], [])).bars).toEqual(Either.right(1))
      expect((yield* sifted(many(bad, refusedMax))).bars).toEqual(Either.right(0))
      expect((yield* sifted(many(bad, refusedMax + 1))).bars).toMatchObject({ left: { kind: "malformed" } })
    })
  )

  it.effect("says the first, and again whenever their number has doubled", () =>
    Effect.gen(function* () {
      const { said } = yield* sifted([good, ...many(bad, 9)])
      expect(said.length).toBe(4)
      expect(said[0]).toBe("venue gave what is no bar, 1 in all: it is none")
      expect(said[3]).toContain("8 in all")
    })
  )

  it.effect("says once that this machine's clock is slow, when bars close ahead of it", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const logger = Logger.make(({ message }) => said.push(String(message)))
      const sieve = makeBarSieve("venue")
      const pass = Effect.provide(
        Stream.runDrain(sieve.ofLive(Stream.make(good, good))),
        Logger.replace(Logger.defaultLogger, logger)
      )
      yield* TestClock.setTime(startTime + minuteMs - clocksApartMs)
      yield* pass
      expect(said).toEqual([])
      yield* TestClock.setTime(startTime + minuteMs - clocksApartMs - 1_000)
      yield* pass
      yield* pass
      expect(said.length).toBe(1)
      expect(said[0]).toContain("closes 3000 ms ahead of this machine's clock")
    })
  )
})
