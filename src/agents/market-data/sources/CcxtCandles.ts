/**
 * The candles of one market of an exchange, each as a bar or as what is wrong with it. One counts as closed once the
 * exchange's own clock says so, since the last of an answer is usually still moving; or once another has begun after it.
 */
import { Clock, Effect, Either } from "effect"
import { type TimeFrame, toMs } from "../../../protocols/TimeFrame.ts"
import type { SourceFailed } from "../errors.ts"
import type { ReadBar } from "./BarSieve.ts"
import type { CandleReports } from "./CandleReports.ts"
import type { Exchange } from "./CcxtExchange.ts"
import type { Market } from "./CcxtMarket.ts"
import { closesAt, isOpenTime, makeBar } from "./decodeBar.ts"
import { sourceFailed } from "./failure.ts"

export interface ReadCandle {
  /** NaN where it has none. */
  readonly openTime: number
  readonly bar: ReadBar
}

export interface Candles {
  readonly market: Market
  readonly frameMs: number
  /** Of so many candles that open at `since` or later those that have closed. */
  readonly page: (since: number, count: number) => Effect.Effect<ReadonlyArray<ReadCandle>, SourceFailed>
  /** In their order, those of the candles that have closed, or all if they are known to be over. */
  readonly read: (
    candles: ReadonlyArray<unknown>,
    areOver: boolean
  ) => Effect.Effect<ReadonlyArray<ReadCandle>, SourceFailed>
}

/** ccxt leaves out what it cannot read. */
const numberOf = (value: unknown): number => (typeof value === "number" ? value : Number.NaN)

export const candlesOf = (
  source: string,
  exchange: Exchange,
  market: Market,
  timeFrame: TimeFrame,
  { isLive, reports }: { readonly isLive: boolean; readonly reports: CandleReports }
): Candles => {
  const { instrument, symbol, units } = market
  const place = { source, instrument, timeFrame, units }
  const frameMs = toMs(timeFrame)

  const read: Candles["read"] = Effect.fnUntraced(function* (candles, areOver) {
    const nowMs = yield* exchange.now
    const receivedAt = isLive ? yield* Clock.currentTimeMillis : null
    const all: Array<ReadCandle> = []
    for (const candle of candles) {
      if (!Array.isArray(candle) || !isOpenTime(candle[0], frameMs)) {
        all.push({ openTime: Number.NaN, bar: Either.left(`a candle of ${symbol} has no open time`) })
        continue
      }
      const openTime = candle[0]
      const closeTime = closesAt(place, openTime)
      if (closeTime > nowMs && !areOver) continue
      const numbers = {
        openTime,
        open: numberOf(candle[1]),
        high: numberOf(candle[2]),
        low: numberOf(candle[3]),
        close: numberOf(candle[4]),
        volume: candle[5] === undefined ? null : numberOf(candle[5]),
        revision: 0
      }
      const bar = makeBar(place, numbers, { nowMs: areOver ? Math.max(nowMs, closeTime) : nowMs, receivedAt })
      all.push({ openTime, bar: Either.map(bar, reports) })
    }
    return all
  })

  return {
    market,
    frameMs,
    page: Effect.fnUntraced(function* (since, count) {
      const candles = yield* exchange.call("candles", { symbol, timeFrame, since, count })
      if (!Array.isArray(candles)) {
        return yield* sourceFailed(source, "malformed", `the candles of ${symbol} are no list`)
      }
      return yield* read(candles, false)
    }),
    read
  }
}
