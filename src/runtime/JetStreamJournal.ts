/**
 * The journal in JetStream, where there is a NATS server. A run is one JetStream stream; a stream of the journal
 * is one subject in it.
 *
 * The server compares `Nats-Expected-Last-Subject-Sequence`, which decides between competing writers. It knows
 * nothing of epochs: whoever takes over therefore writes a fence first, a record without content that makes
 * every sequence its predecessor may expect a wrong one. Records are refused by the server when the stream is
 * full, never dropped.
 */
import { Effect, Layer, Stream } from "effect"
import {
  DiscardPolicy,
  ErrorCode,
  headers,
  type MsgHdrs,
  NatsError,
  nanos,
  RetentionPolicy,
  StorageType
} from "nats"
import { journalSubject, runPrefix } from "../protocols/wire/Address.ts"
import { Epoch, type RunId, Sequence } from "../protocols/wire/Ids.ts"
import { Limits } from "../protocols/wire/Limits.ts"
import { JournalUnavailable, PayloadTooLarge, StaleEpoch, WrongExpectedSequence } from "./errors.ts"
import { type PulledMessage, pull } from "./JetStreamPull.ts"
import { type AppendOptions, Journal, type JournalRecord } from "./Journal.ts"
import { NatsConnection } from "./NatsConnection.ts"

export interface JetStreamJournalOptions {
  readonly run: RunId
  /** Beyond this the run's stream refuses what is new. */
  readonly bytesMax: number
}

const epochHeader = "Conclave-Epoch"
const fenceHeader = "Conclave-Fence"
const expectedHeader = "Nats-Expected-Last-Subject-Sequence"
const idHeader = "Nats-Msg-Id"
/** The server's answer to a comparison that fails. */
const wrongLastSequence = 10_071
const publishTimeoutMs = 3_000
/** How long the server recognises an id that it has seen. */
const duplicateWindowMs = 120_000

interface Head {
  readonly sequence: number
  readonly epoch: number
}

export const streamName = (run: RunId): string => `conclave_${run}`

const reasonOf = (cause: unknown): string => {
  if (cause instanceof NatsError && cause.api_error !== undefined) return cause.api_error.description
  return cause instanceof Error ? cause.message : String(cause)
}

const epochOf = (header: MsgHdrs | undefined): number => Number(header?.get(epochHeader) || 0)
const isFence = (header: MsgHdrs | undefined): boolean => header?.has(fenceHeader) === true
const isNotFound = (cause: unknown): boolean =>
  cause instanceof NatsError &&
  (cause.api_error?.code === 404 || cause.code === ErrorCode.JetStream404NoMessages)

