/**
 * An exchange on the loopback that speaks the REST and WebSocket shape that ccxt's class of Binance expects: the spot
 * markets, the time, and klines. Its time and its candles are what the test says; the answers to klines can be made
 * to go wrong one by one.
 */
import { Effect } from "effect"
import { type Fault, type StandInServer, standInServer } from "./standInServer.ts"

/** As Binance has them: open time, then prices and volume as texts. */
export type Kline = readonly [
  openTime: number,
  open: unknown,
  high: unknown,
  low: unknown,
  close: unknown,
  volume: unknown
]

export interface StandInExchange extends StandInServer {
  readonly setTime: (ms: number) => void
  /** Of BTCUSDT or ETHUSDT, in the order in which they are to be answered. */
  readonly setKlines: (symbol: string, klines: ReadonlyArray<Kline>) => void
  /** What the next requests for klines come to, one after the other. */
  readonly fail: (...faults: ReadonlyArray<Fault>) => void
  /** Tells all who listen how a candle stands. */
  readonly tell: (symbol: string, interval: string, kline: Kline) => Effect.Effect<void>
}

const market = (base: string) => ({
  symbol: `${base}USDT`,
  status: "TRADING",
  baseAsset: base,
  baseAssetPrecision: 8,
  quoteAsset: "USDT",
  quotePrecision: 8,
  quoteAssetPrecision: 8,
  orderTypes: ["LIMIT", "MARKET"],
  isSpotTradingAllowed: true,
  isMarginTradingAllowed: false,
  permissions: ["SPOT"],
  permissionSets: [["SPOT"]],
  filters: [
    { filterType: "PRICE_FILTER", minPrice: "0.01", maxPrice: "1000000", tickSize: "0.01" },
    { filterType: "LOT_SIZE", minQty: "0.00001", maxQty: "9000", stepSize: "0.00001" }
  ]
})

/** A candle that closes at a price. */
export const kline = (openTime: number, close: number, volume = 3): Kline => [
  openTime,
  String(close - 0.5),
  String(close + 1),
  String(close - 1),
  String(close),
  String(volume)
]

export const standInExchange = Effect.gen(function* () {
  let time = 0
  const klines = new Map<string, ReadonlyArray<Kline>>()
  const faults: Array<Fault> = []

  const respond = (url: URL): string | Fault => {
    const query = (name: string) => url.searchParams.get(name) ?? undefined
    switch (url.pathname) {
      case "/api/v3/time":
        return JSON.stringify({ serverTime: time })
      case "/api/v3/exchangeInfo":
        return JSON.stringify({
          timezone: "UTC",
          serverTime: time,
          rateLimits: [],
          exchangeFilters: [],
          symbols: ["BTC", "ETH"].map(market)
        })
      // Of its derivatives there are none.
      case "/fapi/v1/exchangeInfo":
        return JSON.stringify({ timezone: "UTC", serverTime: time, rateLimits: [], symbols: [] })
      case "/api/v3/klines": {
        const fault = faults.shift()
        if (fault !== undefined) return fault
        const since = Number(query("startTime") ?? 0)
        const rows = (klines.get(query("symbol") ?? "") ?? []).filter(([openTime]) => openTime >= since)
        return JSON.stringify(rows.slice(0, Number(query("limit") ?? 500)))
      }
      default:
        return { _tag: "Answer", status: 404, body: '{"code":-1121,"msg":"Invalid symbol."}' }
    }
  }
  const server = yield* standInServer(respond)
  return {
    ...server,
    setTime: (ms) => {
      time = ms
    },
    setKlines: (symbol, rows) => void klines.set(symbol, rows),
    fail: (...more) => void faults.push(...more),
    tell: (symbol, interval, [t, o, h, l, c, v]) =>
      server.send(
        JSON.stringify({
          e: "kline",
          E: t,
          s: symbol,
          k: { t, s: symbol, i: interval, o, h, l, c, v, x: false }
        })
      )
  } satisfies StandInExchange
})
