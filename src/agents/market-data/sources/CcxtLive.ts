/**
 * Live bars of an exchange: by asking at each close, or by its WebSocket.
 *
 * Asking reads the last few candles every time, so that one that came late or was corrected is given too, the second
 * with a higher revision. By WebSocket a candle keeps changing until the next one begins, and is given then.
 */
import { Effect, Stream } from "effect"
import type { Bar } from "../../../protocols/Bar.ts"
import type { TimeFrame } from "../../../protocols/TimeFrame.ts"
import type { SourceFailed } from "../errors.ts"
import type { Candles } from "./CcxtCandles.ts"
import type { Exchange } from "./CcxtExchange.ts"
import { sourceFailed } from "./failure.ts"

/** Candles that are read again with every poll. */
const lookbackBars = 5
/** A bar that is not there yet is asked for again after so long, so many times in all; then there was none. */
const pollAgainMs = 1_000
const pollTriesMax = 5
const requestsAtOnceMax = 4
/** Bars longer than this are asked for more often than they close: their grid need not begin at 1970. */
const pollEveryMsMax = 86_400_000
/** Without a word by WebSocket for two bars and this, the exchange is silent. */
const silentBeyondMs = 60_000

/** Lets through what is new or changed, the latter with a higher revision. */
const makeNews = (frameMs: number) => {
  const recent = new Map<number, Bar>()
  let latest = Number.NEGATIVE_INFINITY
  const isSame = (one: Bar, other: Bar) =>
    one.open === other.open &&
    one.high === other.high &&
    one.low === other.low &&
    one.close === other.close &&
    one.volume === other.volume
  return {
    /** Open time of the latest bar; minus infinity before the first. */
    latest: () => latest,
    of: (bars: ReadonlyArray<Bar>): ReadonlyArray<Bar> => {
      const news: Array<Bar> = []
      for (const bar of bars) {
        const known = recent.get(bar.openTime)
        if (known !== undefined && isSame(known, bar)) continue
        const next = known === undefined ? bar : { ...bar, revision: known.revision + 1 }
        recent.set(bar.openTime, next)
        latest = Math.max(latest, bar.openTime)
        news.push(next)
      }
      for (const openTime of recent.keys()) {
        if (openTime < latest - lookbackBars * frameMs) recent.delete(openTime)
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
): Stream.Stream<Bar, SourceFailed> =>
  Stream.suspend(() => {
    const polls = markets.map((candles) => ({ candles, news: makeNews(frameMs) }))
    type Poll = (typeof polls)[number]

    const ask = Effect.fnUntraced(function* ({ candles, news }: Poll) {
      const now = yield* exchange.now
      const since = (Math.floor(now / frameMs) - lookbackBars) * frameMs
      // One more for the candle that is still moving.
      return news.of(yield* candles.page(since, lookbackBars + 1))
    })
    const askAll = (these: ReadonlyArray<Poll>, tries: number): Stream.Stream<Bar, SourceFailed> =>
      Stream.fromIterable(these).pipe(
        Stream.mapEffect(ask, { concurrency: requestsAtOnceMax, unordered: true }),
        Stream.flattenIterables,
        Stream.concat(tries > 1 ? askAgain(these, tries - 1) : Stream.empty)
      )
    const askAgain = (these: ReadonlyArray<Poll>, tries: number): Stream.Stream<Bar, SourceFailed> =>
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
type Candle = ReadonlyArray<unknown>

/** Its connections are closed with it. */
export const watchedBars = (
  source: string,
  exchange: Exchange,
  markets: ReadonlyArray<Candles>,
  timeFrame: TimeFrame
): Stream.Stream<Bar, SourceFailed> => {
  const watch = ({ bars, frameMs, market }: Candles) =>
    Stream.suspend(() => {
      const news = makeNews(frameMs)
      /** The latest candle, as it stands. */
      let moving: Candle | undefined
      const silentAfterMs = 2 * frameMs + silentBeyondMs
      /** Of each candle that is over, as it was last. */
      const over = (told: ReadonlyArray<Candle>): ReadonlyArray<Candle> => {
        const all = moving === undefined ? told : [moving, ...told]
        const byTime = new Map(all.map((candle) => [candle[0], candle]))
        const latest = Math.max(...all.map(([openTime]) => Number(openTime)))
        moving = byTime.get(latest)
        byTime.delete(latest)
        return [...byTime.values()]
      }
      const next = exchange.listen("watch", { symbol: market.symbol, timeFrame }).pipe(
        Effect.timeoutFail({
          duration: silentAfterMs,
          onTimeout: () =>
            sourceFailed(source, "stalled", `nothing about ${market.symbol} for ${silentAfterMs} ms`)
        }),
        Effect.flatMap((told) =>
          Array.isArray(told) && told.every(Array.isArray)
            ? bars(over(told))
            : sourceFailed(source, "malformed", `the candles of ${market.symbol} are none`)
        ),
        Effect.map(news.of)
      )
      return Stream.flattenIterables(Stream.repeatEffect(next))
    })
  return Stream.mergeAll(markets.map(watch), { concurrency: "unbounded" }).pipe(
    Stream.ensuring(Effect.ignore(exchange.listen("close", {})))
  )
}
