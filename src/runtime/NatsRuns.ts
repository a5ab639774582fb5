/**
 * Which run lives on a NATS server: the node that has the feed announces it, the others join it. A run that begins
 * anew under a name that was there before clears what the former left, unless that one is still alive.
 */
import { Effect, Either, Schema } from "effect"
import type { RunId } from "../protocols/wire/Ids.ts"
import { RunId as RunIdSchema } from "../protocols/wire/Ids.ts"
import { NatsUnfit } from "./errors.ts"
import { streamName } from "./JetStreamJournal.ts"
import { NatsConnection } from "./NatsConnection.ts"

export const Announcement = Schema.Struct({ run: RunIdSchema, incarnation: Schema.String })
export type Announcement = typeof Announcement.Type

const AnnouncementText = Schema.parseJson(Announcement)
const bucketName = "conclave_runs"
const currentKey = "current"

const bucket = Effect.gen(function* () {
  const { address, jetstream } = yield* NatsConnection
  return yield* Effect.tryPromise({
    try: () => jetstream.views.kv(bucketName, { history: 1 }),
    catch: (cause) => new NatsUnfit({ url: address, reason: String(cause) })
  })
})

const request = <A>(send: () => Promise<A>) =>
  Effect.flatMap(NatsConnection, ({ address }) =>
    Effect.tryPromise({ try: send, catch: (cause) => new NatsUnfit({ url: address, reason: String(cause) }) })
  )

export const announce = (announcement: Announcement) =>
  Effect.gen(function* () {
    const runs = yield* bucket
    yield* request(() => runs.put(currentKey, Schema.encodeSync(AnnouncementText)(announcement)))
  })

/** The run that is announced now, if any. */
export const current = Effect.gen(function* () {
  const runs = yield* bucket
  const entry = yield* request(() => runs.get(currentKey))
  if (entry === null || entry.operation !== "PUT") return undefined
  return Either.getOrUndefined(Schema.decodeUnknownEither(AnnouncementText)(entry.string()))
})

/** Whether somebody holds a lease of the run and renews it. */
export const isAlive = (run: RunId, lease: string, ttlMs: number) =>
  Effect.gen(function* () {
    const { jetstream, manager } = yield* NatsConnection
    const name = `conclave_${run}_leases`
    const exists = yield* request(() =>
      manager.streams.info(`KV_${name}`).then(
        () => true,
        () => false
      )
    )
    if (!exists) return false
    const leases = yield* request(() => jetstream.views.kv(name))
    const revision = request(() => leases.get(lease)).pipe(
      Effect.map((entry) => (entry?.operation === "PUT" ? entry.revision : undefined))
    )
    const before = yield* revision
    if (before === undefined) return false
    yield* Effect.sleep(ttlMs)
    return (yield* revision) !== before
  })

/** Removes the streams of a run that is over. */
export const clear = (run: RunId) =>
  Effect.gen(function* () {
    const { manager } = yield* NatsConnection
    for (const name of [streamName(run), `KV_conclave_${run}_leases`]) {
      yield* request(() => manager.streams.delete(name).catch(() => false))
    }
  })
