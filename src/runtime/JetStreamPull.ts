/**
 * Follows one subject of a JetStream stream from a sequence on, in order and without gaps, at the reader's pace.
 *
 * The consumer on the server is a throw-away: in memory, without acknowledgements. What has been delivered is
 * known here, by the stream sequence; when the consumer is lost (the server restarted, a gap in its count,
 * silence) another one is made from there. At most one batch is on its way or waiting.
 */
import { Chunk, Effect, Option, Schedule, Stream } from "effect"
import { AckPolicy, createInbox, DeliverPolicy, type MsgHdrs, NatsError, nanos, ReplayPolicy } from "nats"
import { monotonicMs } from "./MonotonicClock.ts"
import type { NatsConnection } from "./NatsConnection.ts"

export interface PulledMessage {
  readonly sequence: number
  readonly headers: MsgHdrs | undefined
  readonly data: Uint8Array
}

interface PullOptions {
  readonly stream: string
  readonly subject: string
  readonly after: number
}

const batchMax = 256
const expiresMs = 4_000
const heartbeatMs = 1_000
/** Without message or heartbeat for this long, the consumer is taken to be lost. */
const silentMaxMs = 2_500
/** A consumer that nobody pulls from is removed by the server after this. */
const inactiveMs = 30_000

/** Between attempts to make a consumer while the server does not answer. */
const retryEveryMs = 250
/** Before a lost consumer is replaced. */
const renewAfterMs = 20

/** There is nothing to follow any more, and waiting would not bring it back. */
const isGone = (cause: unknown): boolean =>
  cause instanceof NatsError && cause.api_error?.description === "stream not found"

/** `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>` */
const positionOf = (
  reply: string
): { readonly streamSequence: number; readonly consumerSequence: number } => {
  const tokens = reply.split(".")
  // Servers of 2.10 and later may put a domain and an account hash in front.
  const shift = tokens.length > 9 ? 2 : 0
  return { streamSequence: Number(tokens[5 + shift]), consumerSequence: Number(tokens[6 + shift]) }
}

export const pull = (
  nats: typeof NatsConnection.Service,
  options: PullOptions
): Stream.Stream<PulledMessage, unknown> => {
  const { connection, manager } = nats

  /** One consumer's life: messages until it is lost. */
  const session = (position: { after: number }) =>
    Stream.unwrapScoped(
      Effect.gen(function* () {
        const now = yield* monotonicMs
        const inbox = createInbox()
        let buffer: Array<PulledMessage> = []
        let expected = 1
        let isPulling = false
        let pulledUpTo = 0
        let lost: string | undefined
        let heardAt = now()
        let wake: () => void = () => undefined

        const consumer = yield* Effect.acquireRelease(
          Effect.tryPromise({
            try: () =>
              manager.consumers.add(options.stream, {
                ack_policy: AckPolicy.None,
                deliver_policy: DeliverPolicy.StartSequence,
                opt_start_seq: position.after + 1,
                filter_subject: options.subject,
                replay_policy: ReplayPolicy.Instant,
                inactive_threshold: nanos(inactiveMs),
                mem_storage: true,
                num_replicas: 1,
                max_deliver: 1
              }),
            catch: (cause) => cause
          }),
          // Best effort: what cannot be deleted now is removed by the server for inactivity.
          (consumer) =>
            Effect.sync(() => void manager.consumers.delete(options.stream, consumer.name).catch(() => false))
        )
        yield* Effect.acquireRelease(
          Effect.sync(() =>
            connection.subscribe(inbox, {
              callback: (error: NatsError | null, message) => {
                heardAt = now()
                const code = message.headers?.code ?? 0
                if (error !== null || code >= 400) {
                  isPulling = false
                  // 404 and 408: the pull has run out, which is how an idle one ends.
                  if (code !== 404 && code !== 408)
                    lost = error?.message ?? message.headers?.description ?? `${code}`
                } else if (code !== 100) {
                  const { consumerSequence, streamSequence } = positionOf(message.reply ?? "")
                  if (consumerSequence !== expected) {
                    lost = `message ${consumerSequence} came instead of ${expected}`
                  } else if (lost === undefined) {
                    expected++
                    buffer.push({ sequence: streamSequence, headers: message.headers, data: message.data })
                    if (expected > pulledUpTo) isPulling = false
                  }
                }
                wake()
              }
            })
          ),
          (subscription) => Effect.sync(() => subscription.unsubscribe())
        )
        const request = JSON.stringify({
          batch: batchMax,
          expires: nanos(expiresMs),
          idle_heartbeat: nanos(heartbeatMs)
        })
        const ask = () => {
          isPulling = true
          pulledUpTo = expected + batchMax - 1
          connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${options.stream}.${consumer.name}`, request, {
            reply: inbox
          })
        }

        const waitForNews = Effect.async<void>((resume) => {
          wake = () => resume(Effect.void)
          if (buffer.length > 0 || lost !== undefined || !isPulling) wake()
        }).pipe(Effect.timeoutOption(silentMaxMs))

        const next = Effect.gen(function* () {
          for (;;) {
            if (buffer.length > 0) {
              const batch = buffer
              buffer = []
              position.after = (batch.at(-1) as PulledMessage).sequence
              return Chunk.unsafeFromArray(batch)
            }
            if (lost !== undefined || connection.isClosed()) return yield* Effect.fail(Option.none<never>())
            if (!isPulling) ask()
            yield* waitForNews
            if (now() - heardAt > silentMaxMs) lost = "silence"
          }
        })
        return Stream.repeatEffectChunkOption(next)
      })
    )

  return Stream.suspend(() => {
    const position = { after: options.after }
    const again = Schedule.spaced(retryEveryMs).pipe(Schedule.whileInput((cause) => !isGone(cause)))
    return Stream.repeat(session(position).pipe(Stream.retry(again)), Schedule.spaced(renewAfterMs))
  })
}
