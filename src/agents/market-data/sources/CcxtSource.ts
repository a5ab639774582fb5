/**
 * Bars of an exchange by ccxt: history page by page, live bars by asking at each close or by WebSocket.
 *
 * What can go wrong: exchanges differ in what they answer about a time before a market began, nothing or its first
 * candles, so that an empty page does not end the history; some give only the latest candles whatever they are asked
 * for, and what is older than those does not come.
 */
import { Chunk, Effect, Either, Option, type Scope, Stream } from "effect"
import type { Instrument } from "../../../protocols/Instrument.ts"
import { type TimeFrame, toMs } from "../../../protocols/TimeFrame.ts"
import type { BarSource, HistoryRequest } from "../BarSource.ts"
import type { SourceFailed } from "../errors.ts"
import type { RateBudget } from "../RateBudget.ts"
import { makeBarSieve } from "./BarSieve.ts"
import { type CandleReports, makeCandleReports } from "./CandleReports.ts"
import { candlesOf } from "./CcxtCandles.ts"
import { openExchange } from "./CcxtExchange.ts"
import { lookbackBars, polledBars, watchedBars } from "./CcxtLive.ts"
import { type Market, marketOf } from "./CcxtMarket.ts"
import { sourceFailed } from "./failure.ts"
import { type CcxtSettings, normalUnits } from "./SourceSettings.ts"

export const openCcxt = (
  settings: CcxtSettings,
  budget: RateBudget
): Effect.Effect<BarSource, SourceFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { name, pollDelayMs, webSocket } = settings
    const exchange = yield* openExchange(settings, budget)
    const sieve = makeBarSieve(name)
    const refused = (reason: string) => sourceFailed(name, "refused", reason)

    const readMarkets = Effect.gen(function* () {
      const symbols = settings.instruments.map(({ symbol }) => symbol)
      const descriptions = yield* exchange.call("markets", { symbols })
      const byId = new Map<string, Market>()
      for (const [i, { instrument, symbol }] of settings.instruments.entries()) {
        const description = descriptions[i] ?? null
        if (description === null) return yield* refused(`${settings.exchange} has no market "${symbol}"`)
        const market = marketOf(description, settings, instrument)
        if (Either.isLeft(market)) return yield* refused(market.left)
        const { id } = market.right.instrument
        if (byId.has(id)) return yield* refused(`${id} is configured twice`)
        byId.set(id, market.right)
      }
      return byId
    })
    let known: ReadonlyMap<string, Market> | undefined
    /** Of the instruments that are configured, by their ids: read once, or again after a failure. */
    const markets = Effect.suspend(() =>
      known === undefined
        ? Effect.tap(readMarkets, (byId) => {
            known = byId
          })
        : Effect.succeed(known)
    )
    const marketFor = Effect.fnUntraced(function* ({ id }: Instrument, timeFrame: TimeFrame) {
      const market = (yield* markets).get(id)
      if (market === undefined) return yield* refused(`${id} is not among its instruments`)
      if (!exchange.timeFrames.includes(timeFrame)) {
        return yield* refused(`${settings.exchange} has no bars of ${timeFrame}`)
      }
      return market
    })

    /** By instrument and time frame. */
    const allReports = new Map<string, CandleReports>()
    const candlesFor = (market: Market, timeFrame: TimeFrame, isLive: boolean) => {
      const key = `${market.instrument.id}|${timeFrame}`
      const reports = allReports.get(key) ?? makeCandleReports(toMs(timeFrame), 2 * lookbackBars)
      allReports.set(key, reports)
      return candlesOf(name, exchange, market, timeFrame, { isLive, reports })
    }

    const history = ({ from, instrument, timeFrame, to }: HistoryRequest) =>
      Stream.unwrap(
        Effect.map(marketFor(instrument, timeFrame), (market) => {
          const candles = candlesFor(market, timeFrame, false)
          const { frameMs } = candles
          const sift = sieve.ofHistory()
          return Stream.paginateChunkEffect(
            from,
            Effect.fnUntraced(function* (since) {
              // One more than there can be: some count the end differently.
              const count = Math.min(market.pageBarsMax, Math.ceil((to - since) / frameMs) + 1)
              const page = yield* candles.page(since, count)
              const untimed = page.filter(({ openTime }) => Number.isNaN(openTime))
              const ascending = page
                .filter(({ openTime }) => openTime >= since && openTime < to)
                .toSorted((a, b) => a.openTime - b.openTime)
              // Of one that comes twice the latter.
              const single = ascending.filter(({ openTime }, i) => openTime !== ascending[i + 1]?.openTime)
              const bars = yield* sift([...untimed, ...single].map(({ bar }) => bar))
              const last = ascending.at(-1)
              const next = last === undefined ? since + count * frameMs : last.openTime + frameMs
              const isOver = next >= to || next + frameMs > (yield* exchange.now)
              return [Chunk.unsafeFromArray(bars), isOver ? Option.none() : Option.some(next)] as const
            })
          )
        })
      )

    return {
      name,
      kind: "ccxt",
      units: normalUnits,
      instruments: Effect.map(markets, (byId) => [...byId.values()].map(({ instrument }) => instrument)),
      history: (request) => (request.from < request.to ? history(request) : Stream.empty),
      live: ({ instruments, timeFrame }) =>
        Stream.unwrap(
          Effect.map(
            Effect.forEach(instruments, (instrument) => marketFor(instrument, timeFrame)),
            (markets) => {
              const candles = markets.map((market) => candlesFor(market, timeFrame, true))
              return sieve.ofLive(
                webSocket
                  ? watchedBars(name, exchange, candles, timeFrame)
                  : polledBars(exchange, candles, toMs(timeFrame), pollDelayMs)
              )
            }
          )
        ),
      refused: sieve.refused
    }
  })
