/** The NATS layers of a test, each on a server of its own. */
import { Effect, Layer, Redacted } from "effect"
import * as NatsBus from "../../src/runtime/NatsBus.ts"
import * as NatsConnection from "../../src/runtime/NatsConnection.ts"
import { natsServer } from "./natsServer.ts"

export const connectionTo = (url: string) =>
  NatsConnection.layer({
    url: Redacted.make(url),
    name: "test",
    connectTimeoutMs: 2_000
  })

/** A bus on a server that lives as long as the layer. */
export const natsBus = Layer.unwrapScoped(
  Effect.map(natsServer, (server) => NatsBus.layer.pipe(Layer.provideMerge(connectionTo(server.url))))
)
