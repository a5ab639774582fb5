/**
 * The journal in JetStream, where there is a NATS server. A run is one JetStream stream; a stream of the journal
 * is one subject in it.
 *
 * The server compares `Nats-Expected-Last-Subject-Sequence`, which decides between competing writers. It knows
 * nothing of epochs: whoever takes over therefore writes a fence first, a record without content that makes
 * every sequence its predecessor may expect a wrong one. Records are refused by the server when the stream is
 * full, never dropped.
 */
import { Cause, Chunk, Effect, Exit, Layer, Option, Stream } from "effect"
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
import { RecentRecords } from "./RecentRecords.ts"

export interface JetStreamJournalOptions {
  readonly run: RunId
  /** Beyond this the run's stream refuses what is new; retention sees to it that it does not come to that. */
  readonly bytesMax: number
}

const epochHeader = "Conclave-Epoch"
const fenceHeader = "Conclave-Fence"
const previousHeader = "Conclave-Previous"
const expectedHeader = "Nats-Expected-Last-Subject-Sequence"
const idHeader = "Nats-Msg-Id"
/** The server's answer to a comparison that fails. */
const wrongLastSequence = 10_071
const publishTimeoutMs = 3_000
/** Of the bytes that a run may take. */
const nearlyFullShare = 0.75
/** Records handed to a follower at a time. */
const batchMax = 256
/** How long the server recognises an id that it has seen. */
const duplicateWindowMs = 120_000

/** The end of a stream. Fences take sequences of the server's, and nobody outside ever sees one. */
interface Head {
  /** Of the latest message, a fence or a record: what the server compares with. */
  readonly sequence: number
  readonly epoch: number
  /** Of the latest record: where the stream is for everybody else. */
  readonly record: number
}

/** A stream that somebody follows from here. */
interface Followed {
  readonly recent: RecentRecords
  /** Why nothing more comes. */
  failure: JournalUnavailable | undefined
}

export const streamName = (run: RunId): string => `conclave_${run}`

const reasonOf = (cause: unknown): string => {
  if (cause instanceof NatsError && cause.api_error !== undefined) return cause.api_error.description
  return cause instanceof Error ? cause.message : String(cause)
}

const epochOf = (header: MsgHdrs | undefined): number => Number(header?.get(epochHeader) || 0)
const isFence = (header: MsgHdrs | undefined): boolean => header?.has(fenceHeader) === true
/** A fence says where the stream was when it was raised. */
const recordOf = (header: MsgHdrs | undefined, sequence: number): number =>
  isFence(header) ? Number(header?.get(fenceHeader)) : sequence
const isNotFound = (cause: unknown): boolean =>
  cause instanceof NatsError &&
  (cause.api_error?.code === 404 || cause.code === ErrorCode.JetStream404NoMessages)

