/** Over what a node's messages go: the server given, one of its own, or none. */
import { join } from "node:path"
import { type Context, Effect, ExecutionStrategy, Exit, Layer, type Redacted, Scope } from "effect"
import type { Transport } from "../protocols/NodeStatus.ts"
import type { NodeId } from "../protocols/wire/Ids.ts"
import { NatsMissing } from "../runtime/errors.ts"
import * as NatsConnection from "../runtime/NatsConnection.ts"
import * as NatsServer from "../runtime/NatsServer.ts"
import type * as Supervisor from "../runtime/Supervisor.ts"
import type { Feed } from "./market-data/Feed.ts"
import type { RunRecord } from "./RunDirectory.ts"
import type { Settings } from "./Settings.ts"
import { restartPolicy } from "./tree.ts"

/** The server of one's own, as a component: its first life begins with the node, the others are its supervisor's. */
const managedServer = (options: Parameters<typeof NatsServer.start>[0], shutdownMs: number) =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const begin = Effect.gen(function* () {
      const own = yield* Scope.fork(scope, ExecutionStrategy.sequential)
      const server = yield* Scope.extend(NatsServer.start(options), own).pipe(
        Effect.onError((cause) => Scope.close(own, Exit.failCause(cause)))
      )
      return { own, server }
    })
    let life: Effect.Effect.Success<typeof begin> | undefined = yield* begin
    const { server } = life
    const spec: Supervisor.WorkerSpec<never> = {
      name: "nats-server",
      restart: { ...restartPolicy, restartsMax: 10 },
      shutdownMs,
      run: (component) =>
        Effect.gen(function* () {
          const current = life ?? (yield* begin)
          life = current
          yield* component.running(`port ${current.server.port}`)
          // When it is only looked after no longer, it serves on until the node is taken apart.
          yield* Effect.tapError(current.server.died, () => {
            life = undefined
            return Scope.close(current.own, Exit.void)
          })
        })
    }
    return { server, spec }
  })

/** Where the node's messages go, and the server that has to be looked after for it. */
export interface Transporting {
  readonly transport: Transport
  readonly nats: Context.Context<NatsConnection.NatsConnection> | undefined
  readonly server: Supervisor.WorkerSpec<never> | undefined
  readonly detail: string
}

export const connect = (settings: Settings, url: Redacted.Redacted<string>, node: NodeId) =>
  Layer.build(
    NatsConnection.layer({ url, name: `conclave ${node}`, connectTimeoutMs: settings.bus.connectTimeoutMs })
  )

const transportOf = (before: RunRecord["journal"]) =>
  before === "files" ? "in-process" : before === "own-server" ? "nats" : "auto"

export const chooseTransport = (
  settings: Settings,
  feed: Feed | undefined,
  node: NodeId,
  directory: string,
  before: RunRecord["journal"]
) =>
  Effect.gen(function* () {
    // A run that goes on finds its journal where it has been.
    const transport = settings.bus.transport === "auto" ? transportOf(before) : settings.bus.transport
    const program = NatsServer.findNatsServer()
    const isPaced = feed !== undefined && feed.paceMs !== null
    const wantsServer = transport === "nats" || (transport === "auto" && isPaced && program !== undefined)
    const inProcess = (detail: string): Transporting => ({
      transport: "in-process",
      nats: undefined,
      server: undefined,
      detail
    })
    if (transport === "in-process") {
      return inProcess(`within this process, ${before === undefined ? "as configured" : "as before"}`)
    }
    if (!wantsServer) {
      return inProcess(
        isPaced
          ? "within this process: no nats-server is installed here"
          : "within this process, which is fastest for a run at full speed"
      )
    }
    if (program === undefined) {
      return yield* new NatsMissing({
        reason: "nats-server is not installed here, so install it, or give the address of one by --nats URL"
      })
    }
    const { server, spec } = yield* managedServer(
      { program, directory: join(directory, "nats"), consumers: settings.bus.consumers },
      settings.node.shutdownMs
    )
    const nats = yield* connect(settings, server.url, node)
    return {
      transport: "nats",
      nats,
      server: spec,
      detail: `a nats-server of this node's own on port ${server.port} of the loopback`
    } satisfies Transporting
  })
