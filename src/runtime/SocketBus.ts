/**
 * The bus over a Unix socket: how the command line reaches a node on its own machine, whatever the node's bus is.
 * The node bridges each connection to its bus; a frame that does not parse, a message too large or a reader too
 * slow closes that connection and no other.
 *
 * Whoever may open the socket (mode 0600) is the operator.
 */
import { chmodSync, rmSync } from "node:fs"
import { connect as connectSocket, createServer, type Socket } from "node:net"
import {
  Deferred,
  Effect,
  ExecutionStrategy,
  Exit,
  FiberSet,
  Layer,
  Runtime,
  Schema,
  Scope,
  Stream
} from "effect"
import type { Frame } from "../protocols/wire/Frame.ts"
import { Limits } from "../protocols/wire/Limits.ts"
import { Bus, type Message } from "./Bus.ts"
import { BusCongested, BusDisconnected, type BusError, PayloadTooLarge } from "./errors.ts"
import { readFrames, writeFrame } from "./FrameStream.ts"

const kind = { subscribe: 1, unsubscribe: 2, publish: 3, message: 4, ping: 5, pong: 6 } as const

/** A frame carries one message and its subjects. */
const frameBytesMax = Limits.payloadBytesMax + 4_096
/** Bytes that may wait for a reader before it is cut off. */
const backlogBytesMax = 32 * 1024 * 1024
const subscriptionsMax = 256
const connectTimeoutMs = 2_000
const answerTimeoutMs = 5_000

const Subject = Schema.String.pipe(Schema.maxLength(512))
const SubscribeHeader = Schema.Struct({ subject: Subject, queue: Schema.optional(Subject) })
const PublishHeader = Schema.Struct({ subject: Subject, reply: Schema.optional(Subject) })
const MessageHeader = Schema.Struct({
  subject: Subject,
  reply: Schema.optional(Subject),
  noResponders: Schema.Boolean
})
const decodeSubscribe = Schema.decodeUnknown(SubscribeHeader)
const decodePublish = Schema.decodeUnknown(PublishHeader)
const decodeMessage = Schema.decodeUnknownSync(MessageHeader)

