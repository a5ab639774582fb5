// @ts-check
/**
 * One exchange of ccxt, in a thread: to load ccxt, to make an exchange and to read all its markets takes a second in
 * which nothing else would go on. It answers calls as they come; what it wants to fetch it asks for and says for which
 * call, since requests have a budget and a time limit, and answers are bounded and inspected before they are parsed. Its
 * WebSockets are its own.
 *
 * What can go wrong: ccxt passes over a candle whose time it cannot read, and takes an answer of the wrong shape for
 * an empty list; the first is handed on under a time that is none, the second looks like a market without trades.
 *
 * Threads are started from a file, and Node runs no TypeScript: hence JavaScript.
 */
import { AsyncLocalStorage } from "node:async_hooks"
import { parentPort, workerData } from "node:worker_threads"
import * as ccxt from "ccxt"

/**
 * @typedef {object} ExchangeOptions
 * @property {string} exchange its id in ccxt
 * @property {boolean} webSocket
 * @property {ReadonlyArray<string>} marketTypes
 * @property {string | undefined} baseUrl
 * @property {number} messageBytesMax of a message by WebSocket
 * @property {string | undefined} apiKey
 * @property {string | undefined} secret
 */
/** @typedef {"unavailable" | "rate-limited" | "malformed" | "refused" | "stalled"} FailureKind */
/** @typedef {{ readonly kind: FailureKind, readonly reason: string, readonly retryAfterMs: number | null }} Failure */
/**
 * What a market says of itself; nothing of it has been checked.
 * @typedef {object} MarketDescription
 * @property {string} symbol
 * @property {unknown} id
 * @property {unknown} type
 * @property {unknown} linear
 * @property {unknown} contract
 * @property {unknown} contractSize
 * @property {unknown} quote
 * @property {unknown} tick
 * @property {unknown} step of the amount
 * @property {unknown} precisionMode how tick and step are to be read
 * @property {unknown} created
 * @property {unknown} limit candles of one request
 */
/** @typedef {{ readonly hasTime: boolean, readonly timeFrames: ReadonlyArray<string> }} ExchangeDescription */
/**
 * The calls, by name, and what each gives.
 * @typedef {object} Calls
 * @property {{ readonly takes: {}, readonly gives: ExchangeDescription }} describe
 * @property {{ readonly takes: { readonly symbols: ReadonlyArray<string> }, readonly gives: ReadonlyArray<MarketDescription | null> }} markets
 * @property {{ readonly takes: {}, readonly gives: unknown }} time
 * @property {{ readonly takes: { readonly symbol: string, readonly timeFrame: string, readonly since: number, readonly count: number }, readonly gives: unknown }} candles
 * @property {{ readonly takes: { readonly symbol: string, readonly timeFrame: string }, readonly gives: unknown }} watch
 * @property {{ readonly takes: {}, readonly gives: null }} close
 */
/** @typedef {{ readonly status: number, readonly statusText: string, readonly headers: ReadonlyArray<[string, string]>, readonly bytes: Uint8Array }} Fetched */
/**
 * What is to be fetched, and for which call; null where it is for all of them or none.
 * @typedef {{ readonly fetch: number, readonly call: number | null, readonly url: string, readonly method: string | undefined, readonly headers: Record<string, string> | undefined, readonly body: string | undefined, readonly isLoading: boolean }} FetchRequest
 */

/** Marks the options of a thread as its own. */
export const threadOf = "conclave-ccxt"

/** Requests are given up by whoever makes them. ccxt cannot be told to wait for ever, but for a month. */
const timeoutMsMax = 2_147_483_647

/** Stands for the open time of a candle that has none, so that ccxt does not leave it out. */
const noOpenTime = Number.MAX_SAFE_INTEGER

/**
 * The call that something is done for.
 * @type {AsyncLocalStorage<number | null>}
 */
const callOf = new AsyncLocalStorage()

/** What was found before ccxt could, in our words. */
class Refused extends Error {
  /** @param {Failure} failure */
  constructor(failure) {
    super(failure.reason)
    this.failure = failure
  }
}

/** @param {string} reason */
const refuse = (reason) => new Refused({ kind: "refused", reason, retryAfterMs: null })

/**
 * In ccxt's words the most special comes first.
 * @param {unknown} cause
 * @returns {Failure}
 */
