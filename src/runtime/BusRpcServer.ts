/**
 * Serves an `@effect/rpc` group on the bus: on the agent's queue group, on the partitions it owns, and on the
 * instance's own subject, where everything that follows the first message of a call goes.
 *
 * What the library leaves open is decided here. A defect fails its own call and no other, and its text stays
 * in the log of this side. An unknown call is refused by name. A request beyond `inFlightMax` is refused.
 * Handlers are interrupted at their caller's deadline, and when a caller with open calls has fallen silent.
 */
import { type Rpc, type RpcGroup, type RpcMessage, RpcSchema, RpcServer } from "@effect/rpc"
import { Effect, Either, type FiberId, FiberSet, Layer, Mailbox, Option, type Scope } from "effect"
import * as Address from "../protocols/wire/Address.ts"
import {
  AgentUnavailable,
  BadRequest,
  type CallError,
  InternalError,
  Overloaded,
  UnknownCall
} from "../protocols/wire/errors.ts"
import type { AgentName, RunId } from "../protocols/wire/Ids.ts"
import { Bus, type Message } from "./Bus.ts"
import { DeadLetters } from "./DeadLetters.ts"
import type { BusDisconnected } from "./errors.ts"
import { monotonicMs } from "./MonotonicClock.ts"
import { decodeToServer, encodeMessage, failedExit, summarise } from "./RpcWire.ts"

export interface BusRpcServerOptions {
  readonly run: RunId
  readonly agent: AgentName
  readonly branch?: Address.Branch
  /** This instance's name, unique among all processes. */
  readonly instance: string
  /** Partitions this instance answers for as their owner. */
  readonly owns?: "all" | "none"
  readonly inFlightMax?: number
  readonly tracing?: boolean
  /** A caller silent for so long is taken to be gone. */
  readonly silentMaxMs?: number
}

const defaults = { inFlightMax: 1_024, silentMaxMs: 4_000 }
const sweepEveryMs = 250
/** A caller with nothing open is forgotten after this. */
const idleClientMs = 60_000

interface Client {
  readonly id: number
  readonly inbox: string
  lastSeenMs: number
  readonly calls: Map<string, Call>
}

interface Call {
  readonly tag: string
  readonly reply: string
  readonly isStream: boolean
  readonly deadlineAtMs: number | undefined
}

/** An answer goes to an inbox: whoever may call must not make an agent speak for them elsewhere. */
const isInbox = (subject: string) => subject.startsWith("_INBOX")

/**
 * @param readers the fibers that decode requests. Handlers answer from fibers of their own, so that what dies in
 *   a reader is a request that does not decode.
 */
