/** What the tests of exchanges share: a stand-in with candles of every minute, and a source that asks it. */
import { Effect } from "effect"
import type { RateBudget } from "../../../../src/agents/market-data/RateBudget.ts"
import { type Kline, kline, type StandInExchange, standInExchange } from "../../../support/standInExchange.ts"
import { minuteMs, open, startTime } from "./sources.ts"

export const at = (minute: number) => startTime + minute * minuteMs
export const klines = (from: number, to: number): ReadonlyArray<Kline> =>
  Array.from({ length: to - from }, (_, i) => kline(at(from + i), 1_000 + from + i))
export const minutesOf = (bars: ReadonlyArray<{ readonly openTime: number }>) =>
  bars.map(({ openTime }) => (openTime - startTime) / minuteMs)
export const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

export const settings = (exchange: StandInExchange, more: Readonly<Record<string, unknown>> = {}) => ({
  kind: "ccxt",
  name: "main",
  exchange: "binance",
  instruments: [{ symbol: "BTC/USDT" }, { symbol: "ETH/USDT" }],
  marketTypes: ["spot"],
  baseUrl: exchange.url,
  ...more
})
/** An exchange that has candles up to some minute, of which the last is still moving, and a source that asks it. */
export const setUp = Effect.fnUntraced(function* (
  minutes: number,
  more: Readonly<Record<string, unknown>> = {},
  budget?: RateBudget
) {
  const exchange = yield* standInExchange
  exchange.setTime(at(minutes))
  exchange.setKlines("BTCUSDT", klines(0, minutes + 1))
  const source = yield* open(settings(exchange, more), budget)
  return { exchange, source }
})
export const klineRequests = ({ requests }: StandInExchange) =>
  requests.filter((line) => line.includes("/klines"))