const failureOf = (cause) => {
  if (cause instanceof Refused) return cause.failure
  const said = cause instanceof Error ? cause.message : String(cause)
  // A signed request has its signature behind the path.
  const reason = said.replace(/(https?:\/\/[^\s?#]*)[?#]\S*/gi, "$1")
  /** @type {(kind: FailureKind) => Failure} */
  const failed = (kind) => ({ kind, reason, retryAfterMs: null })
  if (cause instanceof ccxt.DDoSProtection || cause instanceof ccxt.RateLimitExceeded) {
    return failed("rate-limited")
  }
  if (cause instanceof ccxt.RequestTimeout) return failed("stalled")
  if (cause instanceof ccxt.BadResponse) return failed("malformed")
  if (cause instanceof ccxt.OperationFailed) return failed("unavailable")
  if (cause instanceof ccxt.BaseError) return failed("refused")
  // It stumbled over an answer of a shape that it did not expect.
  return failed("malformed")
}

/**
 * The same addresses at another host.
 * @param {any} addresses
 * @param {URL} base
 * @returns {any}
 */
const redirected = (addresses, base) => {
  if (typeof addresses === "string") {
    return addresses
      .replace(/^https?:\/\/[^/]+/, base.origin)
      .replace(/^wss?:\/\/[^/]+/, base.origin.replace(/^http/, "ws"))
  }
  if (typeof addresses !== "object" || addresses === null) return addresses
  return Object.fromEntries(
    Object.entries(addresses).map(([name, address]) => [name, redirected(address, base)])
  )
}

/**
 * @param {ExchangeOptions} options
 * @param {(request: Omit<FetchRequest, "fetch">) => Promise<Fetched>} fetched
 */
const create = async (options, fetched) => {
  const { apiKey, baseUrl, exchange, marketTypes, messageBytesMax, secret, webSocket } = options
  if (!Object.hasOwn(ccxt.exchanges, exchange) || (webSocket && !Object.hasOwn(ccxt.pro, exchange))) {
    throw refuse(`ccxt knows no exchange "${exchange}"${webSocket ? " by WebSocket" : ""}`)
  }
  const classes = webSocket ? ccxt.pro : ccxt.exchanges
  /** @type {import("ccxt").Exchange} */
  const api = new classes[/** @type {"binance"} */ (exchange)]({
    timeout: timeoutMsMax,
    // Beside the node's budget it counts what a request weighs by the rules of the venue.
    enableRateLimit: true,
    enableLastHttpResponse: false,
    enableLastJsonResponse: false,
    enableLastResponseHeaders: false,
    ...(apiKey === undefined || secret === undefined ? {} : { apiKey, secret }),
    options: {
      ws: { options: { maxPayload: messageBytesMax } },
      ...(marketTypes.length === 0 ? {} : { fetchMarkets: { types: [...marketTypes] } })
    }
  })
  if (api.has.fetchOHLCV !== true) throw refuse(`${exchange} gives no bars`)
  if (webSocket && api.has.watchOHLCV !== true) throw refuse(`${exchange} gives no bars by WebSocket`)
  if (baseUrl !== undefined) api.urls.api = redirected(api.urls.api, new URL(baseUrl))
  // ccxt asks for this before it connects without TLS, be it through a proxy or not.
  if (webSocket) await api.loadHttpProxyAgent()

  const parse = api.parseOHLCV.bind(api)
  api.parseOHLCV = (candle, market) => {
    const parsed = parse(candle, market)
    if (!Number.isSafeInteger(parsed[0])) parsed[0] = noOpenTime
    return parsed
  }
  api.fetchImplementation = async (
    /** @type {string} */ url,
    /** @type {{ method?: string, headers?: Record<string, string>, body?: string }} */ {
      body,
      headers,
      method
    }
  ) => {
    const isLoading = api.markets === undefined
    // All calls wait for the markets.
    const call = isLoading ? null : (callOf.getStore() ?? null)
    const { bytes, ...answer } = await fetched({ call, url, method, headers, body, isLoading })
    return new Response(bytes.length === 0 ? null : bytes, {
      status: answer.status,
      statusText: answer.statusText,
      headers: answer.headers.map(([name, value]) => [name, value])
    })
  }
  return api
}

/**
 * @param {import("ccxt").Exchange} api
 * @param {string} symbol
 * @returns {MarketDescription | null}
 */
const describeMarket = (api, symbol) => {
  const markets = api.markets ?? {}
  if (!Object.hasOwn(markets, symbol)) return null
  const { contract, contractSize, created, id, linear, precision, quote, type } = markets[symbol]
  return {
    symbol,
    id,
    type,
    linear,
    contract,
    contractSize,
    quote,
    tick: precision?.price,
    step: precision?.amount,
    precisionMode: api.precisionMode,
    created,
    limit: api.featureValue(symbol, "fetchOHLCV", "limit")
  }
}

/**
 * What is told of a market by WebSocket and has not been taken yet: of each candle what was told last.
 * @typedef {{ readonly told: Map<unknown, ReadonlyArray<unknown>>, failed: { readonly cause: unknown } | undefined, wake: () => void }} Watch
 */
/** @type {Map<string, Watch>} */
const watches = new Map()

/**
 * Listens without a pause, since what ccxt tells nobody is told again only with the next news.
 * @param {import("ccxt").Exchange} api
 * @param {string} symbol
 * @param {string} timeFrame
 */
const watch = (api, symbol, timeFrame) => {
  const name = `${symbol} ${timeFrame}`
  const known = watches.get(name)
  if (known !== undefined) return known
  /** @type {Watch} */
  const watch = { told: new Map(), failed: undefined, wake: () => undefined }
  watches.set(name, watch)
  const listen = async () => {
    for (;;) {
      for (const candle of await api.watchOHLCV(symbol, timeFrame)) watch.told.set(candle[0], [...candle])
      watch.wake()
    }
  }
  // It goes on when the call that began it has been answered.
  callOf.run(null, listen).catch((cause) => {
    watch.failed = { cause }
    watch.wake()
  })
  return watch
}

/**
 * What has been told since the last time, or will be next; a failure is told to one who asks before it is listened
 * anew. One at a time may ask for a market.
 * @param {import("ccxt").Exchange} api
 * @param {string} symbol
 * @param {string} timeFrame
 */
const watched = async (api, symbol, timeFrame) => {
  const one = watch(api, symbol, timeFrame)
  if (one.told.size === 0 && one.failed === undefined) {
    await new Promise((resolve) => {
      one.wake = () => resolve(undefined)
    })
  }
  if (one.told.size === 0 && one.failed !== undefined) {
    watches.delete(`${symbol} ${timeFrame}`)
    throw one.failed.cause
  }
  const candles = [...one.told.values()]
  one.told.clear()
  return candles
}

/**
 * @param {import("ccxt").Exchange} api
 * @param {any} call
 */
const answer = async (api, call) => {
  switch (/** @type {keyof Calls} */ (call.name)) {
    case "describe":
      return { hasTime: api.has.fetchTime === true, timeFrames: Object.keys(api.timeframes ?? {}) }
    case "markets":
      await api.loadMarkets()
      return call.symbols.map((/** @type {string} */ symbol) => describeMarket(api, symbol))
    case "time":
      return api.fetchTime()
    case "candles":
      return api.fetchOHLCV(call.symbol, call.timeFrame, call.since, call.count)
    case "watch":
      return watched(api, call.symbol, call.timeFrame)
    case "close":
      await api.close()
      // What they failed with was asked for.
      watches.clear()
      return null
  }
}

if (parentPort !== null && workerData?.[threadOf] !== undefined) {
  const port = parentPort
  /** @type {Map<number, { resolve: (answer: Fetched) => void, reject: (cause: Refused) => void }>} */
  const underWay = new Map()
  let fetches = 0
  /** @type {(request: Omit<FetchRequest, "fetch">) => Promise<Fetched>} */
  const fetched = (request) =>
    new Promise((resolve, reject) => {
      const fetch = fetches++
      underWay.set(fetch, { resolve, reject })
      port.postMessage({ fetch, ...request })
    })
  const api = create(workerData[threadOf], fetched)
  // Every call hears of it.
  api.catch(() => undefined)
  port.on("message", ({ answer: fetchAnswer, failure, fetch, id, ...call }) => {
    if (fetch === undefined) {
      api
        .then((api) => callOf.run(id, () => answer(api, call)))
        .then(
          (value) => port.postMessage({ id, value }),
          (cause) => port.postMessage({ id, failure: failureOf(cause) })
        )
      return
    }
    const waiting = underWay.get(fetch)
    underWay.delete(fetch)
    if (failure === undefined) waiting?.resolve(fetchAnswer)
    else waiting?.reject(new Refused(failure))
  })
}
