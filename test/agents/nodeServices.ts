/** What an agent stands on in a test: the services of a node in one process, with its store in an empty folder. */
import { join } from "node:path"
import { Deferred, Effect, Fiber, Layer, Logger } from "effect"
import { NodeContext } from "../../src/agents/NodeContext.ts"
import type { Settings } from "../../src/agents/Settings.ts"
import * as EventType from "../../src/protocols/wire/EventType.ts"
import { Epoch, NodeId, type Sequence } from "../../src/protocols/wire/Ids.ts"
import { DeadLetters } from "../../src/runtime/DeadLetters.ts"
import * as InProcessBus from "../../src/runtime/InProcessBus.ts"
import { Journal } from "../../src/runtime/Journal.ts"
import * as SqliteJournal from "../../src/runtime/SqliteJournal.ts"
import * as Store from "../../src/runtime/Store.ts"
import * as StoreLeases from "../../src/runtime/StoreLeases.ts"
import type { Component } from "../../src/runtime/Supervisor.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { run } from "./feedEvents.ts"
import { settingsWith } from "./settings.ts"

const quiet = Logger.remove(Logger.defaultLogger)

export const nodeServicesIn = (directory: string, settings: Settings = settingsWith()) =>
  Layer.mergeAll(SqliteJournal.layer, StoreLeases.layer).pipe(
    Layer.provideMerge(Store.layer({ path: join(directory, "store.db"), durability: "process" })),
    Layer.merge(InProcessBus.layer),
    Layer.merge(DeadLetters.layerMemory(100)),
    Layer.merge(
      Layer.succeed(NodeContext, { run, node: NodeId.make("test"), instance: "test", directory, settings })
    ),
    Layer.merge(quiet)
  )

export const nodeServices = (settings?: Settings) =>
  Layer.unwrapScoped(Effect.map(temporaryDirectory, (directory) => nodeServicesIn(directory, settings)))

/**
 * One life of an agent, from when it says that it runs: ended by the fiber's interruption or with the scope. An
 * agent that fails before takes the test with it.
 */
export const startAgent = <E, R>(agent: (component: Component) => Effect.Effect<void, E, R>) =>
  Effect.gen(function* () {
    const running = yield* Deferred.make<void>()
    const component: Component = {
      running: () => Effect.asVoid(Deferred.succeed(running, undefined)),
      standby: () => Effect.void,
      watchMailbox: () => Effect.void,
      onStop: () => Effect.void
    }
    const fiber = yield* Effect.forkScoped(Effect.scoped(agent(component)))
    yield* Effect.raceFirst(Deferred.await(running), Fiber.join(fiber))
    return fiber
  })

/** Appends an event to a stream as its writer does, at its end. */
export const append = <Type extends string, A>(
  stream: string,
  eventType: EventType.EventType<Type, A>,
  event: Omit<EventType.Event<Type, A>, "type" | "version" | "epoch">,
  epoch = 1
): Effect.Effect<Sequence, unknown, Journal> =>
  Effect.gen(function* () {
    const journal = yield* Journal
    const expected = yield* journal.last(stream)
    const data = EventType.encode(eventType, { ...event, epoch: Epoch.make(epoch) })
    return yield* journal.append({ stream, expected, epoch: Epoch.make(epoch), id: event.id, data })
  })
