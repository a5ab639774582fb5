/**
 * A node: everything one process needs to run its agents, put together and taken apart in order. What keeps it
 * from starting is a typed error with one line that says what to do; once it runs, supervision takes over.
 */
import { randomBytes } from "node:crypto"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import {
  Clock,
  Context,
  Deferred,
  Effect,
  ExecutionStrategy,
  Exit,
  Layer,
  Redacted,
  Schedule,
  Scope
} from "effect"
import { decisionsStream } from "../protocols/Decision.ts"
import type { Transport } from "../protocols/NodeStatus.ts"
import type { ComponentStatus } from "../protocols/wire/ComponentStatus.ts"
import type { NodeId, RunId, Sequence } from "../protocols/wire/Ids.ts"
import { sha256 } from "../protocols/wire/Json.ts"
import { Bus } from "../runtime/Bus.ts"
import { DeadLetters } from "../runtime/DeadLetters.ts"
import { lockDirectory } from "../runtime/DirectoryLock.ts"
import { NatsMissing, NatsUnfit, type RestartBudgetSpent, RunMismatch } from "../runtime/errors.ts"
import * as InProcessBus from "../runtime/InProcessBus.ts"
import * as JetStreamJournal from "../runtime/JetStreamJournal.ts"
import { Journal } from "../runtime/Journal.ts"
import * as NatsBus from "../runtime/NatsBus.ts"
import * as NatsConnection from "../runtime/NatsConnection.ts"
import * as NatsConsumers from "../runtime/NatsConsumers.ts"
import * as NatsLeases from "../runtime/NatsLeases.ts"
import * as NatsRuns from "../runtime/NatsRuns.ts"
import * as SocketBus from "../runtime/SocketBus.ts"
import * as SqliteJournal from "../runtime/SqliteJournal.ts"
import * as Store from "../runtime/Store.ts"
import * as StoreDeadLetters from "../runtime/StoreDeadLetters.ts"
import * as StoreLeases from "../runtime/StoreLeases.ts"
import * as Supervisor from "../runtime/Supervisor.ts"
import * as Telemetry from "../runtime/Telemetry.ts"
import type { Feed } from "./market-data/Feed.ts"
import { FeedSource } from "./market-data/MarketDataAgent.ts"
import { openFeed } from "./market-data/openFeed.ts"
import { openSource } from "./market-data/sources/openSource.ts"
import { venueOf } from "./market-data/sources/SourceSettings.ts"
import { makeVenues, Venues } from "./market-data/Venues.ts"
import { ModelHost } from "./model-host/ModelHost.ts"
import { choiceFor } from "./model-host/Provider.ts"
import { artefactFiles, artefactFolder } from "./model-manager/ArtefactFiles.ts"
import { NodeContext } from "./NodeContext.ts"
import { SupervisionTree } from "./node/NodeAgent.ts"
import { Programs } from "./Programs.ts"
import {
  findLiveRun,
  fingerprintOf,
  homeOf,
  newRunId,
  nodeDirectory,
  nodeIdOf,
  prepareRun,
  type RunRecord,
  rememberRun,
  runSettings
} from "./RunDirectory.ts"
import type { Settings } from "./Settings.ts"
import { chooseTransport, connect, type Transporting } from "./transport.ts"
import { supervisionTree } from "./tree.ts"

export interface NodeOptions {
  readonly settings: Settings
  /** The run to go on with; a new one is begun without it. */
  readonly resumed: RunRecord | undefined
  /** Its own folder, and the programs of its child processes. */
  readonly programs: typeof Programs.Service
  /** Whether warnings may be written to standard error. */
  readonly toStandardError: boolean
  /** What is supervised, unless it is the tree of `tree.ts`. */
  readonly tree?: typeof supervisionTree
}

export interface RunningNode {
  readonly run: RunId
  readonly node: NodeId
  readonly directory: string
  readonly transport: Transport
  readonly transportDetail: string
  readonly feed: Feed | undefined
  /** Where the decisions were when this life began. */
  readonly decisionsFrom: Sequence
  readonly status: () => ComponentStatus
  readonly bus: typeof Bus.Service
  readonly journal: typeof Journal.Service
  readonly deadLetters: typeof DeadLetters.Service
  /** Returns when the feed has ended and everything is settled. */
  readonly feedEnded: Effect.Effect<void>
  /** Stops the agents before the node itself is taken apart: nothing happens after it, and the journal can be read. */
  readonly stopAgents: Effect.Effect<void>
  /** Fails when the node cannot go on; returns when it should join another run. */
  readonly over: Effect.Effect<"run-changed", RestartBudgetSpent | NatsUnfit>
}

