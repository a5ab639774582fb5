/** The market-data agent in a test: those who settle its as-ofs, a life of it, and what it has written. */
import { RpcGroup } from "@effect/rpc"
import { Chunk, Deferred, Effect, Fiber, Stream } from "effect"
import type { Feed } from "../../../src/agents/market-data/Feed.ts"
import * as MarketDataAgent from "../../../src/agents/market-data/MarketDataAgent.ts"
import { callAgent, serveAgent } from "../../../src/agents/NodeContext.ts"
import { barsEvents, barsStream } from "../../../src/protocols/Bar.ts"
import { SettleAccount } from "../../../src/protocols/rpc/BrokerRpcs.ts"
import { MarketDataRpcs } from "../../../src/protocols/rpc/MarketDataRpcs.ts"
import { Settle } from "../../../src/protocols/rpc/OrchestratorRpcs.ts"
import * as EventType from "../../../src/protocols/wire/EventType.ts"
import { sequenceZero } from "../../../src/protocols/wire/Ids.ts"
import { Journal } from "../../../src/runtime/Journal.ts"
import { startAgent } from "../nodeServices.ts"

/** Those who settle as-ofs, as quick as can be. */
export const settlers = Effect.gen(function* () {
  const orchestrator = RpcGroup.make(Settle)
  const broker = RpcGroup.make(SettleAccount)
  const settled = { decisionsSequence: 0, decisions: 0, abstentions: 0 }
  yield* Effect.provide(
    serveAgent(orchestrator, "orchestrator"),
    orchestrator.toLayer({ Settle: () => Effect.succeed(settled) })
  )
  yield* Effect.provide(
    serveAgent(broker, "broker"),
    broker.toLayer({ SettleAccount: () => Effect.succeed({ asOf: null, fills: 0 }) })
  )
})

export const life = (feed: Feed) =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<void>()
    const fiber = yield* Effect.provideService(startAgent(MarketDataAgent.run), MarketDataAgent.FeedSource, {
      feed,
      ended
    })
    const { Feed: ask } = yield* callAgent(MarketDataRpcs, "market-data")
    return { state: ask({}), end: Fiber.interrupt(fiber) }
  })

/** The events of the journal, as they are written. */
export const journalled = Stream.unwrap(
  Effect.map(Journal, (journal) =>
    Stream.map(journal.tail(barsStream, sequenceZero), ({ data }) => {
      const event = EventType.decoder(barsEvents)(data)
      if (event._tag === "Left") throw new Error(event.left.reason)
      return event.right
    })
  )
)

/** The first so many of them, once there are. */
export const written = (count: number) =>
  Effect.map(Stream.runCollect(Stream.take(journalled, count)), Chunk.toReadonlyArray)
