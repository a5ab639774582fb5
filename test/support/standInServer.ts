/**
 * An HTTP and WebSocket server on the loopback that answers as a test tells it to, and that can be made to fail in the
 * ways that servers do. It ends with the scope.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo, Socket as TcpSocket } from "node:net"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { Effect, Queue } from "effect"

/** What goes wrong with one request. */
export type Fault =
  | { readonly _tag: "Drop" }
  | { readonly _tag: "Stall" }
  | {
      readonly _tag: "Answer"
      readonly status?: number
      readonly headers?: Record<string, string>
      readonly body: string
    }
  | { readonly _tag: "Endless" }

export const drop: Fault = { _tag: "Drop" }
/** The answer never comes. */
export const stall: Fault = { _tag: "Stall" }
export const answer = (body: string, status = 200, headers: Record<string, string> = {}): Fault => ({
  _tag: "Answer",
  body,
  status,
  headers
})
/** The answer has no end. */
export const endless: Fault = { _tag: "Endless" }

export interface StandInServer {
  readonly url: string
  readonly liveUrl: string
  /** `GET /path?query`, in their order. */
  readonly requests: ReadonlyArray<string>
  readonly headers: ReadonlyArray<IncomingMessage["headers"]>
  /** How many TCP connections there have been. */
  readonly connections: () => number
  /** Those that are open now. */
  readonly open: () => number
  /** What came by WebSocket. */
  readonly received: Queue.Dequeue<string>
  /** Sends to every WebSocket. */
  readonly send: (message: string) => Effect.Effect<void>
  readonly dropAll: Effect.Effect<void>
}

const endlessChunk = "0".repeat(64 * 1024)

const fail = (fault: Fault, response: ServerResponse): void => {
  switch (fault._tag) {
    case "Drop":
      response.socket?.destroy()
      return
    case "Stall":
      return
    case "Answer":
      response.writeHead(fault.status ?? 200, { "content-type": "application/json", ...fault.headers })
      response.end(fault.body)
      return
    case "Endless": {
      response.writeHead(200, { "content-type": "application/json" })
      response.write("[")
      const more = () => {
        while (!response.destroyed && response.write(endlessChunk)) {
          // Until the client's buffers are full.
        }
      }
      response.on("drain", more)
      more()
    }
  }
}

/** @param respond gives the body of an answer, or the fault that takes its place */
export const standInServer = (respond: (url: URL) => string | Fault) =>
  Effect.gen(function* () {
    const requests: Array<string> = []
    const headers: Array<IncomingMessage["headers"]> = []
    const tcp = new Set<TcpSocket>()
    let connections = 0
    const received = yield* Queue.unbounded<string>()
    const writers = new Set<(message: string) => Effect.Effect<void>>()

    const server = createServer((request, response) => {
      requests.push(`${request.method} ${request.url}`)
      headers.push(request.headers)
      const body = respond(new URL(request.url ?? "/", "http://127.0.0.1"))
      fail(typeof body === "string" ? answer(body) : body, response)
    })
    server.on("connection", (socket: TcpSocket) => {
      connections++
      tcp.add(socket)
      socket.once("close", () => tcp.delete(socket))
    })
    const dropAll = Effect.sync(() => {
      for (const socket of tcp) socket.destroy()
    })
    const listen = Effect.acquireRelease(
      Effect.async<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.zipRight(
          dropAll,
          Effect.async<void>((resume) => {
            server.close(() => resume(Effect.void))
          })
        )
    )
    // It hears of the listening of the server that it is given, and must therefore be there before.
    const [sockets] = yield* Effect.all([NodeSocketServer.makeWebSocket({ server }), listen], {
      concurrency: "unbounded"
    }).pipe(Effect.orDie)
    yield* sockets
      .run((socket) =>
        Effect.scoped(
          Effect.gen(function* () {
            const write = yield* socket.writer
            const send = (message: string) => Effect.ignore(write(message))
            writers.add(send)
            yield* Effect.addFinalizer(() => Effect.sync(() => writers.delete(send)))
            yield* Effect.ignore(
              socket.runRaw((data) =>
                Queue.offer(received, typeof data === "string" ? data : Buffer.from(data).toString("utf8"))
              )
            )
          })
        )
      )
      .pipe(Effect.forkScoped)
    const { port } = server.address() as AddressInfo
    return {
      url: `http://127.0.0.1:${port}`,
      liveUrl: `ws://127.0.0.1:${port}/live`,
      requests,
      headers,
      connections: () => connections,
      open: () => tcp.size,
      received,
      send: (message) => Effect.forEach(writers, (send) => send(message), { discard: true }),
      dropAll
    } satisfies StandInServer
  })
