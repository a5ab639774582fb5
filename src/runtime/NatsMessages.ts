/**
 * What others publish on subjects of a NATS server that need not be the node's own: on a connection by itself,
 * without JetStream, and without the client's reconnecting, since whoever reads has to know of every gap.
 */
import { Deferred, Effect, Redacted, type Scope } from "effect"
import { connect } from "nats"
import { NatsUnreachable } from "./errors.ts"
import { parseUrl } from "./NatsConnection.ts"

export interface NatsMessagesOptions {
  /** `nats://user:password@host:port`, several separated by commas. */
  readonly url: Redacted.Redacted<string>
  readonly name: string
  readonly connectTimeoutMs: number
  /** A server that answers none of two pings, so far apart, is given up. */
  readonly pingEveryMs: number
  readonly subjects: ReadonlyArray<string>
  /** Runs on the connection's turn: it must neither block nor throw. */
  readonly onMessage: (subject: string, data: Uint8Array) => void
}

/** Subscribes for as long as the scope lives. What it gives fails when the connection has been lost. */
export const subscribe = (
  options: NatsMessagesOptions
): Effect.Effect<Effect.Effect<never, NatsUnreachable>, NatsUnreachable, Scope.Scope> =>
  Effect.gen(function* () {
    const target = yield* Effect.try({
      try: () => parseUrl(Redacted.value(options.url)),
      catch: () =>
        new NatsUnreachable({ url: "the URL given", reason: "it is not a URL like nats://host:4222" })
    })
    const unreachable = (reason: string) => new NatsUnreachable({ url: target.servers.join(","), reason })
    const reasonOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))
    const lost = yield* Deferred.make<never, NatsUnreachable>()
    const lose = (reason: string) => Deferred.unsafeDone(lost, unreachable(reason))
    const connection = yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: () =>
          connect({
            ...target,
            name: options.name,
            timeout: options.connectTimeoutMs,
            reconnect: false,
            pingInterval: options.pingEveryMs,
            maxPingOut: 2
          }),
        catch: (cause) => unreachable(reasonOf(cause))
      }),
      (connection) => Effect.promise(() => connection.close())
    )
    void connection.closed().then((error) => lose(error === undefined ? "closed" : reasonOf(error)))
    yield* Effect.try({
      try: () => {
        for (const subject of options.subjects) {
          connection.subscribe(subject, {
            callback: (error, message) => {
              if (error === null) options.onMessage(message.subject, message.data)
              else lose(error.message)
            }
          })
        }
      },
      catch: (cause) => unreachable(reasonOf(cause))
    })
    // The subscriptions must be known to the server before anybody relies on them.
    yield* Effect.tryPromise({
      try: () => connection.flush(),
      catch: (cause) => unreachable(reasonOf(cause))
    }).pipe(
      Effect.timeoutFail({
        duration: options.connectTimeoutMs,
        onTimeout: () => unreachable(`no answer to a ping within ${options.connectTimeoutMs} ms`)
      })
    )
    return Deferred.await(lost)
  })