const makeProtocol = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: BusRpcServerOptions,
  readers: Set<FiberId.FiberId>
) =>
  RpcServer.Protocol.make(
    Effect.fnUntraced(function* (writeRequest) {
      const bus = yield* Bus
      const deadLetters = yield* DeadLetters
      const { agent, instance } = options
      const inFlightMax = options.inFlightMax ?? defaults.inFlightMax
      const silentMaxMs = options.silentMaxMs ?? defaults.silentMaxMs
      const now = yield* monotonicMs
      const disconnects = yield* Mailbox.make<number>()
      const queue = yield* Mailbox.make<{
        readonly client: Client
        readonly message: RpcMessage.FromClientEncoded
      }>()
      const streams = new Map<string, boolean>()
      for (const [tag, rpc] of group.requests) {
        streams.set(tag, RpcSchema.isStreamSchema((rpc as unknown as Rpc.AnyWithProps).successSchema))
      }

      const clients = new Map<string, Client>()
      const clientsById = new Map<number, Client>()
      const clientIds = new Set<number>()
      let nextClientId = 0
      let inFlight = 0
      let incidents = 0
      const runFork = yield* FiberSet.makeRuntime<never>()

      const clientOf = (inbox: string): Client => {
        let client = clients.get(inbox)
        if (client === undefined) {
          client = { id: nextClientId++, inbox, lastSeenMs: now(), calls: new Map() }
          clients.set(inbox, client)
          clientsById.set(client.id, client)
          clientIds.add(client.id)
        }
        client.lastSeenMs = now()
        return client
      }

      const respond = (reply: string, message: RpcMessage.FromServerEncoded) =>
        bus.publish(reply, encodeMessage({ ...message, instance }))

      const refuse = (reply: string, requestId: string, error: CallError) =>
        runFork(Effect.ignoreLogged(respond(reply, failedExit(requestId, error))))

      const finish = (client: Client, requestId: string) => {
        if (client.calls.delete(requestId)) inFlight--
      }

      const onRequest = (
        client: Client,
        request: RpcMessage.RequestEncoded,
        reply: string,
        deadlineMs: number | undefined
      ) => {
        const about = { agent, call: request.tag }
        const isStream = streams.get(request.tag)
        if (isStream === undefined) return void refuse(reply, request.id, new UnknownCall(about))
        if (inFlight >= inFlightMax) {
          return void refuse(reply, request.id, new Overloaded({ ...about, limit: inFlightMax }))
        }
        if (client.calls.has(request.id)) return
        inFlight++
        client.calls.set(request.id, {
          tag: request.tag,
          reply,
          isStream,
          deadlineAtMs: deadlineMs === undefined ? undefined : now() + deadlineMs
        })
        queue.unsafeOffer({ client, message: request })
      }

      const onMessage = (raw: Message) => {
        if (raw.noResponders) return
        const reject = (reason: string) =>
          deadLetters.unsafeRecord({
            consumer: `${agent}.rpc`,
            subject: raw.subject,
            reason,
            data: raw.data
          })
        const decoded = decodeToServer(raw.data)
        if (Either.isLeft(decoded)) return void reject(decoded.left)
        const { client: inbox, deadlineMs, ...message } = decoded.right
        if (raw.reply !== undefined && !isInbox(raw.reply)) {
          return void reject("its answer would go elsewhere than to an inbox")
        }
        const client = clientOf(inbox)
        switch (message._tag) {
          case "Request":
            if (raw.reply !== undefined) onRequest(client, message, raw.reply, deadlineMs)
            return
          // What follows a request may be heard by every instance: the one that has the call in hand acts on it.
          case "Ping":
            if (raw.reply !== undefined && client.calls.has(message.requestId)) {
              runFork(Effect.ignoreLogged(respond(raw.reply, { _tag: "Pong" })))
            }
            return
          default:
            if (client.calls.has(message.requestId)) queue.unsafeOffer({ client, message })
        }
      }

      const settle = Effect.fnUntraced(function* (client: Client, exit: RpcMessage.ResponseExitEncoded) {
        const { requestId } = exit
        const call = client.calls.get(requestId)
        if (call === undefined) return
        finish(client, requestId)
        let answer = exit
        if (exit.exit._tag === "Failure") {
          const about = { agent, call: call.tag }
          const summary = summarise(exit.exit.cause)
          if (summary._tag === "Fail") {
            answer = { ...exit, exit: { _tag: "Failure", cause: { _tag: "Fail", error: summary.error } } }
          } else if (summary._tag === "Interrupt") {
            answer = failedExit(requestId, new AgentUnavailable({ ...about, state: "stopping" }))
          } else if (readers.has(yield* Effect.fiberId)) {
            yield* deadLetters.record({
              consumer: `${agent}.rpc`,
              subject: call.tag,
              reason: String(summary.defect),
              data: new Uint8Array(0)
            })
            answer = failedExit(requestId, new BadRequest(about))
          } else {
            const incident = `${instance}-${++incidents}`
            yield* Effect.logError(`"${call.tag}" failed`).pipe(
              Effect.annotateLogs({ incident, defect: summary.defect })
            )
            answer = failedExit(requestId, new InternalError({ ...about, incident }))
          }
        }
        yield* respond(call.reply, answer).pipe(
          Effect.catchTag("PayloadTooLarge", (error) => {
            const incident = `${instance}-${++incidents}`
            const refusal = failedExit(requestId, new InternalError({ agent, call: call.tag, incident }))
            return Effect.logError(`The answer to "${call.tag}" is too large`).pipe(
              Effect.annotateLogs({ incident, bytes: error.bytes }),
              Effect.zipRight(respond(call.reply, refusal))
            )
          }),
          Effect.catchAll((error) =>
            Effect.logWarning(`The answer to "${call.tag}" was not sent: ${error.message}`)
          )
        )
      })

      const subjectOf = (address: Address.Address) => Address.subjectOf(options.run, address)
      const branch = options.branch ?? "rpc"
      yield* bus.subscribe(subjectOf(Address.any(agent, branch)), onMessage, { queue: agent })
      yield* bus.subscribe(subjectOf(Address.instance(agent, instance, branch)), onMessage)
      yield* bus.subscribe(Address.everyoneSubject(options.run, agent, branch), onMessage)
      if (options.owns === "all") {
        const owners = subjectOf(Address.owner(agent, 0, branch)).replace(/0$/, "*")
        yield* bus.subscribe(owners, onMessage, { queue: agent })
      }

      // One fiber hands requests to the library; handlers run in fibers of their own.
      const reader = yield* Effect.forkScoped(
        Effect.forever(
          Effect.flatMap(queue.takeAll, ([batch]) =>
            Effect.forEach(
              batch,
              ({ client, message }) => {
                if (message._tag !== "Request") return writeRequest(client.id, message)
                const call = client.calls.get(message.id)
                if (call === undefined) return Effect.void
                if (call.deadlineAtMs !== undefined && now() > call.deadlineAtMs) {
                  finish(client, message.id)
                  return Effect.void
                }
                return writeRequest(client.id, message)
              },
              { discard: true }
            )
          )
        )
      )
      readers.add(reader.id())

      const sweep = Effect.suspend(() => {
        const at = now()
        const work: Array<Effect.Effect<unknown>> = []
        for (const client of clients.values()) {
          const silentMs = at - client.lastSeenMs
          let hasStream = false
          for (const [requestId, call] of client.calls) {
            if (call.isStream) hasStream = true
            if (call.deadlineAtMs !== undefined && at > call.deadlineAtMs) {
              work.push(writeRequest(client.id, { _tag: "Interrupt", requestId }))
            }
          }
          if ((hasStream && silentMs > silentMaxMs) || (client.calls.size === 0 && silentMs > idleClientMs)) {
            for (const requestId of [...client.calls.keys()]) finish(client, requestId)
            clients.delete(client.inbox)
            clientsById.delete(client.id)
            clientIds.delete(client.id)
            work.push(disconnects.offer(client.id))
          }
        }
        return Effect.all(work, { discard: true })
      })
      yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(sweepEveryMs), sweep)))

      return {
        disconnects,
        clientIds: Effect.sync(() => clientIds),
        send: (clientId, response) => {
          const client = clientsById.get(clientId)
          if (client === undefined) return Effect.void
          switch (response._tag) {
            case "Exit":
              return settle(client, response)
            case "Chunk": {
              const call = client.calls.get(response.requestId)
              if (call === undefined) return Effect.void
              return Effect.catchAll(respond(call.reply, response), (error) =>
                Effect.zipRight(
                  Effect.logError(`A chunk of "${call.tag}" was not sent: ${error.message}`),
                  writeRequest(clientId, { _tag: "Interrupt", requestId: response.requestId })
                )
              )
            }
            default:
              return Effect.logError("The RPC library answered a whole client", response)
          }
        },
        end: () => Effect.void,
        initialMessage: Effect.succeed(Option.none()),
        supportsAck: true,
        supportsTransferables: false,
        supportsSpanPropagation: true
      }
    })
  )

/** Serves the group until the scope closes. Ready to be called when this returns. */
export const serve = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: BusRpcServerOptions
): Effect.Effect<
  void,
  BusDisconnected,
  Bus | DeadLetters | Rpc.ToHandler<Rpcs> | Rpc.Middleware<Rpcs> | Rpc.Context<Rpcs> | Scope.Scope
> =>
  Effect.gen(function* () {
    const readers = new Set<FiberId.FiberId>()
    const protocol = yield* makeProtocol(group, options, readers)
    const server = yield* RpcServer.make(group, {
      disableFatalDefects: true,
      disableTracing: options.tracing !== true
    }).pipe(Effect.provideService(RpcServer.Protocol, protocol), Effect.interruptible, Effect.forkScoped)
    // It reads what arrived before it ran.
    readers.add(server.id())
  })

export const layer = <Rpcs extends Rpc.Any>(group: RpcGroup.RpcGroup<Rpcs>, options: BusRpcServerOptions) =>
  Layer.scopedDiscard(serve(group, options))
