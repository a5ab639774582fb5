/**
 * Live bars of an exchange: by asking at each close, or by its WebSocket.
 *
 * Asking reads the last few candles every time, so that one that came late or was corrected is given too, the second
 * under a higher revision. By WebSocket a candle keeps changing until the next one begins, and is given then, whatever
 * the exchange's clock says.
 */
import { Effect, Either, Stream } from "effect"
import type { TimeFrame } from "../../../protocols/TimeFrame.ts"
import type { SourceFailed } from "../errors.ts"
import type { ReadBar } from "./BarSieve.ts"
import type { Candles, ReadCandle } from "./CcxtCandles.ts"
import type { Exchange } from "./CcxtExchange.ts"
import { barLimits, isOpenTime } from "./decodeBar.ts"
import { sourceFailed } from "./failure.ts"

/** Candles that are read again with every poll. */
export const lookbackBars = 5
/** A bar that is not there yet is asked for again after so long, so many times in all; then there was none. */
const pollAgainMs = 1_000
const pollTriesMax = 5
const requestsAtOnceMax = 4
/** Bars longer than this are asked for more often than they close: their grid need not begin at 1970. */
const pollEveryMsMax = 86_400_000
/** Without a word by WebSocket for two bars and this, the exchange is silent. */
const silentBeyondMs = 60_000

/** Lets through each report of a candle once, and each that is no bar. */
const makeNews = (frameMs: number) => {
  /** Revisions by open time. */
  const recent = new Map<number, number>()
  const refused = new Set<number>()
  let latest = Number.NEGATIVE_INFINITY
  /** Candles without an open time, as of the last answer: which of them are new is not to be seen. */
  let untimed = 0
  return {
    /** Open time of the latest bar; minus infinity before the first. */
    latest: () => latest,
    of: (candles: ReadonlyArray<ReadCandle>): ReadonlyArray<ReadBar> => {
      const news: Array<ReadBar> = []
      const before = untimed
      untimed = 0
      for (const { bar, openTime } of candles) {
        if (Either.isLeft(bar)) {
          const isNew = Number.isNaN(openTime) ? ++untimed > before : !refused.has(openTime)
          if (!isNew) continue
          if (!Number.isNaN(openTime)) refused.add(openTime)
          news.push(bar)
          continue
        }
        const { revision } = bar.right
        if (recent.get(openTime) === revision) continue
        recent.set(openTime, revision)
        latest = Math.max(latest, openTime)
        news.push(bar)
      }
      for (const kept of [recent, refused]) {
        for (const openTime of kept.keys()) {
          if (openTime < latest - lookbackBars * frameMs) kept.delete(openTime)
        }
      }
      return news
    }
  }
}