/** Unix sockets have short names: where the folder's is too long, one is made of its hash. */
const socketPathMax = 100
export const socketPathOf = (nodeDirectory: string): string => {
  const path = join(resolve(nodeDirectory), "node.sock")
  return path.length <= socketPathMax ? path : join(tmpdir(), `conclave-${sha256(path).slice(0, 24)}.sock`)
}

const placeNames = {
  files: "in the files of its node: leave --transport and --nats out",
  "own-server": "on a NATS server of its node's own: leave --transport and --nats out",
  "given-server": "on the NATS server that it was begun with: say which by --nats URL"
} as const

const lookForRunEvery = "500 millis"
const unnamed = () => randomBytes(8).toString("hex")

/** Waits until somebody announces a run. */
const awaitRun = Effect.gen(function* () {
  let isFirst = true
  for (;;) {
    const found = yield* NatsRuns.current
    if (found !== undefined) return found
    if (isFirst) yield* Effect.logWarning("waiting for a node with the market-data agent to announce its run")
    isFirst = false
    yield* Effect.sleep(lookForRunEvery)
  }
})

/** Which run this is: gone on with, begun, or joined. */
const chooseRun = (
  settings: Settings,
  resumed: RunRecord | undefined,
  feed: Feed | undefined,
  external: Context.Context<NatsConnection.NatsConnection> | undefined
) =>
  Effect.gen(function* () {
    if (feed === undefined) {
      if (external === undefined) {
        return yield* new NatsMissing({
          reason: "the market-data agent is not among the agents here, so say by --nats URL where it is"
        })
      }
      const { incarnation, run } = yield* Effect.provide(awaitRun, external)
      return { run, incarnation, fingerprint: "", settings: "" } satisfies RunRecord
    }
    const fingerprint = fingerprintOf(settings, feed)
    if (resumed !== undefined) {
      if (resumed.fingerprint !== fingerprint) {
        return yield* new RunMismatch({
          run: resumed.run,
          reason: "its configuration or its files have changed"
        })
      }
      return resumed
    }
    const run = newRunId(settings, feed, yield* Clock.currentTimeMillis)
    if (external !== undefined) {
      const begin = Effect.gen(function* () {
        const { address } = yield* NatsConnection.NatsConnection
        if (yield* NatsRuns.isAlive(run, "market-data", settings.lease.ttlMs)) {
          const reason = `the run ${run} is going on there; give this one a name by --run NAME`
          return yield* new NatsUnfit({ url: address, reason })
        }
        yield* NatsRuns.clear(run)
      })
      yield* Effect.provide(begin, external)
    }
    return { run, incarnation: unnamed(), fingerprint, settings: runSettings(settings) } satisfies RunRecord
  })

