/**
 * Calls an `@effect/rpc` group over the bus. One call's failure is its own: nobody serving, an answer that does
 * not come or does not decode, an instance that falls silent in a stream, each ends that call with a typed
 * error and leaves the others alone.
 *
 * Streams go through the library's client and a `RpcClient.Protocol`. Calls that are answered once take a
 * shorter way over the same subjects and messages: the library starts a fiber for every request, which costs
 * more than all else that a call does.
 */
import { type Rpc, RpcClient, type RpcGroup, type RpcMessage, RpcSchema } from "@effect/rpc"
import {
  Cause,
  Effect,
  Either,
  Exit,
  FiberRef,
  FiberSet,
  Mailbox,
  Option,
  ParseResult,
  Schema,
  type Scope,
  Stream
} from "effect"
import type { Span } from "effect/Tracer"
import * as Address from "../protocols/wire/Address.ts"
import {
  AgentUnavailable,
  AgentUnreachable,
  BusUnavailable,
  type CallError,
  DeadlineExceeded,
  InternalError,
  PeerLost
} from "../protocols/wire/errors.ts"
import { type RunId, truncateReason } from "../protocols/wire/Ids.ts"
import { Bus, type Message } from "./Bus.ts"
import type { BusDisconnected, BusError } from "./errors.ts"
import { monotonicMs } from "./MonotonicClock.ts"
import { decodeToClient, encodeMessage, failedExit, summarise, type ToServer } from "./RpcWire.ts"

export interface BusRpcClientOptions {
  readonly run: RunId
  readonly address: Address.Address
  /** Of calls that set none by `withDeadline`. */
  readonly deadlineMs?: number
  readonly tracing?: boolean
  readonly pingEveryMs?: number
  /** An instance silent for so long in a stream is taken to be gone. */
  readonly silentMaxMs?: number
}

const defaults = { deadlineMs: 5_000, pingEveryMs: 1_000, silentMaxMs: 4_000 }
const sweepEveryMs = 25
/** Chunks of streams waiting to be handed to their readers. */
const chunksMax = 16_384

const currentDeadlineMs: FiberRef.FiberRef<number | undefined> = FiberRef.unsafeMake<number | undefined>(
  undefined
)

/** The calls within wait this long for their answers. */
export const withDeadline =
  (deadlineMs: number) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.locally(effect, currentDeadlineMs, Math.max(0, Math.round(deadlineMs)))

export type Client<Rpcs extends Rpc.Any> = RpcClient.RpcClient<Rpcs>
export type ClientOf<Group> = Client<RpcGroup.Rpcs<Group>>

interface Pending {
  readonly tag: string
  readonly isStream: boolean
  readonly sentAtMs: number
  readonly deadlineMs: number | undefined
  /** What arrives for the call: its exit, once, and for a stream chunks before that. */
  readonly receive: (response: RpcMessage.ResponseExitEncoded | RpcMessage.ResponseChunkEncoded) => void
  heardAtMs: number
  pingedAtMs: number
  /** Known from the first answer on. */
  instance: string | undefined
}

interface Connection {
  readonly newId: () => string
  readonly send: (
    request: RpcMessage.RequestEncoded,
    call: Pick<Pending, "isStream" | "deadlineMs" | "receive">
  ) => Effect.Effect<void>
  /** To the instance that has the call. Nothing is sent for a call that has ended. */
  readonly follow: (message: RpcMessage.AckEncoded | RpcMessage.InterruptEncoded) => Effect.Effect<void>
}

