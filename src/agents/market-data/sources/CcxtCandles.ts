/**
 * The candles of one market of an exchange as bars. One counts as closed once the exchange's own clock says so, since
 * the last of an answer is usually still moving.
 */
import { Clock, Effect, Either } from "effect"
import type { Bar } from "../../../protocols/Bar.ts"
import { type TimeFrame, toMs } from "../../../protocols/TimeFrame.ts"
import type { SourceFailed } from "../errors.ts"
import type { Exchange } from "./CcxtExchange.ts"
import type { Market } from "./CcxtMarket.ts"
import { closesAt, makeBar } from "./decodeBar.ts"
import { sourceFailed } from "./failure.ts"

export interface Candles {
  readonly market: Market
  readonly frameMs: number
  /** The bars of so many candles that open at `since` or later, as far as they have closed. */
  readonly page: (since: number, count: number) => Effect.Effect<ReadonlyArray<Bar>, SourceFailed>
  /** The bars of those candles that have closed, in their order. */
  readonly bars: (candles: unknown) => Effect.Effect<ReadonlyArray<Bar>, SourceFailed>
}

/** ccxt leaves out what it cannot read. */
const numberOf = (value: unknown): number => (typeof value === "number" ? value : Number.NaN)

export const candlesOf = (
  source: string,
  exchange: Exchange,
  market: Market,
  timeFrame: TimeFrame,
  { isLive }: { readonly isLive: boolean }
): Candles => {
  const { instrument, symbol, units } = market
  const place = { source, instrument, timeFrame, units }
  const malformed = (reason: string) => sourceFailed(source, "malformed", reason)

  const bars: Candles["bars"] = Effect.fnUntraced(function* (candles) {
    if (!Array.isArray(candles)) return yield* malformed(`the candles of ${symbol} are no list`)
    const nowMs = yield* exchange.now
    const receivedAt = isLive ? yield* Clock.currentTimeMillis : null
    const bars: Array<Bar> = []
    for (const candle of candles as ReadonlyArray<unknown>) {
      if (!Array.isArray(candle)) return yield* malformed(`a candle of ${symbol} is no list of numbers`)
      const openTime = numberOf(candle[0])
      if (closesAt(place, openTime) > nowMs) continue
      const numbers = {
        openTime,
        open: numberOf(candle[1]),
        high: numberOf(candle[2]),
        low: numberOf(candle[3]),
        close: numberOf(candle[4]),
        volume: candle[5] === undefined ? null : numberOf(candle[5]),
        revision: 0
      }
      const bar = makeBar(place, numbers, { nowMs, receivedAt })
      if (Either.isLeft(bar)) return yield* malformed(bar.left)
      bars.push(bar.right)
    }
    return bars
  })

  return {
    market,
    frameMs: toMs(timeFrame),
    page: (since, count) =>
      Effect.flatMap(exchange.request("candles", { symbol, timeFrame, since, count }), bars),
    bars
  }
}
