/** Gathers what the view shows from the agents, and draws it at an interval. */
import { Effect, Either, Option, Schedule, Stream } from "effect"
import type { RunningNode } from "../../agents/Node.ts"
import { callAgent } from "../../agents/NodeContext.ts"
import type { Decision } from "../../protocols/Decision.ts"
import { BrokerRpcs } from "../../protocols/rpc/BrokerRpcs.ts"
import { MarketDataRpcs } from "../../protocols/rpc/MarketDataRpcs.ts"
import { NodeRpcs } from "../../protocols/rpc/NodeRpcs.ts"
import { OrchestratorRpcs } from "../../protocols/rpc/OrchestratorRpcs.ts"
import * as BusRpcClient from "../../runtime/BusRpcClient.ts"
import { monotonicMs } from "../../runtime/MonotonicClock.ts"
import { rawDecisions } from "../decisionLines.ts"
import type { ViewModel } from "./Model.ts"
import { render } from "./render.ts"
import { screen } from "./screen.ts"

const drawEvery = "250 millis"
const askDeadlineMs = 1_000
/** Weight of the latest interval in the rate that is shown. */
const rateWeight = 0.2

/** Draws until interrupted. */
export const watch = (node: RunningNode) =>
  Effect.gen(function* () {
    const display = yield* screen(process.stdout)
    const now = yield* monotonicMs
    const feed = yield* callAgent(MarketDataRpcs, "market-data")
    const orchestrator = yield* callAgent(OrchestratorRpcs, "orchestrator")
    const broker = yield* callAgent(BrokerRpcs, "broker")
    const nodes = yield* callAgent(NodeRpcs, "node")
    const decisions = new Map<string, Decision>()
    yield* Stream.runForEach(rawDecisions(node.journal, node.decisionsFrom), (round) =>
      Effect.sync(() => {
        // Written by an orchestrator of this program and shown only: not decoded again.
        for (const decision of round.decisions as ReadonlyArray<Decision>) {
          decisions.set(decision.key.instrument, decision)
        }
      })
    ).pipe(
      Effect.catchAllCause((cause) => Effect.logWarning("The view lost the decisions", cause)),
      Effect.forkScoped
    )

    let model: ViewModel = {
      run: node.run,
      transport: node.transportDetail,
      feed: undefined,
      standing: undefined,
      account: undefined,
      nodes: [],
      decisions,
      rate: 0
    }
    let seen = { published: 0, at: now() }

    /** What an agent says, or what it said last if it does not answer now. */
    const ask = <A, E>(question: Effect.Effect<A, E>) =>
      Effect.map(Effect.either(BusRpcClient.withDeadline(askDeadlineMs)(question)), (answer) =>
        Either.isRight(answer) ? Option.some(answer.right) : Option.none<A>()
      )

    const draw = Effect.gen(function* () {
      const [feedState, standing, account, known] = yield* Effect.all(
        [
          ask(feed.Feed({})),
          ask(orchestrator.Standing({})),
          ask(broker.Account({ barsSequence: 0 })),
          ask(nodes.Nodes({}))
        ],
        { concurrency: "unbounded" }
      )
      const published = Option.match(feedState, {
        onNone: () => seen.published,
        onSome: (state) => state.published
      })
      const at = now()
      const latest = ((published - seen.published) / Math.max(at - seen.at, 1)) * 1_000
      seen = { published, at }
      model = {
        ...model,
        feed: Option.getOrElse(feedState, () => model.feed),
        standing: Option.getOrElse(standing, () => model.standing),
        account: Option.getOrElse(account, () => model.account),
        nodes: Option.match(known, {
          onNone: () => model.nodes,
          onSome: (statuses) => statuses.map(({ status }) => status)
        }),
        rate: model.rate + rateWeight * (latest - model.rate)
      }
      display.draw(render(model, display.size()))
    })
    yield* Effect.repeat(draw, Schedule.spaced(drawEvery))
  })