/** The calls in flight of one client: its inbox, their deadlines, and the pulse of the instances that answer. */
const connect = Effect.fnUntraced(function* (options: BusRpcClientOptions) {
  const bus = yield* Bus
  const { agent, branch } = options.address
  const { pingEveryMs, silentMaxMs } = { ...defaults, ...options }
  const now = yield* monotonicMs
  const inbox = yield* bus.newInbox
  const subject = Address.subjectOf(options.run, options.address)
  const everyone = Address.everyoneSubject(options.run, agent, branch)
  const pending = new Map<string, Pending>()
  const runFork = yield* FiberSet.makeRuntime<never>()
  let lastId = 0

  const whoHas = (call: Pending) =>
    call.instance === undefined
      ? everyone
      : Address.subjectOf(options.run, Address.instance(agent, call.instance, branch))

  const publish = (to: string, message: ToServer, reply?: string): Effect.Effect<void, BusError> =>
    bus.publish(to, encodeMessage(message), reply)

  const fail = (requestId: string, make: (about: { agent: typeof agent; call: string }) => CallError) => {
    const call = pending.get(requestId)
    if (call === undefined) return
    pending.delete(requestId)
    call.receive(failedExit(requestId, make({ agent, call: call.tag })))
  }

  const onResponse = (message: Message) => {
    const requestId = message.subject.slice(inbox.length + 1)
    const call = pending.get(requestId)
    if (call === undefined) return
    if (message.noResponders) {
      // A ping without an answer says nothing yet: the instance may be of those that do not hear everyone.
      if (call.pingedAtMs === call.sentAtMs) fail(requestId, (about) => new AgentUnreachable(about))
      return
    }
    const decoded = decodeToClient(message.data)
    if (Either.isLeft(decoded)) {
      return fail(requestId, (about) => new InternalError({ ...about, incident: "answer-unreadable" }))
    }
    const { instance, ...response } = decoded.right
    call.instance ??= instance
    // Only the instance that has the call, and only about this call.
    if (call.instance !== instance) return
    call.heardAtMs = now()
    if (response._tag === "Chunk" && response.requestId === requestId) return call.receive(response)
    if (response._tag !== "Exit" || response.requestId !== requestId) return
    if (response.exit._tag === "Failure" && summarise(response.exit.cause)._tag !== "Fail") {
      return fail(requestId, (about) => new AgentUnavailable({ ...about, state: "stopping" }))
    }
    pending.delete(requestId)
    call.receive(response)
  }

  yield* bus.subscribe(`${inbox}.*`, onResponse)

  const sweep = Effect.sync(() => {
    const at = now()
    for (const [requestId, call] of pending) {
      const silentMs = at - call.heardAtMs
      if (call.deadlineMs !== undefined && at - call.sentAtMs >= call.deadlineMs) {
        runFork(Effect.ignore(publish(whoHas(call), { _tag: "Interrupt", requestId, client: inbox })))
        fail(requestId, (about) => new DeadlineExceeded({ ...about, afterMs: call.deadlineMs as number }))
      } else if (call.isStream && silentMs > silentMaxMs) {
        fail(requestId, (about) => new PeerLost({ ...about, silentMs: Math.round(silentMs) }))
      } else if (call.isStream && at - call.pingedAtMs >= pingEveryMs) {
        call.pingedAtMs = at
        const ping: ToServer = { _tag: "Ping", requestId, client: inbox }
        runFork(Effect.ignore(publish(whoHas(call), ping, `${inbox}.${requestId}`)))
      }
    }
  })
  yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(sweepEveryMs), sweep)))

  return {
    newId: () => String(++lastId),
    send: (request, call) => {
      const at = now()
      const { id, tag } = request
      pending.set(id, { ...call, tag, sentAtMs: at, heardAtMs: at, pingedAtMs: at, instance: undefined })
      const message: ToServer =
        call.deadlineMs === undefined
          ? { ...request, client: inbox }
          : { ...request, client: inbox, deadlineMs: call.deadlineMs }
      return Effect.catchAll(publish(subject, message, `${inbox}.${id}`), (error) =>
        Effect.sync(() =>
          fail(id, (about) => new BusUnavailable({ ...about, reason: truncateReason(error.message) }))
        )
      )
    },
    follow: (message) =>
      Effect.suspend(() => {
        const call = pending.get(message.requestId)
        if (call === undefined) return Effect.void
        if (message._tag === "Interrupt") pending.delete(message.requestId)
        return Effect.ignore(publish(whoHas(call), { ...message, client: inbox }))
      })
  } satisfies Connection
})

/** Streams, by the library's client. */
const makeProtocol = (connection: Connection) =>
  RpcClient.Protocol.make(
    Effect.fnUntraced(function* (writeResponse) {
      const responses = yield* Mailbox.make<RpcMessage.FromServerEncoded>()
      let waiting = 0
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.flatMap(responses.takeAll, ([batch]) => {
            waiting -= batch.length
            return Effect.forEach(batch, writeResponse, { discard: true })
          })
        )
      )
      return {
        send: (message) => {
          switch (message._tag) {
            case "Request":
              return Effect.flatMap(FiberRef.get(currentDeadlineMs), (deadlineMs) =>
                connection.send(message, {
                  isStream: true,
                  deadlineMs,
                  receive: (response) => {
                    // Acknowledgements hold a stream to one chunk; a server that ignores them is cut off.
                    if (response._tag === "Chunk" && waiting >= chunksMax) return
                    waiting++
                    responses.unsafeOffer(response)
                  }
                })
              )
            case "Ack":
            case "Interrupt":
              return connection.follow(message)
            default:
              return Effect.void
          }
        },
        supportsAck: true,
        supportsTransferables: false
      }
    })
  )

