/** How a command reaches what is running: a node's socket first, else a NATS server. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { Effect, Either, Layer, Redacted } from "effect"
import { socketPathOf } from "../agents/Node.ts"
import { NodeContext } from "../agents/NodeContext.ts"
import type { Settings } from "../agents/Settings.ts"
import { NodeId, RunId } from "../protocols/wire/Ids.ts"
import type { Bus } from "../runtime/Bus.ts"
import * as NatsBus from "../runtime/NatsBus.ts"
import * as NatsConnection from "../runtime/NatsConnection.ts"
import * as NatsRuns from "../runtime/NatsRuns.ts"
import * as SocketBus from "../runtime/SocketBus.ts"
import type { ParsedArguments } from "./arguments.ts"
import { NoNode } from "./errors.ts"
import { loadSettings } from "./settings.ts"

/** Nodes of this data directory, those with everything first. */
const nodeFolders = (dataDirectory: string): ReadonlyArray<string> => {
  if (!existsSync(dataDirectory)) return []
  return readdirSync(dataDirectory)
    .map((name) => join(dataDirectory, name))
    .filter((path) => statSync(path).isDirectory() && existsSync(join(path, "latest")))
    .sort((a, b) => a.length - b.length)
}

const contextLayer = (settings: Settings, run: RunId) =>
  Layer.succeed(NodeContext, {
    run,
    node: NodeId.make("command-line"),
    instance: "command-line",
    directory: settings.node.dataDirectory,
    settings
  })

const throughSocket = (settings: Settings) =>
  Effect.gen(function* () {
    for (const folder of nodeFolders(settings.node.dataDirectory)) {
      const built = yield* Effect.either(Layer.build(SocketBus.layer(socketPathOf(folder))))
      if (Either.isLeft(built)) continue
      const run = RunId.make(readFileSync(join(folder, "latest"), "utf8").trim())
      return Layer.merge(Layer.succeedContext(built.right), contextLayer(settings, run))
    }
    return undefined
  })

const throughNats = (settings: Settings) =>
  Effect.gen(function* () {
    const { connectTimeoutMs, url } = settings.bus
    const nats = yield* Layer.build(
      NatsConnection.layer({ url, name: "conclave command line", connectTimeoutMs })
    )
    const found = yield* Effect.provide(NatsRuns.current, nats)
    if (found === undefined) return yield* new NoNode({ directory: settings.node.dataDirectory })
    const bus = yield* Layer.build(NatsBus.layer.pipe(Layer.provide(Layer.succeedContext(nats))))
    return Layer.merge(Layer.succeedContext(bus), contextLayer(settings, found.run))
  })

/** The bus and the run of what is running. */
export const connection = (
  settings: Settings
): Layer.Layer<Bus | NodeContext, NoNode | NatsConnectionError> =>
  Layer.unwrapScoped(
    Effect.gen(function* () {
      const local = yield* throughSocket(settings)
      if (local !== undefined) return local
      if (Redacted.value(settings.bus.url) === "") {
        return yield* new NoNode({ directory: settings.node.dataDirectory })
      }
      return yield* throughNats(settings)
    })
  )

type NatsConnectionError =
  | import("../runtime/errors.ts").NatsUnfit
  | import("../runtime/errors.ts").NatsUnreachable

/** Runs a command against what is running. */
export const againstRunning =
  (args: ParsedArguments) =>
  <E, R>(command: Effect.Effect<void, E, R>) =>
    Effect.flatMap(loadSettings(args), ({ value }) =>
      Effect.scoped(
        Effect.flatMap(Layer.build(connection(value)), (context) => Effect.provide(command, context))
      )
    )
