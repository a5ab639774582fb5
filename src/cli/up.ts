/** `conclave up`: starts a node and shows what it does, until the feed ends or somebody ends it. */
import { Effect, Fiber, Layer, Schedule, Stream } from "effect"
import { refusalLines } from "../agents/market-data/refusalLines.ts"
import * as Node from "../agents/Node.ts"
import { callAgent, NodeContext } from "../agents/NodeContext.ts"
import { decisionsStream } from "../protocols/Decision.ts"
import { MarketDataRpcs } from "../protocols/rpc/MarketDataRpcs.ts"
import { Bus } from "../runtime/Bus.ts"
import type { BusDisconnected } from "../runtime/errors.ts"
import type { ReadError } from "../runtime/Journal.ts"
import { monotonicMs } from "../runtime/MonotonicClock.ts"
import * as Progress from "../runtime/Progress.ts"
import { decisionLine, rawDecisions } from "./decisionLines.ts"
import { note, write, writeJson, writeLine } from "./output.ts"
import { builtScripts } from "./processes.ts"
import { renderSummary, summarise } from "./Summary.ts"
import { type LoadedSettings, projectRoot } from "./settings.ts"
import { watch } from "./view/watch.ts"

type Mode = "json" | "view" | "plain"

const progressEvery = "5 seconds"

/** How far it is, for a terminal that is none. */
const noteProgress = Effect.gen(function* () {
  const feed = yield* callAgent(MarketDataRpcs, "market-data")
  yield* Effect.schedule(
    Effect.flatMap(feed.Feed({}), ({ asOf, phase, published, total, warmUpTotal }) => {
      const of = phase === "warm-up" ? `/${warmUpTotal}` : total === null ? "" : `/${total}`
      const at = asOf === null ? "" : ` (${new Date(asOf).toISOString()})`
      return note(`conclave: ${phase} ${published}${of}${at}`)
    }).pipe(Effect.catchAll((error) => Effect.logDebug(error.message))),
    Schedule.spaced(progressEvery)
  )
})

/** Prints decisions as they are accepted; `printed` says up to where. */
const printDecisions = (node: Node.RunningNode, printed: Progress.Progress) =>
  Stream.runForEach(rawDecisions(node.journal, node.decisionsFrom), ({ decisions, sequence }) =>
    Effect.zipRight(
      write(decisions.map(decisionLine).join("")),
      Effect.sync(() => printed.advance(sequence))
    )
  )

/** One node's life. */
const life = (loaded: LoadedSettings, mode: Mode) =>
  Effect.gen(function* () {
    const now = yield* monotonicMs
    const startedAt = now()
    const node = yield* Node.start({
      settings: loaded.value,
      resumed: loaded.resumed,
      programs: { root: projectRoot(), ...(yield* builtScripts) },
      toStandardError: mode !== "view"
    })
    const services = Layer.merge(
      Layer.succeed(Bus, node.bus),
      Layer.succeed(NodeContext, {
        run: node.run,
        node: node.node,
        instance: "view",
        directory: node.directory,
        settings: loaded.value
      })
    )
    const refused = node.feed === undefined ? [] : refusalLines(node.feed)
    yield* Effect.forEach(refused, (line) => note(`conclave: ${line}`), { discard: true })
    if (mode !== "view") {
      yield* note(`conclave: run ${node.run}, messages ${node.transportDetail}, data in ${node.directory}`)
    }
    const printed = Progress.make(node.decisionsFrom)
    const show = (): Effect.Effect<void, ReadError | BusDisconnected, Bus | NodeContext> => {
      if (mode === "json") return printDecisions(node, printed)
      if (mode === "view") return Effect.scoped(watch(node))
      return node.feed === undefined ? Effect.never : Effect.scoped(noteProgress)
    }
    const shown = Effect.tapErrorCause(show(), (cause) => Effect.logError("Nothing is shown any more", cause))
    const showing = yield* Effect.forkScoped(Effect.provide(shown, services))

    const finished = Effect.gen(function* () {
      yield* node.feedEnded
      if (mode === "json") yield* printed.reached(yield* node.journal.last(decisionsStream))
      yield* Fiber.interrupt(showing)
      const summary = yield* Effect.provide(
        Effect.scoped(summarise(node.run, Math.round(now() - startedAt))),
        services
      )
      yield* mode === "json" ? writeJson(summary) : writeLine(renderSummary(summary))
      return "finished" as const
    })
    // Asked to stop: what has been decided by then is printed before the node goes.
    const printRest = Effect.gen(function* () {
      yield* node.stopAgents
      yield* printed.reached(yield* node.journal.last(decisionsStream))
    }).pipe(
      Effect.interruptible,
      Effect.disconnect,
      Effect.timeout(loaded.value.node.shutdownMs * 2),
      Effect.catchAll((error) => Effect.logWarning(`Not every decision was printed: ${error.message}`))
    )
    return yield* Effect.raceFirst(node.over, finished).pipe(
      Effect.onInterrupt(() => (mode === "json" ? printRest : Effect.void))
    )
  })

/** Runs until the feed has ended; a node without a feed follows from run to run. */
export const up = (loaded: LoadedSettings, options: { readonly json: boolean }) =>
  Effect.gen(function* () {
    const mode: Mode = options.json
      ? "json"
      : process.stdout.isTTY && loaded.value.node.agents.includes("all")
        ? "view"
        : "plain"
    yield* builtScripts
    for (;;) {
      const result = yield* Effect.scoped(life(loaded, mode)).pipe(
        Effect.onInterrupt(() =>
          mode === "view" ? note("conclave: stopped; `npm start -- --resume` goes on from here") : Effect.void
        )
      )
      if (result === "finished") return
      yield* note("conclave: another run has begun; joining it")
    }
  })
