/**
 * Bars from the channels `conclave:bars:<instrument>:<time frame>` of a Redis server, one JSON message a bar. What is
 * published while the connection is down is lost: there is no history.
 *
 * A server that has stopped reading leaves the connection standing. It is therefore pinged, and given up when it does
 * not answer.
 */
import { Effect, type Redacted, Schedule } from "effect"
import type { Redis } from "ioredis"
import type { InstrumentId } from "../../../protocols/Instrument.ts"
import type { TimeFrame } from "../../../protocols/TimeFrame.ts"
import type { BarSource } from "../BarSource.ts"
import type { SourceFailed } from "../errors.ts"
import { makeBarSieve } from "./BarSieve.ts"
import { readSecret, reasonOf, sourceFailed, withCredentials } from "./failure.ts"
import { messageTaker, placesOf, pushedBars } from "./pushedBars.ts"
import { listedInstrument, normalUnits, type RedisSettings } from "./SourceSettings.ts"

export const barChannel = (instrument: InstrumentId, timeFrame: TimeFrame): string =>
  `conclave:bars:${instrument}:${timeFrame}`

/** Channels that one command subscribes to. */
const channelsPerCommand = 500

const answered = <A>(
  asked: Effect.Effect<A, SourceFailed>,
  source: string,
  timeoutMs: number
): Effect.Effect<A, SourceFailed> =>
  Effect.timeoutFail(asked, {
    duration: timeoutMs,
    onTimeout: () => sourceFailed(source, "stalled", `no answer within ${timeoutMs} ms`)
  })

const connect = Effect.fnUntraced(function* (
  { name, requestTimeoutMs, url }: RedisSettings,
  secret: Redacted.Redacted<string> | undefined
) {
  const unavailable = (cause: unknown) => sourceFailed(name, "unavailable", reasonOf(cause))
  // Loaded by those who use it.
  const { Redis } = yield* Effect.promise(() => import("ioredis"))
  const redis = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new Redis(withCredentials(url, secret, "password"), {
          lazyConnect: true,
          connectTimeout: requestTimeoutMs,
          // Whoever reads has to know of every gap: no connecting again, and nothing that waits for it.
          retryStrategy: () => null,
          autoResubscribe: false,
          enableOfflineQueue: false,
          enableReadyCheck: false,
          maxRetriesPerRequest: 0
        })
    ),
    (redis) => Effect.sync(() => redis.disconnect())
  )
  // An error without a listener would be printed; what it means is told by the end that follows.
  let last: unknown = new Error("the connection is closed")
  redis.on("error", (cause: unknown) => {
    last = cause
  })
  yield* answered(
    Effect.tryPromise({ try: () => redis.connect(), catch: () => unavailable(last) }),
    name,
    requestTimeoutMs
  )
  return { redis, lost: () => unavailable(last) }
})

/** Fails when the server does not answer a ping in time. */
const watch = (redis: Redis, { name, silentAfterMs }: RedisSettings): Effect.Effect<void, SourceFailed> => {
  const ping = Effect.tryPromise({
    try: () => redis.ping(),
    catch: (cause) => sourceFailed(name, "unavailable", reasonOf(cause))
  })
  return answered(ping, name, silentAfterMs / 2).pipe(
    Effect.repeat(Schedule.spaced(silentAfterMs / 2)),
    Effect.asVoid
  )
}

export const openRedis = (settings: RedisSettings): Effect.Effect<BarSource, SourceFailed> =>
  Effect.map(readSecret(settings.name, settings.secretVariable), (secret): BarSource => {
    const { name, requestTimeoutMs } = settings
    const sieve = makeBarSieve(name)
    return {
      name,
      kind: "redis",
      units: normalUnits,
      instruments: Effect.succeed(settings.instruments.map(listedInstrument)),
      history: null,
      live: (request) =>
        pushedBars(name, sieve, (push) =>
          Effect.gen(function* () {
            const places = placesOf(request, settings, barChannel)
            const take = yield* messageTaker(places, push)
            const { lost, redis } = yield* connect(settings, secret)
            redis.on("messageBuffer", (channel: Buffer, message: Buffer) =>
              take(channel.toString("utf8"), message)
            )
            redis.on("end", () => push.fail(lost()))
            const channels = [...places.keys()]
            for (let at = 0; at < channels.length; at += channelsPerCommand) {
              const subscription = Effect.tryPromise({
                try: () => redis.subscribe(...channels.slice(at, at + channelsPerCommand)),
                catch: (cause) => sourceFailed(name, "refused", reasonOf(cause))
              })
              yield* answered(subscription, name, requestTimeoutMs)
            }
            yield* Effect.forkScoped(
              Effect.catchAll(watch(redis, settings), (failure) => Effect.sync(() => push.fail(failure)))
            )
          })
        ),
      refused: sieve.refused
    }
  })