/** Each as soon as it is there; the last few that have closed come first. */
export const polledBars = (
  exchange: Exchange,
  markets: ReadonlyArray<Candles>,
  frameMs: number,
  pollDelayMs: number
): Stream.Stream<ReadBar, SourceFailed> =>
  Stream.suspend(() => {
    const polls = markets.map((candles) => ({ candles, news: makeNews(frameMs) }))
    type Poll = (typeof polls)[number]

    const ask = Effect.fnUntraced(function* ({ candles, news }: Poll) {
      const now = yield* exchange.now
      const since = (Math.floor(now / frameMs) - lookbackBars) * frameMs
      // One more for the candle that is still moving.
      return news.of(yield* candles.page(since, lookbackBars + 1))
    })
    const askAll = (these: ReadonlyArray<Poll>, tries: number): Stream.Stream<ReadBar, SourceFailed> =>
      Stream.fromIterable(these).pipe(
        Stream.mapEffect(ask, { concurrency: requestsAtOnceMax, unordered: true }),
        Stream.flattenIterables,
        Stream.concat(tries > 1 ? askAgain(these, tries - 1) : Stream.empty)
      )
    const askAgain = (these: ReadonlyArray<Poll>, tries: number): Stream.Stream<ReadBar, SourceFailed> =>
      Stream.unwrap(
        Effect.gen(function* () {
          const now = yield* exchange.now
          // Its successor has closed. Before the first bar there is none to expect.
          const missing = these.filter(({ news }) => news.latest() + 2 * frameMs <= now && news.latest() >= 0)
          if (missing.length === 0) return Stream.empty
          yield* Effect.sleep(pollAgainMs)
          return askAll(missing, tries)
        })
      )
    const period = Math.min(frameMs, pollEveryMsMax)
    /** Number of the latest close that was asked about: one that passes during a slow poll is not left out. */
    let asked = Number.NEGATIVE_INFINITY
    const askFrom = Effect.map(exchange.now, (now) => {
      asked = Math.floor((now - pollDelayMs) / period)
    })
    const untilNextClose = Effect.flatMap(exchange.now, (now) =>
      Effect.sleep(Math.max(0, (asked + 1) * period + pollDelayMs - now))
    )
    return Stream.concat(
      Stream.fromEffect(askFrom).pipe(Stream.flatMap(() => askAll(polls, 1))),
      Stream.repeatEffect(Effect.zipRight(untilNextClose, askFrom)).pipe(
        Stream.flatMap(() => askAll(polls, pollTriesMax))
      )
    )
  })

/** A candle as it came by WebSocket. */
type Candle = readonly [openTime: number, ...rest: ReadonlyArray<unknown>]

/** Its connections are closed with it. */
export const watchedBars = (
  source: string,
  exchange: Exchange,
  markets: ReadonlyArray<Candles>,
  timeFrame: TimeFrame
): Stream.Stream<ReadBar, SourceFailed> => {
  const watch = ({ frameMs, market, read }: Candles) =>
    Stream.suspend(() => {
      const news = makeNews(frameMs)
      /** The latest candle, as it stands. */
      let moving: Candle | undefined
      const silentAfterMs = 2 * frameMs + silentBeyondMs
      /** Of each candle that is over, as it was last. */
      const over = (told: ReadonlyArray<Candle>): ReadonlyArray<Candle> => {
        const all = moving === undefined ? told : [moving, ...told]
        const byTime = new Map(all.map((candle) => [candle[0], candle]))
        const latest = Math.max(...all.map(([openTime]) => openTime))
        moving = byTime.get(latest)
        byTime.delete(latest)
        return [...byTime.values()]
      }
      const take = Effect.fnUntraced(function* (told: unknown) {
        if (!Array.isArray(told)) {
          return yield* sourceFailed(source, "malformed", `the candles of ${market.symbol} are none`)
        }
        // One of the far future would make every other one look as if it were over.
        const latestMs = (yield* exchange.now) + barLimits.aheadMsMax
        const isCandle = (one: unknown): one is Candle =>
          Array.isArray(one) && isOpenTime(one[0], frameMs) && one[0] <= latestMs
        const strange: ReadonlyArray<ReadCandle> = told
          .filter((one) => !isCandle(one))
          .map(() => ({
            openTime: Number.NaN,
            bar: Either.left(`a candle of ${market.symbol} opens at no time, or later than now`)
          }))
        return news.of([...strange, ...(yield* read(over(told.filter(isCandle)), true))])
      })
      const next = exchange.call("watch", { symbol: market.symbol, timeFrame }).pipe(
        Effect.timeoutFail({
          duration: silentAfterMs,
          onTimeout: () =>
            sourceFailed(source, "stalled", `nothing about ${market.symbol} for ${silentAfterMs} ms`)
        }),
        Effect.flatMap(take)
      )
      return Stream.flattenIterables(Stream.repeatEffect(next))
    })
  return Stream.mergeAll(markets.map(watch), { concurrency: "unbounded" }).pipe(
    Stream.ensuring(Effect.ignore(exchange.call("close", {})))
  )
}
