import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Queue, Stream } from "effect"
import { makeBarSieve, sieveLimits } from "../../../../src/agents/market-data/sources/BarSieve.ts"
import { decodeBar } from "../../../../src/agents/market-data/sources/decodeBar.ts"
import { sourceFailed } from "../../../../src/agents/market-data/sources/failure.ts"
import { pushedBars } from "../../../../src/agents/market-data/sources/pushedBars.ts"
import { plainUnits } from "../../../../src/agents/market-data/sources/SourceSettings.ts"
import type { Bar } from "../../../../src/protocols/Bar.ts"
import { bitcoin, message, oneMinute, startTime } from "./sources.ts"

const place = { source: "venue", instrument: bitcoin, timeFrame: oneMinute, units: plainUnits }
const bar = decodeBar(place, Buffer.from(JSON.stringify(message(0))), {
  nowMs: startTime * 2,
  receivedAt: null
})
const noBar = Either.left("it is none")
const collected = (stream: ReturnType<typeof pushedBars>) =>
  Effect.gen(function* () {
    const bars = yield* Queue.unbounded<Bar>()
    const failure = yield* Effect.flip(
      Stream.runForEach(stream, (one) => Queue.offer(bars, one)).pipe(Effect.zipRight(Effect.never))
    )
    return { failure, bars: yield* Queue.size(bars) }
  })

describe("bars that are pushed", () => {
  it.effect("come before the failure that follows them, and none after it", () =>
    Effect.gen(function* () {
      const stream = pushedBars("venue", makeBarSieve("venue"), (push) =>
        Effect.sync(() => {
          push.read(bar)
          push.read(bar)
          push.fail(sourceFailed("venue", "unavailable", "gone"))
          push.read(bar)
        })
      )
      expect(yield* collected(stream)).toMatchObject({ bars: 2, failure: { reason: "gone" } })
    })
  )

  it.effect("wait within a limit, beyond which the stream fails and nothing is lost in silence", () =>
    Effect.gen(function* () {
      const stream = pushedBars("venue", makeBarSieve("venue"), (push) =>
        Effect.sync(() => {
          for (let i = 0; i < 10_000; i++) push.read(bar)
        })
      )
      const { bars, failure } = yield* collected(stream)
      expect(bars).toBe(4_000)
      expect(failure).toMatchObject({ kind: "unavailable" })
      expect(failure.message).toContain("4000 bars wait for their reader")
    })
  )

  it.effect("go on after what is no bar, which is counted, until there is too much of it", () =>
    Effect.gen(function* () {
      const sieve = makeBarSieve("venue")
      const { refusedMax } = sieveLimits
      const stream = pushedBars("venue", sieve, (push) =>
        Effect.sync(() => {
          for (let i = 0; i < refusedMax; i++) push.read(noBar)
          push.read(bar)
        })
      )
      expect((yield* Stream.runCollect(Stream.take(stream, 1))).length).toBe(1)
      expect(sieve.refused()).toBe(refusedMax)
      const worse = pushedBars("venue", sieve, (push) =>
        Effect.sync(() => {
          for (let i = 0; i <= refusedMax; i++) push.read(noBar)
        })
      )
      const { failure } = yield* collected(worse)
      expect(failure).toMatchObject({ kind: "malformed", reason: "it is none" })
      expect(sieve.refused()).toBe(2 * refusedMax + 1)
    })
  )

  it.effect("end what pushes them with their stream", () =>
    Effect.gen(function* () {
      let isOpen = false
      const stream = pushedBars("venue", makeBarSieve("venue"), (push) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            isOpen = true
            push.read(bar)
          }),
          () =>
            Effect.sync(() => {
              isOpen = false
            })
        )
      )
      expect((yield* Stream.runCollect(Stream.take(stream, 1))).length).toBe(1)
      expect(isOpen).toBe(false)
    })
  )
})