const make = Effect.fnUntraced(function* (options: JetStreamJournalOptions) {
  const nats = yield* NatsConnection
  const name = streamName(options.run)
  const unavailable = (stream: string, operation: string) => (cause: unknown) =>
    new JournalUnavailable({ stream, operation, reason: reasonOf(cause) })
  const heads = new Map<string, Head>()

  yield* Effect.tryPromise({
    try: async () => {
      const exists = await nats.manager.streams.info(name).then(
        () => true,
        (cause) => (isNotFound(cause) ? false : Promise.reject(cause))
      )
      if (exists) return
      await nats.manager.streams.add({
        name,
        subjects: [`${runPrefix(options.run)}.journal.>`],
        retention: RetentionPolicy.Limits,
        storage: StorageType.File,
        max_bytes: options.bytesMax,
        discard: DiscardPolicy.New,
        duplicate_window: nanos(duplicateWindowMs),
        allow_direct: true
      })
    },
    catch: unavailable("*", "open")
  })

  const readHead = (stream: string): Effect.Effect<Head, JournalUnavailable> =>
    Effect.tryPromise({
      try: () =>
        nats.manager.streams.getMessage(name, { last_by_subj: journalSubject(options.run, stream) }).then(
          (message): Head => ({ sequence: message.seq, epoch: epochOf(message.header) }),
          (cause): Head => {
            if (isNotFound(cause)) return { sequence: 0, epoch: 0 }
            throw cause
          }
        ),
      catch: unavailable(stream, "read")
    }).pipe(Effect.tap((head) => Effect.sync(() => heads.set(stream, head))))

  const publish = (options_: AppendOptions, extra?: { readonly fence: boolean }) =>
    Effect.tryPromise({
      try: () => {
        const header = headers()
        header.set(epochHeader, String(options_.epoch))
        header.set(expectedHeader, String(options_.expected))
        header.set(idHeader, `${options_.stream}/${options_.id}`)
        if (extra?.fence === true) header.set(fenceHeader, "1")
        return nats.jetstream.publish(journalSubject(options.run, options_.stream), options_.data, {
          headers: header,
          timeout: publishTimeoutMs
        })
      },
      catch: (cause) => cause
    })

  const append = Effect.fnUntraced(function* (request: AppendOptions, extra?: { readonly fence: boolean }) {
    const { data, epoch, expected, stream } = request
    const bytesMax = Math.min(
      Limits.payloadBytesMax,
      nats.connection.info?.max_payload ?? Limits.payloadBytesMax
    )
    if (data.byteLength > bytesMax) {
      return yield* new PayloadTooLarge({ subject: stream, bytes: data.byteLength, bytesMax })
    }
    const known = heads.get(stream)
    const head = known?.sequence === expected ? known : yield* readHead(stream)
    if (epoch < head.epoch) return yield* new StaleEpoch({ stream, epoch, current: head.epoch })
    const result = yield* Effect.either(publish(request, extra))
    if (result._tag === "Right") {
      heads.set(stream, { sequence: result.right.seq, epoch })
      return Sequence.make(result.right.seq)
    }
    const cause = result.left
    if (!(cause instanceof NatsError && cause.api_error?.err_code === wrongLastSequence)) {
      return yield* unavailable(stream, "append to")(cause)
    }
    const actual = yield* readHead(stream)
    if (epoch < actual.epoch) return yield* new StaleEpoch({ stream, epoch, current: actual.epoch })
    return yield* new WrongExpectedSequence({ stream, expected, actual: actual.sequence })
  }, Effect.uninterruptible)

  const toRecord = (stream: string, sequence: number, header: MsgHdrs | undefined, data: Uint8Array) => ({
    stream,
    sequence: Sequence.make(sequence),
    epoch: Epoch.make(epochOf(header)),
    data
  })

  const follow = (stream: string, after: Sequence) =>
    pull(nats, { stream: name, subject: journalSubject(options.run, stream), after })

  /** Fences have done their work with their sequence. */
  const records = (stream: string, messages: Stream.Stream<PulledMessage, unknown>) =>
    messages.pipe(
      Stream.filter((message) => !isFence(message.headers)),
      Stream.map((message) => toRecord(stream, message.sequence, message.headers, message.data)),
      Stream.mapError(unavailable(stream, "follow"))
    )

  return Journal.of({
    kind: "jetstream",
    append: (request) => append(request),
    fence: Effect.fnUntraced(function* (stream, epoch) {
      for (;;) {
        const head = yield* readHead(stream)
        if (epoch < head.epoch) return yield* new StaleEpoch({ stream, epoch, current: head.epoch })
        if (epoch === head.epoch) return Sequence.make(head.sequence)
        const fence: AppendOptions = {
          stream,
          expected: Sequence.make(head.sequence),
          epoch,
          id: `fence-${epoch}-${head.sequence}`,
          data: new Uint8Array(0)
        }
        const result = yield* Effect.either(append(fence, { fence: true }))
        if (result._tag === "Right") return result.right
        // Somebody wrote in between: look again. Nothing but a higher epoch ends this otherwise.
        if (result.left._tag === "WrongExpectedSequence") continue
        if (result.left._tag === "PayloadTooLarge") return yield* Effect.die(result.left)
        return yield* result.left
      }
    }),
    readOne: (stream, sequence) =>
      Effect.tryPromise({
        try: () =>
          nats.manager.streams.getMessage(name, { seq: sequence }).then(
            (message): JournalRecord | undefined =>
              message.subject === journalSubject(options.run, stream) && !isFence(message.header)
                ? toRecord(stream, message.seq, message.header, message.data)
                : undefined,
            (cause) => {
              if (isNotFound(cause)) return undefined
              throw cause
            }
          ),
        catch: unavailable(stream, "read")
      }),
    last: (stream) => Effect.map(readHead(stream), (head) => Sequence.make(head.sequence)),
    tail: (stream, after) => records(stream, follow(stream, after)),
    replay: (stream, after, through) =>
      after >= through
        ? Stream.empty
        : records(
            stream,
            Stream.takeUntil(follow(stream, after), (message) => message.sequence >= through)
          ),
    trim: (stream, keep) =>
      Effect.asVoid(
        Effect.tryPromise({
          try: () => nats.manager.streams.purge(name, { filter: journalSubject(options.run, stream), keep }),
          catch: unavailable(stream, "trim")
        })
      )
  })
})

export const layer = (
  options: JetStreamJournalOptions
): Layer.Layer<Journal, JournalUnavailable, NatsConnection> => Layer.effect(Journal, make(options))