/** Bridges one connection to the bus until either side is done. */
const bridge = (socket: Socket) =>
  Effect.gen(function* () {
    const bus = yield* Bus
    const scope = yield* Effect.scope
    const subscriptions = new Map<number, Scope.CloseableScope>()
    const send = (frame: Parameters<typeof writeFrame>[1]) => {
      if (!writeFrame(socket, frame, backlogBytesMax)) socket.destroy()
    }
    const handle = (frame: Frame): Effect.Effect<void, unknown> => {
      switch (frame.kind) {
        case kind.subscribe:
          return Effect.gen(function* () {
            const { queue, subject } = yield* decodeSubscribe(frame.header)
            if (subscriptions.size >= subscriptionsMax || subscriptions.has(frame.id)) {
              return yield* Effect.fail("too many subscriptions")
            }
            const own = yield* Scope.fork(scope, ExecutionStrategy.sequential)
            subscriptions.set(frame.id, own)
            const { id } = frame
            const forward = ({ data, ...header }: Message) =>
              send({ kind: kind.message, id, header, body: data })
            yield* bus
              .subscribe(subject, forward, queue === undefined ? {} : { queue })
              .pipe(Effect.provideService(Scope.Scope, own))
            send({ kind: kind.pong, id })
          })
        case kind.unsubscribe: {
          const own = subscriptions.get(frame.id)
          subscriptions.delete(frame.id)
          return own === undefined ? Effect.void : Scope.close(own, Exit.void)
        }
        case kind.publish:
          return Effect.flatMap(decodePublish(frame.header), ({ reply, subject }) =>
            bus.publish(subject, frame.body, reply)
          )
        case kind.ping:
          return Effect.sync(() => send({ kind: kind.pong, id: frame.id }))
        default:
          return Effect.fail(`no frame of kind ${frame.kind} is known`)
      }
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
    yield* Stream.runForEach(readFrames(socket, frameBytesMax), handle)
  }).pipe(
    Effect.scoped,
    Effect.catchAllCause((cause) => Effect.logInfo("A connection to the socket was closed", cause))
  )

/** Serves the bus on a socket of this path while the scope is open. */
export const serve = (path: string): Effect.Effect<void, BusDisconnected, Bus | Scope.Scope> =>
  Effect.gen(function* () {
    const runtime = yield* Effect.runtime<Bus>()
    const connections = yield* FiberSet.make()
    const failed = (cause: Error) =>
      new BusDisconnected({ transport: "socket", detail: `${path}: ${cause.message}` })
    yield* Effect.acquireRelease(
      Effect.async<ReturnType<typeof createServer>, BusDisconnected>((resume) => {
        // What a killed process left; the directory's lock says that nobody listens on it.
        rmSync(path, { force: true })
        const server = createServer((socket) => {
          socket.on("error", () => socket.destroy())
          FiberSet.unsafeAdd(connections, Runtime.runFork(runtime)(bridge(socket)))
        })
        server.once("error", (cause) => resume(failed(cause)))
        server.listen(path, () => {
          chmodSync(path, 0o600)
          resume(Effect.succeed(server))
        })
      }),
      (server) =>
        Effect.sync(() => {
          server.close()
          rmSync(path, { force: true })
        })
    )
  })

const make = (path: string): Effect.Effect<typeof Bus.Service, BusDisconnected, Scope.Scope> =>
  Effect.gen(function* () {
    const disconnected = (detail: string) =>
      new BusDisconnected({ transport: "socket", detail: `${path}: ${detail}` })
    const socket = yield* Effect.acquireRelease(
      Effect.async<Socket, BusDisconnected>((resume) => {
        const socket = connectSocket(path)
        socket.once("connect", () => resume(Effect.succeed(socket)))
        socket.once("error", (cause) => resume(disconnected(cause.message)))
        return Effect.sync(() => socket.destroy())
      }).pipe(Effect.timeoutFail({ duration: connectTimeoutMs, onTimeout: () => disconnected("no answer") })),
      (socket) => Effect.sync(() => socket.destroy())
    )
    socket.on("error", () => socket.destroy())
    const listeners = new Map<number, (message: Message) => void>()
    const answers = new Map<number, Deferred.Deferred<void, BusDisconnected>>()
    let lastId = 0
    const instance = `${process.pid}-${(yield* Effect.clock).unsafeCurrentTimeNanos()}`
    let inboxes = 0

    yield* Stream.runForEach(readFrames(socket, frameBytesMax), (frame) =>
      Effect.suspend(() => {
        if (frame.kind === kind.message) {
          const { noResponders, reply, subject } = decodeMessage(frame.header)
          listeners.get(frame.id)?.({ subject, reply, noResponders, data: frame.body })
        }
        const answer = frame.kind === kind.pong ? answers.get(frame.id) : undefined
        answers.delete(frame.id)
        return answer === undefined ? Effect.void : Deferred.succeed(answer, undefined)
      })
    ).pipe(
      Effect.catchAllCause((cause) => Effect.logWarning("The connection to the node broke", cause)),
      Effect.ensuring(
        Effect.suspend(() => {
          socket.destroy()
          return Effect.forEach(answers.values(), (answer) =>
            Deferred.fail(answer, disconnected("it closed"))
          )
        })
      ),
      Effect.forkScoped
    )

    const write = (frame: Parameters<typeof writeFrame>[1], subject: string): Effect.Effect<void, BusError> =>
      Effect.suspend((): Effect.Effect<void, BusError> => {
        if (writeFrame(socket, frame, backlogBytesMax)) return Effect.void
        if (socket.destroyed) return disconnected("the connection is closed")
        return new BusCongested({
          subject,
          pendingBytes: socket.writableLength,
          pendingBytesMax: backlogBytesMax
        })
      })

    /** Sends a frame and waits until the node has acted on it. */
    const exchange = (frame: Parameters<typeof writeFrame>[1]) =>
      Effect.gen(function* () {
        const answer = yield* Deferred.make<void, BusDisconnected>()
        answers.set(frame.id, answer)
        yield* write(frame, "").pipe(Effect.mapError((error) => disconnected(error.message)))
        yield* Deferred.await(answer)
      }).pipe(
        Effect.timeoutFail({ duration: answerTimeoutMs, onTimeout: () => disconnected("no answer") }),
        Effect.ensuring(Effect.sync(() => answers.delete(frame.id)))
      )

    return Bus.of({
      // For those who use it, it is the node's own bus.
      transport: "in-process",
      detail: `through ${path}`,
      payloadBytesMax: Limits.payloadBytesMax,
      publish: (subject, data, reply) =>
        data.byteLength > Limits.payloadBytesMax
          ? new PayloadTooLarge({ subject, bytes: data.byteLength, bytesMax: Limits.payloadBytesMax })
          : write({ kind: kind.publish, id: 0, header: { subject, reply }, body: data }, subject),
      subscribe: (subject, onMessage, options) =>
        Effect.asVoid(
          Effect.acquireRelease(
            Effect.suspend(() => {
              const id = ++lastId
              listeners.set(id, onMessage)
              const header = { subject, queue: options?.queue }
              return Effect.as(exchange({ kind: kind.subscribe, id, header }), id)
            }),
            (id) =>
              Effect.sync(() => {
                listeners.delete(id)
                writeFrame(socket, { kind: kind.unsubscribe, id }, backlogBytesMax)
              })
          )
        ),
      newInbox: Effect.sync(() => `_INBOX.${instance}-${++inboxes}`),
      flush: Effect.suspend(() => exchange({ kind: kind.ping, id: ++lastId }))
    })
  })

/** A bus through the socket of a node. */
export const layer = (path: string): Layer.Layer<Bus, BusDisconnected> => Layer.scoped(Bus, make(path))