const make = Effect.fnUntraced(function* (options: JetStreamJournalOptions) {
  const nats = yield* NatsConnection
  const name = streamName(options.run)
  const unavailable = (stream: string, operation: string) => (cause: unknown) =>
    new JournalUnavailable({ stream, operation, reason: reasonOf(cause) })
  const heads = new Map<string, Head>()
  const followed = new Map<string, Followed>()
  const scope = yield* Effect.scope

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
          (message): Head => ({
            sequence: message.seq,
            epoch: epochOf(message.header),
            record: recordOf(message.header, message.seq)
          }),
          (cause): Head => {
            if (isNotFound(cause)) return { sequence: 0, epoch: 0, record: 0 }
            throw cause
          }
        ),
      catch: unavailable(stream, "read")
    }).pipe(
      Effect.tap((head) =>
        Effect.sync(() => {
          // What has been written here meanwhile is newer than an answer that was on its way.
          if (head.sequence >= (heads.get(stream)?.sequence ?? 0)) heads.set(stream, head)
        })
      )
    )

  /** @param after the sequence that the server has to be at; @param fence where the stream is, for a fence */
  const publish = (options_: AppendOptions, after: number, fence: number | undefined) =>
    Effect.tryPromise({
      try: () => {
        const header = headers()
        header.set(epochHeader, String(options_.epoch))
        header.set(expectedHeader, String(after))
        header.set(idHeader, `${options_.stream}/${options_.id}`)
        if (fence === undefined) header.set(previousHeader, String(options_.expected))
        else header.set(fenceHeader, String(fence))
        return nats.jetstream.publish(journalSubject(options.run, options_.stream), options_.data, {
          headers: header,
          timeout: publishTimeoutMs
        })
      },
      catch: (cause) => cause
    })

  const append = Effect.fnUntraced(function* (request: AppendOptions, isFencing: boolean) {
    const { data, epoch, expected, stream } = request
    const bytesMax = Math.min(
      Limits.payloadBytesMax,
      nats.connection.info?.max_payload ?? Limits.payloadBytesMax
    )
    if (data.byteLength > bytesMax) {
      return yield* new PayloadTooLarge({ subject: stream, bytes: data.byteLength, bytesMax })
    }
    const known = heads.get(stream)
    const head = known?.record === expected ? known : yield* readHead(stream)
    if (epoch < head.epoch) return yield* new StaleEpoch({ stream, epoch, current: head.epoch })
    // Elsewhere than expected it is still sent: the server knows an event again whose acknowledgement was lost.
    const after = head.record === expected ? head.sequence : expected
    const result = yield* Effect.either(publish(request, after, isFencing ? expected : undefined))
    if (result._tag === "Right") {
      const { seq } = result.right
      heads.set(stream, { sequence: seq, epoch, record: isFencing ? expected : seq })
      if (isFencing) return expected
      const sequence = Sequence.make(seq)
      // Who follows from here need not wait until it comes back from the server.
      const shared = followed.get(stream)
      if (shared?.recent.last === expected)
        shared.recent.add({ stream, sequence, previous: expected, epoch, data })
      return sequence
    }
    const cause = result.left
    if (!(cause instanceof NatsError && cause.api_error?.err_code === wrongLastSequence)) {
      return yield* unavailable(stream, "append to")(cause)
    }
    const actual = yield* readHead(stream)
    if (epoch < actual.epoch) return yield* new StaleEpoch({ stream, epoch, current: actual.epoch })
    return yield* new WrongExpectedSequence({ stream, expected, actual: actual.record })
  }, Effect.uninterruptible)

  const toRecord = (stream: string, sequence: number, header: MsgHdrs | undefined, data: Uint8Array) => ({
    stream,
    sequence: Sequence.make(sequence),
    previous: Sequence.make(Number(header?.get(previousHeader) || 0)),
    epoch: Epoch.make(epochOf(header)),
    data
  })

  const follow = (stream: string, after: Sequence) =>
    pull(nats, { stream: name, subject: journalSubject(options.run, stream), after })

  /** Fences have done their work with their sequence. A batch of nothing else leaves no empty one behind. */
  const records = (stream: string, messages: Stream.Stream<PulledMessage, unknown>) =>
    messages.pipe(
      Stream.mapChunks(
        Chunk.filterMap((message) =>
          isFence(message.headers)
            ? Option.none()
            : Option.some(toRecord(stream, message.sequence, message.headers, message.data))
        )
      ),
      Stream.chunks,
      Stream.filter(Chunk.isNonEmpty),
      Stream.flattenChunks,
      Stream.mapError(unavailable(stream, "follow"))
    )

  /** One consumer for all who follow a stream from here. It begins where the stream is when the first does. */
  const share = (stream: string) =>
    Effect.gen(function* () {
      const { record } = yield* readHead(stream)
      const before = followed.get(stream)
      if (before !== undefined) return before
      const shared: Followed = { recent: new RecentRecords(record), failure: undefined }
      followed.set(stream, shared)
      yield* Stream.runForEach(records(stream, follow(stream, Sequence.make(record))), (next) =>
        Effect.sync(() => shared.recent.add(next))
      ).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            followed.delete(stream)
            const cause = Exit.isFailure(exit) ? Cause.squash(exit.cause) : "the stream ended"
            shared.failure =
              cause instanceof JournalUnavailable ? cause : unavailable(stream, "follow")(cause)
            shared.recent.wake()
          })
        ),
        Effect.forkIn(scope)
      )
      return shared
    })

  const tail = (stream: string, after: Sequence): Stream.Stream<JournalRecord, JournalUnavailable> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const shared = followed.get(stream) ?? (yield* share(stream))
        const { recent } = shared
        let position = after
        // Far behind, a consumer of its own catches up with what is shared.
        const catchUp = Stream.suspend(() =>
          records(
            stream,
            Stream.takeUntil(follow(stream, position), ({ sequence }) => sequence >= recent.startsAfter)
          )
        )
        const next = Effect.gen(function* () {
          for (;;) {
            const batch = recent.after(position, batchMax)
            if (batch === undefined) return yield* Effect.fail(Option.none())
            if (batch.length > 0) return Chunk.unsafeFromArray(batch)
            if (shared.failure !== undefined) return yield* Effect.fail(Option.some(shared.failure))
            yield* recent.news(position)
          }
        })
        return Stream.suspend(() =>
          position < recent.startsAfter ? catchUp : Stream.repeatEffectChunkOption(next)
        ).pipe(
          Stream.mapChunks((chunk) => {
            position = Chunk.unsafeLast(chunk).sequence
            return chunk
          }),
          Stream.forever
        )
      })
    )

  return Journal.of({
    kind: "jetstream",
    append: (request) => append(request, false),
    fence: Effect.fnUntraced(function* (stream, epoch) {
      for (;;) {
        const head = yield* readHead(stream)
        if (epoch < head.epoch) return yield* new StaleEpoch({ stream, epoch, current: head.epoch })
        if (epoch === head.epoch) return Sequence.make(head.record)
        const fence: AppendOptions = {
          stream,
          expected: Sequence.make(head.record),
          epoch,
          id: `fence-${epoch}-${head.sequence}`,
          data: new Uint8Array(0)
        }
        const result = yield* Effect.either(append(fence, true))
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
    last: (stream) => Effect.map(readHead(stream), (head) => Sequence.make(head.record)),
    tail,
    replay: (stream, after, through) =>
      after >= through
        ? Stream.empty
        : records(
            stream,
            Stream.takeUntil(follow(stream, after), (message) => message.sequence >= through)
          ),
    trim: Effect.fnUntraced(function* (stream, keep) {
      const subject = journalSubject(options.run, stream)
      const trimmed = Effect.tryPromise({
        try: async () => {
          const { state } = await nats.manager.streams.info(name, { subjects_filter: subject })
          // Before it is full, and refuses everything, what is oldest goes by its size as well.
          const isNearlyFull = state.bytes > options.bytesMax * nearlyFullShare
          const kept = isNearlyFull ? Math.min(keep, Math.ceil((state.subjects?.[subject] ?? 0) / 2)) : keep
          await nats.manager.streams.purge(name, { filter: subject, keep: kept })
          return kept
        },
        catch: unavailable(stream, "trim")
      })
      const kept = yield* trimmed
      followed.get(stream)?.recent.keep(kept)
    })
  })
})

export const layer = (
  options: JetStreamJournalOptions
): Layer.Layer<Journal, JournalUnavailable, NatsConnection> => Layer.scoped(Journal, make(options))
