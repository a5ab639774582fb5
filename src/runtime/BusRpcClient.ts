/**
 * Calls an `@effect/rpc` group over the bus. One call's failure is its own: nobody serving, an answer that does
 * not come or does not decode, an instance that falls silent in a stream, each ends that call with a typed
 * error and leaves the others alone.
 */
import { RpcClient, RpcSchema, type Rpc, type RpcGroup, type RpcMessage } from "@effect/rpc"
import { Cause, Effect, Either, FiberRef, FiberSet, Mailbox, Option, ParseResult, type Scope, Stream } from "effect"
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
/** Responses waiting to be handed to their calls. */
const responsesMax = 16_384

const currentDeadlineMs: FiberRef.FiberRef<number | undefined> = FiberRef.unsafeMake<number | undefined>(undefined)

/** The calls within wait this long for their answers. */
export const withDeadline =
  (deadlineMs: number) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.locally(effect, currentDeadlineMs, Math.max(0, Math.round(deadlineMs)))

interface Pending {
  readonly tag: string
  readonly isStream: boolean
  readonly sentAtMs: number
  readonly deadlineMs: number | undefined
  heardAtMs: number
  pingedAtMs: number
  /** Known from the first chunk on. */
  instance: string | undefined
}

export type Client<Rpcs extends Rpc.Any> = RpcClient.RpcClient<Rpcs>

const makeProtocol = <Rpcs extends Rpc.Any>(group: RpcGroup.RpcGroup<Rpcs>, options: BusRpcClientOptions) =>
  RpcClient.Protocol.make(
    Effect.fnUntraced(function* (writeResponse) {
      const bus = yield* Bus
      const { agent, branch } = options.address
      const { deadlineMs, pingEveryMs, silentMaxMs } = { ...defaults, ...options }
      const now = yield* monotonicMs
      const inbox = yield* bus.newInbox
      const subject = Address.subjectOf(options.run, options.address)
      const everyone = Address.everyoneSubject(options.run, agent, branch)
      const responses = yield* Mailbox.make<RpcMessage.FromServerEncoded>()
      const pending = new Map<string, Pending>()
      const runFork = yield* FiberSet.makeRuntime<never>()
      let waiting = 0

      const instanceSubject = (instance: string) =>
        Address.subjectOf(options.run, Address.instance(agent, instance, branch))

      const publish = (to: string, message: ToServer, reply?: string): Effect.Effect<void, BusError> =>
        bus.publish(to, encodeMessage(message), reply)

      const offer = (message: RpcMessage.FromServerEncoded) => {
        waiting++
        responses.unsafeOffer(message)
      }

      const fail = (requestId: string, make: (about: { agent: typeof agent; call: string }) => CallError) => {
        const call = pending.get(requestId)
        if (call === undefined) return
        pending.delete(requestId)
        offer(failedExit(requestId, make({ agent, call: call.tag })))
      }

      const onResponse = (message: Message) => {
        const requestId = message.subject.slice(inbox.length + 1)
        const call = pending.get(requestId)
        if (call === undefined) return
        if (message.noResponders) return fail(requestId, (about) => new AgentUnreachable(about))
        const decoded = decodeToClient(message.data)
        if (Either.isLeft(decoded)) {
          return fail(requestId, (about) => new InternalError({ ...about, incident: "answer-unreadable" }))
        }
        const { instance, ...response } = decoded.right
        call.heardAtMs = now()
        call.instance ??= instance
        if (response._tag === "Pong") return
        // Only the instance that has the call, and only about this call.
        if (call.instance !== instance || !("requestId" in response) || response.requestId !== requestId) return
        if (response._tag === "Exit") {
          pending.delete(requestId)
          if (response.exit._tag === "Failure" && summarise(response.exit.cause)._tag !== "Fail") {
            const state = new AgentUnavailable({ agent, call: call.tag, state: "stopping" })
            return offer(failedExit(requestId, state))
          }
        } else if (waiting > responsesMax) {
          // The caller's own process does not keep up with what it asked for.
          return fail(requestId, (about) => new BusUnavailable({ ...about, reason: "too many answers wait here" }))
        }
        offer(response as RpcMessage.FromServerEncoded)
      }

      yield* bus.subscribe(`${inbox}.*`, onResponse)

      yield* Effect.forkScoped(
        Effect.forever(
          Effect.flatMap(responses.takeAll, ([batch]) => {
            waiting -= batch.length
            return Effect.forEach(batch, writeResponse, { discard: true })
          })
        )
      )

      const sweep = Effect.sync(() => {
        const at = now()
        for (const [requestId, call] of pending) {
          if (call.deadlineMs !== undefined && at - call.sentAtMs >= call.deadlineMs) {
            const interrupt: ToServer = { _tag: "Interrupt", requestId, client: inbox }
            const to = call.instance === undefined ? everyone : instanceSubject(call.instance)
            runFork(Effect.ignore(publish(to, interrupt)))
            fail(requestId, (about) => new DeadlineExceeded({ ...about, afterMs: call.deadlineMs as number }))
          } else if (call.isStream) {
            const silentMs = at - call.heardAtMs
            if (silentMs > silentMaxMs) {
              fail(requestId, (about) => new PeerLost({ ...about, silentMs: Math.round(silentMs) }))
            } else if (at - call.pingedAtMs >= pingEveryMs) {
              call.pingedAtMs = at
              // Before the first chunk nobody knows which instance has it: all are asked, the one that has it answers.
              const to = call.instance === undefined ? everyone : instanceSubject(call.instance)
              const ping: ToServer = { _tag: "Ping", requestId, client: inbox }
              runFork(Effect.ignore(publish(to, ping, `${inbox}.${requestId}`)))
            }
          }
        }
      })
      yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(sweepEveryMs), sweep)))

      return {
        send: (message) => {
          switch (message._tag) {
            case "Request": {
              const rpc = group.requests.get(message.tag as Rpc.Tag<Rpcs>) as unknown as Rpc.AnyWithProps
              const isStream = RpcSchema.isStreamSchema(rpc.successSchema)
              return Effect.flatMap(FiberRef.get(currentDeadlineMs), (own) => {
                const at = now()
                const limit = isStream ? own : (own ?? deadlineMs)
                pending.set(message.id, {
                  tag: message.tag,
                  isStream,
                  sentAtMs: at,
                  deadlineMs: limit,
                  heardAtMs: at,
                  pingedAtMs: at,
                  instance: undefined
                })
                const request: ToServer = {
                  ...message,
                  client: inbox,
                  ...(limit === undefined ? {} : { deadlineMs: limit })
                }
                return Effect.catchAll(publish(subject, request, `${inbox}.${message.id}`), (error) =>
                  Effect.sync(() =>
                    fail(message.id, (about) => new BusUnavailable({ ...about, reason: truncateReason(error.message) }))
                  )
                )
              })
            }
            case "Ack":
            case "Interrupt": {
              const call = pending.get(message.requestId)
              if (call === undefined) return Effect.void
              if (message._tag === "Interrupt") pending.delete(message.requestId)
              const to = call.instance === undefined ? everyone : instanceSubject(call.instance)
              return Effect.ignore(publish(to, { ...message, client: inbox }))
            }
            default:
              return Effect.void
          }
        },
        supportsAck: true,
        supportsTransferables: false
      }
    })
  )