const unreadable = (agent: string, call: string) =>
  new InternalError({ agent, call, incident: "answer-unreadable" })

/** One call and its one answer. */
const makeUnary = (connection: Connection, rpc: Rpc.AnyWithProps, options: BusRpcClientOptions) => {
  const tag = rpc._tag
  const { agent } = options.address
  const deadlineDefaultMs = options.deadlineMs ?? defaults.deadlineMs
  const encodePayload = Schema.encodeUnknownEither(rpc.payloadSchema as Schema.Schema<unknown, unknown>)
  const decodeSuccess = Schema.decodeUnknownEither(rpc.successSchema as Schema.Schema<unknown, unknown>)
  const decodeError = Schema.decodeUnknownEither(rpc.errorSchema as Schema.Schema<unknown, unknown>)

  const toExit = ({ exit }: RpcMessage.ResponseExitEncoded): Exit.Exit<unknown, unknown> => {
    if (exit._tag === "Success") {
      const value = decodeSuccess(exit.value)
      return Either.isRight(value) ? Exit.succeed(value.right) : Exit.fail(unreadable(agent, tag))
    }
    const summary = summarise(exit.cause)
    const error = summary._tag === "Fail" ? decodeError(summary.error) : Either.left(undefined)
    return Exit.fail(Either.isRight(error) ? error.right : unreadable(agent, tag))
  }

  const call = (payload: unknown, span: Span | undefined) =>
    Effect.flatMap(FiberRef.get(currentDeadlineMs), (deadlineMs) => {
      const encoded = encodePayload(payload)
      if (Either.isLeft(encoded)) return Effect.die(encoded.left)
      const id = connection.newId()
      let exit: Exit.Exit<unknown, unknown> | undefined
      let resume: ((exit: Exit.Exit<unknown, unknown>) => void) | undefined
      const receive: Pending["receive"] = (response) => {
        if (response._tag !== "Exit") return
        exit = toExit(response)
        resume?.(exit)
      }
      const trace =
        span === undefined ? {} : { traceId: span.traceId, spanId: span.spanId, sampled: span.sampled }
      const request: RpcMessage.RequestEncoded = {
        _tag: "Request",
        id,
        tag,
        payload: encoded.right,
        headers: [],
        ...trace
      }
      const answer = Effect.async<unknown, unknown>((continueWith) => {
        if (exit !== undefined) return continueWith(exit)
        resume = continueWith
        return connection.follow({ _tag: "Interrupt", requestId: id })
      })
      const sent = connection.send(request, {
        isStream: false,
        deadlineMs: deadlineMs ?? deadlineDefaultMs,
        receive
      })
      return Effect.zipRight(sent, answer)
    })

  return options.tracing === true
    ? (payload: unknown) =>
        Effect.useSpan(`RpcClient.${tag}`, { captureStackTrace: false, kind: "client" }, (span) =>
          call(payload, span)
        )
    : (payload: unknown) => call(payload, undefined)
}

/** A client of the group at an address, for as long as the scope is open. */
export const make = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: BusRpcClientOptions
): Effect.Effect<Client<Rpcs>, BusDisconnected, Bus | Scope.Scope> =>
  Effect.gen(function* () {
    const connection = yield* connect(options)
    const client: Record<string, unknown> = {}
    const streaming: Array<Rpc.AnyWithProps> = []
    for (const rpc of group.requests.values() as Iterable<unknown> as Iterable<Rpc.AnyWithProps>) {
      if (RpcSchema.isStreamSchema(rpc.successSchema)) streaming.push(rpc)
      else client[rpc._tag] = makeUnary(connection, rpc, options)
    }
    if (streaming.length > 0) {
      const library = (yield* RpcClient.make(group as unknown as RpcGroup.RpcGroup<Rpc.Rpc<string>>, {
        flatten: true,
        disableTracing: options.tracing !== true,
        generateRequestId: () => BigInt(connection.newId()) as RpcMessage.RequestId
      }).pipe(Effect.provideServiceEffect(RpcClient.Protocol, makeProtocol(connection)))) as unknown
      const stream = library as (tag: string, payload: unknown) => Stream.Stream<unknown, unknown>
      for (const { _tag: tag } of streaming) {
        client[tag] = (payload: unknown) =>
          Stream.catchAllCause(stream(tag, payload), (cause) => {
            // The library takes an answer that does not decode for a bug of this side.
            const isUnreadable = ParseResult.isParseError(Option.getOrUndefined(Cause.dieOption(cause)))
            return isUnreadable
              ? Stream.fail(unreadable(options.address.agent, tag))
              : Stream.failCause(cause)
          })
      }
    }
    return client as unknown as Client<Rpcs>
  })