/** Starts the node; it is taken apart with the scope. */
export const start = (options: NodeOptions) =>
  Effect.gen(function* () {
    const { settings } = options
    const { agents } = settings.node
    const node = nodeIdOf(settings)
    const home = nodeDirectory(settings)
    const { calendar, sources } = settings.marketData
    const venues = yield* makeVenues({
      sources,
      venueOf,
      open: (source, budget) => openSource(source, budget, calendar)
    })
    const feed =
      agents.includes("all") || agents.includes("market-data")
        ? yield* Effect.provideService(openFeed(settings), Venues, venues)
        : undefined
    yield* lockDirectory(home, `process ${process.pid}`)
    const resumed =
      options.resumed ?? (feed?.kind === "live" ? yield* findLiveRun(settings, feed) : undefined)

    const isExternal = Redacted.value(settings.bus.url) !== "" && settings.bus.transport !== "in-process"
    const external = isExternal ? yield* connect(settings, settings.bus.url, node) : undefined
    const record = yield* chooseRun(settings, resumed, feed, external)
    const { run } = record
    const directory = prepareRun(settings, record)
    if (resumed !== undefined) yield* artefactFiles(artefactFolder(directory, settings)).verify
    // In force for everything that this fiber starts from here on.
    yield* Layer.build(
      Telemetry.layer({
        directory,
        logLevel: settings.telemetry.logLevel,
        fileBytesMax: settings.telemetry.logFileBytesMax,
        filesMax: settings.telemetry.logFilesMax,
        tracing: settings.telemetry.tracing,
        toStandardError: options.toStandardError
      })
    )

    const transporting: Transporting =
      external === undefined
        ? yield* chooseTransport(settings, feed, node, directory, resumed?.journal)
        : {
            transport: "nats",
            nats: external,
            server: undefined,
            detail: Context.get(external, NatsConnection.NatsConnection).address
          }
    const place =
      external !== undefined ? "given-server" : transporting.transport === "nats" ? "own-server" : "files"
    const before = resumed?.journal
    if (before !== undefined && before !== place) {
      return yield* new RunMismatch({ run, reason: `its journal is ${placeNames[before]}` })
    }
    rememberRun(settings, { ...record, journal: place })
    if (external !== undefined && feed !== undefined) {
      yield* Effect.provide(NatsRuns.announce({ run, incarnation: record.incarnation }), external)
    }

    const isLockStep = feed !== undefined && feed.paceMs === null
    const { durability } = settings.store
    const store = Store.layer({
      path: join(directory, "store.db"),
      durability: durability === "auto" ? (isLockStep ? "process" : "full") : durability
    })
    const { nats } = transporting
    const carried =
      nats === undefined
        ? Layer.mergeAll(InProcessBus.layer, SqliteJournal.layer, StoreLeases.layer)
        : Layer.mergeAll(
            NatsBus.layer,
            JetStreamJournal.layer({ run, bytesMax: settings.store.streamBytesMax }),
            NatsLeases.layer({ run, node, home: homeOf(settings), ttlMs: settings.lease.ttlMs })
          ).pipe(Layer.provide(Layer.succeedContext(nats)))
    const ground = carried.pipe(
      Layer.provideMerge(StoreDeadLetters.layer(settings.store.deadLettersMax)),
      Layer.provideMerge(store)
    )
    const ended = yield* Deferred.make<void>()
    const context = yield* Layer.build(
      Layer.mergeAll(
        ground,
        ModelHost.layer({
          script: options.programs.modelHost,
          sessionsMax: settings.models.cacheSize,
          memoryBytesMax: settings.models.hostMemoryBytesMax,
          runMsMax: settings.models.runMsMax,
          provider: choiceFor(settings.models.provider, feed)
        }),
        Layer.succeed(Programs, options.programs),
        Layer.succeed(NodeContext, {
          run,
          node,
          instance: `${node}-${unnamed()}`,
          directory,
          settings
        })
      )
    )

    const journal = Context.get(context, Journal)
    const decisionsFrom = yield* journal.last(decisionsStream)
    if (nats !== undefined) {
      for (const name of settings.bus.consumers) {
        yield* Effect.provide(NatsConsumers.offerConsumer({ run, stream: decisionsStream, name }), nats)
      }
    }
    let supervisor: Supervisor.Supervisor | undefined
    const status = (): ComponentStatus => (supervisor as Supervisor.Supervisor).status()
    const services = context.pipe(
      Context.add(SupervisionTree, { status }),
      // Only the market-data agent asks for it, and it runs here only if there is a feed.
      Context.add(FeedSource, { feed: feed as Feed, ended })
    )
    const tree = (options.tree ?? supervisionTree)(
      settings,
      transporting.server === undefined ? [] : [transporting.server]
    )
    const treeScope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    supervisor = yield* Effect.provide(Supervisor.start(tree), services).pipe(Scope.extend(treeScope))
    yield* Effect.provide(SocketBus.serve(socketPathOf(home)), services)

    const runChanged =
      external === undefined || feed !== undefined
        ? Effect.never
        : Effect.provide(
            NatsRuns.current.pipe(
              Effect.catchAll(() => Effect.succeed(undefined)),
              Effect.repeat({
                schedule: Schedule.spaced(lookForRunEvery),
                until: (found) => found !== undefined && found.incarnation !== record.incarnation
              }),
              Effect.as("run-changed" as const)
            ),
            external
          )
    const connectionClosed =
      nats === undefined
        ? Effect.never
        : Effect.flatMap(
            Context.get(nats, NatsConnection.NatsConnection).closed,
            (reason) =>
              new NatsUnfit({ url: transporting.detail, reason: `the connection was closed: ${reason}` })
          )
    const running: RunningNode = {
      run,
      node,
      directory,
      transport: transporting.transport,
      transportDetail: transporting.detail,
      feed,
      decisionsFrom,
      status,
      bus: Context.get(services, Bus),
      journal,
      deadLetters: Context.get(services, DeadLetters),
      feedEnded: Deferred.await(ended),
      stopAgents: Scope.close(treeScope, Exit.void),
      over: Effect.raceFirst(
        Effect.zipRight(supervisor.done, Effect.never),
        Effect.raceFirst(runChanged, connectionClosed)
      )
    }
    return running
  })
