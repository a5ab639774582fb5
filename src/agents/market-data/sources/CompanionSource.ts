/**
 * Bars of a companion service: a program beside this one that speaks HTTP for history and WebSocket for what is new.
 *
 *   GET <url>/instruments                                  instruments, one JSON object a line
 *   GET <url>/bars?instrument=&timeFrame=&from=&to=        all bars that open in [from, to), one a line, ascending
 *   <liveUrl>                                              a subscription goes up, then bars and heartbeats come down
 *
 * The service says that it lives by a heartbeat whenever it has had no bar to send for a while; a connection without
 * either is given up.
 */
import { Socket } from "@effect/platform"
import { NodeSocket } from "@effect/platform-node"
import { Chunk, Clock, Effect, Either, Option, Redacted, Schema, Stream } from "effect"
import type { Bar } from "../../../protocols/Bar.ts"
import { Instrument } from "../../../protocols/Instrument.ts"
import { toMs } from "../../../protocols/TimeFrame.ts"
import { EpochMs } from "../../../protocols/wire/Ids.ts"
import { Limits } from "../../../protocols/wire/Limits.ts"
import { breathe } from "../../../runtime/breathe.ts"
import { monotonicMs } from "../../../runtime/MonotonicClock.ts"
import type { BarRequest, BarSource, HistoryRequest } from "../BarSource.ts"
import { SourceFailed } from "../errors.ts"
import type { RateBudget } from "../RateBudget.ts"
import { makeBarSieve, type ReadBar } from "./BarSieve.ts"
import { boundedFetch, refusalOf } from "./boundedFetch.ts"
import { BarMessage, type BarPlace, barLimits, barOfMessage, closesAt, decodeMessage } from "./decodeBar.ts"
import { readSecret, reasonOf, sourceFailed } from "./failure.ts"
import { type Push, pushedBars } from "./pushedBars.ts"
import { type CompanionSettings, normalUnits } from "./SourceSettings.ts"

/** Bars that one request asks for. */
const pageBarsMax = 1_000
/** Lines that are decoded in one go: one or two milliseconds. */
const linesPerSlice = 256
const lineFeed = 0x0a

const decodeBarLine = decodeMessage(BarMessage)
const decodeInstrument = decodeMessage(Instrument)
const decodeInstrumentLine = (line: Uint8Array): Either.Either<Instrument, string> =>
  Either.filterOrLeft(
    decodeInstrument(line),
    ({ id, kind, symbol, venue }) => id === `${venue}:${symbol}:${kind}`,
    ({ id }) => `${id} is not made of its venue, symbol and kind`
  )
const decodeLive = decodeMessage(Schema.Union(BarMessage, Schema.Struct({ heartbeat: EpochMs })))

/** Decodes a text of one JSON value a line. What does not end and is no value was cut off, and what follows it with it. */
const decodeLines = Effect.fnUntraced(function* <A>(
  source: string,
  bytes: Buffer,
  decode: (line: Uint8Array) => Either.Either<A, string>
) {
  const values: Array<Either.Either<A, string>> = []
  for (let at = 0, line = 1; at < bytes.length; line++) {
    const feed = bytes.indexOf(lineFeed, at)
    const end = feed < 0 ? bytes.length : feed
    if (end > at) {
      const value = Either.mapLeft(decode(bytes.subarray(at, end)), (reason) => `line ${line}: ${reason}`)
      if (Either.isLeft(value) && feed < 0) return yield* sourceFailed(source, "malformed", value.left)
      values.push(value)
    }
    at = end + 1
    if (line % linesPerSlice === 0) yield* breathe
  }
  return values
})

const httpOf = (
  { name, requestTimeoutMs, url }: CompanionSettings,
  budget: RateBudget,
  token: string | undefined
) => {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const base = url.endsWith("/") ? url : `${url}/`
  return (path: string): Effect.Effect<Buffer, SourceFailed> =>
    Effect.tryPromise({
      try: (signal) =>
        boundedFetch(name, new URL(path, base).href, { headers, signal, bytesMax: Limits.payloadBytesMax }),
      catch: (cause) =>
        cause instanceof SourceFailed ? cause : sourceFailed(name, "unavailable", reasonOf(cause))
    }).pipe(
      Effect.timeoutFail({
        duration: requestTimeoutMs,
        onTimeout: () => sourceFailed(name, "stalled", `no answer within ${requestTimeoutMs} ms`)
      }),
      budget.withPermit,
      Effect.flatMap((answer) => {
        const refusal = refusalOf(name, answer)
        return refusal === null ? Effect.succeed(answer.bytes) : refusal
      })
    )
}

