/**
 * What lies between what a source was told and what it gives: bars pass, what was to be one and is none stays behind. It
 * is counted and said, and the rest goes on, since a gap of one bar can be filled from elsewhere.
 *
 * What can go wrong: a place of which hardly anything is a bar. What is refused is borne on account: so much at once,
 * and a share of it for ever. Beyond that the source fails. A page of which little was asked for may hold nothing else: its
 * rows are missing, and the source is well.
 *
 * A bar that closes ahead of this machine's clock shows that the clock is slow, or the place's fast: that is said once.
 */
import { Chunk, Clock, Effect, Either, Stream } from "effect"
import type { Bar } from "../../../protocols/Bar.ts"
import type { SourceFailed } from "../errors.ts"
import { countRefused } from "../FeedMetrics.ts"
import { sourceFailed } from "./failure.ts"

export const sieveLimits = {
  /** Refused in a row by one history or connection. */
  refusedMax: 10,
  /** Bars that make up for one that was refused. */
  barsPerRefused: 20,
  /** How far ahead of this machine's clock a bar may close before it is said. */
  clocksApartMs: 2_000
} as const

/** What was read: a bar, or what is wrong with it. */
export type ReadBar = Either.Either<Bar, string>

export interface BarSieve {
  /** How many were refused since the source was opened. */
  readonly refused: () => number
  /** For the pages of one history: the bars of each, or the failure that ends it. */
  readonly ofHistory: () => (page: ReadonlyArray<ReadBar>) => Effect.Effect<ReadonlyArray<Bar>, SourceFailed>
  /** The bars of one connection. */
  readonly ofLive: (read: Stream.Stream<ReadBar, SourceFailed>) => Stream.Stream<Bar, SourceFailed>
}

const isPowerOfTwo = (count: number): boolean => Number.isInteger(Math.log2(count))

export const makeBarSieve = (source: string): BarSieve => {
  const { barsPerRefused, clocksApartMs, refusedMax } = sieveLimits
  let refused = 0
  let isClockSaid = false

  const sift = () => {
    /** Bars that are still to make up for what was refused. */
    let owed = 0
    return Effect.fnUntraced(function* (page: ReadonlyArray<ReadBar>) {
      const bars: Array<Bar> = []
      for (const read of page) {
        if (Either.isRight(read)) {
          owed = Math.max(0, owed - 1)
          bars.push(read.right)
          continue
        }
        refused++
        countRefused(source)
        const failure = sourceFailed(source, "malformed", read.left)
        // Often enough to be seen, and not so often that it hides what else is said.
        if (isPowerOfTwo(refused)) {
          yield* Effect.logWarning(`${source} gave what is no bar, ${refused} in all: ${failure.reason}`)
        }
        owed += barsPerRefused
        if (owed > refusedMax * barsPerRefused) return yield* failure
      }
      return bars
    })
  }

  const noteClock = Effect.fnUntraced(function* (bars: ReadonlyArray<Bar>) {
    if (isClockSaid) return
    const nowMs = yield* Clock.currentTimeMillis
    const ahead = bars.find(({ closeTime }) => closeTime > nowMs + clocksApartMs)
    if (ahead === undefined) return
    isClockSaid = true
    yield* Effect.logWarning(
      `A bar of ${source} closes ${ahead.closeTime - nowMs} ms ahead of this machine's clock: the clock is slow, or the one of ${source} is fast. Keep both by NTP`
    )
  })

  return {
    refused: () => refused,
    ofHistory: sift,
    ofLive: (read) =>
      Stream.suspend(() => {
        const sifted = sift()
        return Stream.mapChunksEffect(read, (page) =>
          sifted(Chunk.toReadonlyArray(page)).pipe(Effect.tap(noteClock), Effect.map(Chunk.unsafeFromArray))
        )
      })
  }
}
