/**
 * Leases in a NATS key-value bucket.
 *
 * Acquisition is a compare-and-set; its revision is the epoch, and is written into the value, since renewals
 * have revisions of their own. The holder renews every third of the TTL. A contender takes over when it has
 * seen no new revision for the TTL by its own monotonic clock: nobody compares clocks of two machines, and no
 * step of a wall clock gains or loses a lease. A holder that cannot renew gives up before that. What a former life of
 * the same folder held is taken at once: the lock on the folder says that it is over.
 */
import { Deferred, Effect, Layer, Option, Schema, type Scope } from "effect"
import type { KV } from "nats"
import { Epoch, type NodeId, type RunId } from "../protocols/wire/Ids.ts"
import { LeaseLost, LeaseUnavailable } from "./errors.ts"
import { type Lease, Leases } from "./Leases.ts"
import { monotonicMs } from "./MonotonicClock.ts"
import { NatsConnection } from "./NatsConnection.ts"
import { Store } from "./Store.ts"
import { highestEpoch, rememberEpoch } from "./StoreLeases.ts"

export interface NatsLeasesOptions {
  readonly run: RunId
  readonly node: NodeId
  /**
   * Names the folder whose lock is held: who held a lease from there before is dead, and need not be waited for.
   */
  readonly home: string
  readonly ttlMs: number
}

const LeaseValue = Schema.parseJson(
  Schema.Struct({ holder: Schema.String, home: Schema.String, epoch: Schema.NonNegativeInt })
)
const decodeValue = Schema.decodeUnknownOption(LeaseValue)
const encodeValue = Schema.encodeSync(LeaseValue)

/** A request to the bucket is given up after this share of the TTL, so that a renewal can be tried again. */
const requestShare = 1 / 4
/** A holder that has not renewed for this share of the TTL takes the lease for lost. */
const holdShare = 0.9

const acquire = Effect.fnUntraced(function* (name: string, bucket: KV, options: NatsLeasesOptions) {
  const now = yield* monotonicMs
  const { home, node, ttlMs } = options
  const unavailable = (cause: unknown) =>
    new LeaseUnavailable({ lease: name, reason: cause instanceof Error ? cause.message : String(cause) })
  const request = <A>(send: () => Promise<A>) =>
    Effect.tryPromise({ try: send, catch: unavailable }).pipe(
      Effect.timeoutFail({ duration: ttlMs * requestShare, onTimeout: () => unavailable("no answer") })
    )
  const value = (epoch: number) => encodeValue({ holder: node, home, epoch })

  /** Waits until the key is free, its holder dead or not heard for the TTL, then takes it. Gives the revision. */
  const contend = Effect.gen(function* () {
    let seen = -1
    let seenAt = now()
    for (;;) {
      const entry = yield* Effect.either(request(() => bucket.get(name)))
      if (entry._tag === "Right") {
        const current = entry.right
        const isFree = current === null || current.operation !== "PUT"
        if (!isFree && current.revision !== seen) {
          seen = current.revision
          seenAt = now()
        }
        const isOurs = !isFree && Option.exists(decodeValue(current.string()), (held) => held.home === home)
        if (isFree) {
          const created = yield* Effect.either(request(() => bucket.create(name, value(0))))
          if (created._tag === "Right") return created.right
        } else if (isOurs || now() - seenAt >= ttlMs) {
          const taken = yield* Effect.either(request(() => bucket.update(name, value(0), seen)))
          if (taken._tag === "Right") return taken.right
        }
      }
      yield* Effect.sleep(ttlMs / 8)
    }
  })

  const acquired = yield* contend
  const epoch = Epoch.make(Math.max(acquired, (yield* highestEpoch(name)) + 1))
  yield* rememberEpoch(name, epoch)
  const lost = yield* Deferred.make<never, LeaseLost>()
  let revision = acquired
  let renewedAt = now()

  const renew = Effect.gen(function* () {
    const renewed = yield* Effect.either(request(() => bucket.update(name, value(epoch), revision)))
    if (renewed._tag === "Right") {
      revision = renewed.right
      return "renewed" as const
    }
    const entry = yield* Effect.either(request(() => bucket.get(name)))
    if (entry._tag === "Left") return "unanswered" as const
    // An update of ours may have arrived without its answer.
    if (entry.right?.operation !== "PUT" || entry.right.string() !== value(epoch)) return "taken" as const
    revision = entry.right.revision
    return "renewed" as const
  })

  const hold = Effect.gen(function* () {
    for (;;) {
      const leftMs = renewedAt + ttlMs * holdShare - now()
      if (leftMs <= 0) return
      const attemptedAt = now()
      const result = yield* Effect.timeoutTo(renew, {
        duration: leftMs,
        onSuccess: (result) => result,
        onTimeout: () => "taken" as const
      })
      if (result === "taken") return
      if (result === "renewed") renewedAt = attemptedAt
      yield* Effect.sleep(result === "renewed" ? ttlMs / 3 : ttlMs / 10)
    }
  })

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => request(() => bucket.delete(name, { previousSeq: revision }))).pipe(Effect.ignore)
  )
  const stepDown = Deferred.fail(lost, new LeaseLost({ lease: name, epoch }))
  yield* Effect.forkScoped(Effect.zipRight(hold, stepDown))

  return { name, epoch, lost: Deferred.await(lost) } satisfies Lease
})

export const layer = (
  options: NatsLeasesOptions
): Layer.Layer<Leases, LeaseUnavailable, NatsConnection | Store> =>
  Layer.effect(
    Leases,
    Effect.gen(function* () {
      const { jetstream } = yield* NatsConnection
      const store = yield* Store
      const bucket = yield* Effect.tryPromise({
        try: () => jetstream.views.kv(`conclave_${options.run}_leases`, { history: 1 }),
        catch: (cause) => new LeaseUnavailable({ lease: "*", reason: String(cause) })
      })
      return {
        acquire: (name: string): Effect.Effect<Lease, LeaseUnavailable, Scope.Scope> =>
          acquire(name, bucket, options).pipe(
            Effect.provideService(Store, store),
            Effect.catchTag(
              "StoreFailed",
              (error) => new LeaseUnavailable({ lease: name, reason: error.reason })
            )
          )
      }
    })
  )