/** Says what is wanted and pushes what comes, until the connection is lost, silent or talks nonsense. */
const listen = Effect.fnUntraced(function* (
  { name, requestTimeoutMs, silentAfterMs, units }: CompanionSettings,
  liveUrl: string,
  token: string | undefined,
  { instruments, timeFrame }: BarRequest,
  push: Push
) {
  const clock = yield* Effect.clock
  const now = yield* monotonicMs
  let heard = now()
  const places = new Map(
    instruments.map((instrument): [string, BarPlace] => [
      instrument.id,
      { source: name, instrument, timeFrame, units }
    ])
  )
  const onMessage = (data: string | Uint8Array) => {
    heard = now()
    const nowMs = clock.unsafeCurrentTimeMillis()
    const bytes =
      typeof data === "string" ? Buffer.from(data.slice(0, barLimits.messageBytesMax + 1), "utf8") : data
    const message = decodeLive(bytes)
    if (Either.isLeft(message)) return push.read(Either.left(message.left))
    if ("heartbeat" in message.right) return
    const place = places.get(message.right.instrument)
    // Another subscription of the same service may have asked for it.
    if (place === undefined) return
    push.read(barOfMessage(place, message.right, { nowMs, receivedAt: nowMs }))
  }
  const socket = yield* Socket.makeWebSocket(liveUrl, { openTimeout: requestTimeoutMs })
  const write = yield* socket.writer
  const subscription = { subscribe: { timeFrame, instruments: instruments.map(({ id }) => id) } }
  const hello = JSON.stringify(token === undefined ? subscription : { ...subscription, token })
  yield* socket.runRaw(onMessage, { onOpen: Effect.orDie(write(hello)) }).pipe(
    Effect.matchEffect({
      onFailure: (error) => Effect.sync(() => push.fail(sourceFailed(name, "unavailable", reasonOf(error)))),
      onSuccess: () =>
        Effect.sync(() => push.fail(sourceFailed(name, "unavailable", "it has closed the connection")))
    }),
    Effect.forkScoped
  )
  yield* Effect.forkScoped(
    Effect.gen(function* () {
      for (let left = silentAfterMs; left > 0; left = heard + silentAfterMs - now()) yield* Effect.sleep(left)
      push.fail(sourceFailed(name, "stalled", `neither bar nor heartbeat for ${silentAfterMs} ms`))
    })
  )
}, Effect.provide(NodeSocket.layerWebSocketConstructor))

export const openCompanion = (
  settings: CompanionSettings,
  budget: RateBudget
): Effect.Effect<BarSource, SourceFailed> =>
  Effect.map(readSecret(settings.name, settings.secretVariable), (secret): BarSource => {
    const { liveUrl, name, units } = settings
    const token = secret === undefined ? undefined : Redacted.value(secret)
    const get = httpOf(settings, budget, token)
    const sieve = makeBarSieve(name)

    const page = Effect.fnUntraced(function* (
      { instrument, timeFrame }: HistoryRequest,
      from: number,
      to: number,
      nowMs: number
    ) {
      const query = new URLSearchParams({
        instrument: instrument.id,
        timeFrame,
        from: `${from}`,
        to: `${to}`
      })
      const place = { source: name, instrument, timeFrame, units }
      let latest = from - 1
      const lines = yield* decodeLines(name, yield* get(`bars?${query}`), (line) =>
        Either.flatMap(decodeBarLine(line), (message): Either.Either<Bar | null, string> => {
          const { openTime } = message
          if (openTime <= latest || openTime >= to) {
            return Either.left(`a bar at ${openTime} is not asked for, or out of order`)
          }
          latest = openTime
          return closesAt(place, openTime) > nowMs
            ? Either.right(null)
            : barOfMessage(place, message, { nowMs, receivedAt: null })
        })
      )
      return lines.filter((line): line is ReadBar => Either.isLeft(line) || line.right !== null)
    })

    const history = (request: HistoryRequest) =>
      Stream.unwrap(
        Effect.map(Clock.currentTimeMillis, (nowMs) => {
          const sift = sieve.ofHistory()
          const frameMs = toMs(request.timeFrame)
          const end = Math.min(request.to, nowMs)
          return Stream.paginateChunkEffect(request.from, (from) => {
            const to = Math.min(end, from + pageBarsMax * frameMs)
            if (from >= to) return Effect.succeed([Chunk.empty<Bar>(), Option.none<number>()] as const)
            return Effect.map(
              Effect.flatMap(page(request, from, to, nowMs), sift),
              (bars) => [Chunk.unsafeFromArray(bars), Option.some(to)] as const
            )
          })
        })
      )

    return {
      name,
      kind: "companion",
      units: normalUnits,
      // All of them or none: the others would be followed under a list that nobody has given.
      instruments: get("instruments").pipe(
        Effect.flatMap((bytes) => decodeLines(name, bytes, decodeInstrumentLine)),
        Effect.map(Either.all),
        Effect.flatMap(Either.mapLeft((reason) => sourceFailed(name, "malformed", reason)))
      ),
      history,
      live:
        liveUrl === undefined
          ? null
          : (request) => pushedBars(name, sieve, (push) => listen(settings, liveUrl, token, request, push)),
      refused: sieve.refused
    }
  })
