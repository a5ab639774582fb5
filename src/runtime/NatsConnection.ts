/** One connection to a NATS server, shared by the bus, the journal and the leases of a node. */
import { Context, Deferred, Effect, Layer, Redacted, Runtime } from "effect"
import { type NatsConnection as Connection, connect, type JetStreamClient, type JetStreamManager } from "nats"
import { NatsUnfit, NatsUnreachable } from "./errors.ts"

export interface NatsOptions {
  /** `nats://user:password@host:port`, several separated by commas. */
  readonly url: Redacted.Redacted<string>
  readonly name: string
  readonly connectTimeoutMs: number
}

/** The oldest nats-server that is supported: what Debian has. */
export const natsVersionMin = [2, 9, 0] as const

export class NatsConnection extends Context.Tag("conclave/NatsConnection")<
  NatsConnection,
  {
    readonly connection: Connection
    readonly jetstream: JetStreamClient
    readonly manager: JetStreamManager
    /** The server's address without credentials. */
    readonly address: string
    readonly isConnected: () => boolean
    /** Completes when the connection has been closed for good. */
    readonly closed: Effect.Effect<string>
  }
>() {}

interface Target {
  readonly servers: Array<string>
  readonly user?: string
  readonly pass?: string
  readonly token?: string
}

/** The servers and credentials of one URL or several. */
export const parseUrl = (url: string): Target => {
  const parts = url.split(",").map((part) => new URL(part.includes("://") ? part : `nats://${part}`))
  const servers = parts.map((part) => `${part.hostname}:${part.port === "" ? "4222" : part.port}`)
  const [first] = parts
  const user = decodeURIComponent(first?.username ?? "")
  const pass = decodeURIComponent(first?.password ?? "")
  if (user === "") return { servers }
  return pass === "" ? { servers, token: user } : { servers, user, pass }
}

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const isOlder = (version: string): boolean => {
  const parts = version.split(/[.-]/).map(Number)
  for (let i = 0; i < natsVersionMin.length; i++) {
    const have = parts[i] ?? 0
    const least = natsVersionMin[i] as number
    if (have !== least) return have < least
  }
  return false
}

const make = Effect.fnUntraced(function* (options: NatsOptions) {
  const target = yield* Effect.try({
    try: () => parseUrl(Redacted.value(options.url)),
    catch: () =>
      new NatsUnreachable({ url: "the URL given", reason: "it is not a URL like nats://host:4222" })
  })
  const address = `nats://${target.servers.join(",")}`
  const connection = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: () =>
        connect({
          ...target,
          name: options.name,
          timeout: options.connectTimeoutMs,
          reconnect: true,
          maxReconnectAttempts: -1,
          reconnectTimeWait: 250,
          reconnectJitter: 100,
          pingInterval: 5_000,
          maxPingOut: 2
        }),
      catch: (cause) => new NatsUnreachable({ url: address, reason: reasonOf(cause) })
    }),
    (connection) =>
      Effect.promise(() => connection.drain().catch(() => undefined)).pipe(
        Effect.interruptible,
        Effect.timeout("2 seconds"),
        Effect.ignore,
        Effect.zipRight(Effect.promise(() => connection.close()))
      )
  )
  const version = connection.info?.version ?? "0"
  if (isOlder(version)) {
    return yield* new NatsUnfit({ url: address, reason: `it is version ${version}, 2.9 or later is needed` })
  }
  const manager = yield* Effect.tryPromise({
    try: () => connection.jetstreamManager(),
    catch: (cause) =>
      new NatsUnfit({
        url: address,
        reason: `JetStream does not answer (${reasonOf(cause)}): start it with -js`
      })
  })

  let connected = true
  const closed = yield* Deferred.make<string>()
  const runFork = Runtime.runFork(yield* Effect.runtime<never>())
  // The iterator ends with the connection, and cannot be interrupted before: it has no fiber to hold up.
  const watch = async () => {
    for await (const { type, data } of connection.status()) {
      if (type === "disconnect") connected = false
      if (type === "reconnect") connected = true
      if (type === "pingTimer" || type === "update" || type === "ldm") continue
      runFork(Effect.logInfo(`NATS: ${type}`).pipe(Effect.annotateLogs("data", String(data))))
    }
  }
  watch().catch((cause) => runFork(Effect.logWarning("NATS: the status iterator failed", cause)))
  void connection.closed().then((error) => {
    connected = false
    Deferred.unsafeDone(closed, Effect.succeed(error === undefined ? "closed" : error.message))
  })

  return {
    connection,
    jetstream: connection.jetstream(),
    manager,
    address,
    isConnected: () => connected && !connection.isClosed(),
    closed: Deferred.await(closed)
  }
})

export const layer = (options: NatsOptions): Layer.Layer<NatsConnection, NatsUnreachable | NatsUnfit> =>
  Layer.scoped(NatsConnection, make(options))