const unreadable = (agent: string, call: string) => (defect: unknown) =>
  ParseResult.isParseError(defect)
    ? new InternalError({ agent, call, incident: "answer-unreadable" })
    : undefined

/** A client of the group at an address, for as long as the scope is open. */
export const make = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: BusRpcClientOptions
): Effect.Effect<Client<Rpcs>, BusDisconnected, Bus | Scope.Scope> =>
  Effect.gen(function* () {
    const protocol = yield* makeProtocol(group, options)
    const flat = (yield* RpcClient.make(group as unknown as RpcGroup.RpcGroup<Rpc.Rpc<string>>, {
      flatten: true,
      disableTracing: options.tracing !== true
    }).pipe(Effect.provideService(RpcClient.Protocol, protocol))) as unknown
    const call = flat as (tag: string, payload: unknown, options?: unknown) => unknown
    const client: Record<string, unknown> = {}
    for (const [tag, rpc] of group.requests) {
      const recover = unreadable(options.address.agent, tag)
      const isStream = RpcSchema.isStreamSchema((rpc as unknown as Rpc.AnyWithProps).successSchema)
      client[tag] = (payload: unknown, callOptions?: unknown) => {
        const result = call(tag, payload, callOptions)
        // An answer that does not decode is the other side's fault, not a bug here.
        return isStream
          ? Stream.catchAllCause(result as Stream.Stream<unknown, unknown>, (cause) => {
              const error = recover(Option.getOrUndefined(Cause.dieOption(cause)))
              return error === undefined ? Stream.failCause(cause) : Stream.fail(error)
            })
          : Effect.catchAllDefect(result as Effect.Effect<unknown>, (defect) => {
              const error = recover(defect)
              return error === undefined ? Effect.die(defect) : Effect.fail(error)
            })
      }
    }
    return client as unknown as Client<Rpcs>
  })
