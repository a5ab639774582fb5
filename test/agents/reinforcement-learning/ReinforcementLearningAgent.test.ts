import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as ContextAgent from "../../../src/agents/context/ContextAgent.ts"
import { ModelHost } from "../../../src/agents/model-host/ModelHost.ts"
import { callAgent } from "../../../src/agents/NodeContext.ts"
import { Programs } from "../../../src/agents/Programs.ts"
import * as ReinforcementLearningAgent from "../../../src/agents/reinforcement-learning/ReinforcementLearningAgent.ts"
import { BarsClosed, barsStream, FeedOpened } from "../../../src/protocols/Bar.ts"
import { modelsStream, VersionPublished } from "../../../src/protocols/Model.ts"
import {
  ReinforcementLearningControlRpcs,
  ReinforcementLearningRpcs
} from "../../../src/protocols/rpc/ReinforcementLearningRpcs.ts"
import { ChildFailed } from "../../../src/runtime/errors.ts"
import { asOfAt, opened, simulated, timeFrame } from "../feedEvents.ts"
import { manifestOf, published } from "../model-manager/manifests.ts"
import { append, nodeServices, startAgent } from "../nodeServices.ts"
import { settingsWith } from "../settings.ts"

const settings = settingsWith()
const { events, instruments } = simulated({ seed: 2, count: 80 })

/** Neither a model nor a training comes to anything here: what is tested are the calls. */
const nothingRuns = Layer.merge(
  Layer.succeed(ModelHost, {
    live: () => Effect.never,
    opine: () => Effect.fail(new ChildFailed({ child: "model-host", reason: "it is not there" }))
  } as unknown as typeof ModelHost.Service),
  Layer.succeed(Programs, {
    root: "/nowhere",
    modelHost: "/nowhere",
    trainer: "/nowhere"
  } as unknown as typeof Programs.Service)
)

describe("the reinforcement-learning agent", () => {
  it.scopedLive("answers its calls over the bus, each refusal typed and in a sentence", () =>
    Effect.gen(function* () {
      yield* startAgent(ReinforcementLearningAgent.run(settings))
      const client = yield* callAgent(ReinforcementLearningRpcs, "reinforcement-learning")
      const control = yield* callAgent(ReinforcementLearningControlRpcs, "reinforcement-learning", "control")
      const train = (symbols: ReadonlyArray<string>) =>
        Stream.runCollect(control.Train({ algorithm: "ppo", instruments: symbols }))
      const strategy = (instrument: string) => client.GenerateStrategy({ instrument, algorithm: "dqn" })
      expect(yield* client.Metrics({})).toEqual([])
      expect(yield* client.Policies({})).toEqual([])
      const notReady = { _tag: "NotReady", reason: "no bars have arrived yet" }
      expect(yield* Effect.flip(strategy("ALPHA"))).toMatchObject(notReady)
      expect(yield* Effect.flip(client.Evaluate({ instrument: "ALPHA", policy: "ppo" }))).toMatchObject(
        notReady
      )
      expect(yield* Effect.flip(train([]))).toMatchObject(notReady)

      yield* append(barsStream, FeedOpened, opened(instruments))
      for (const event of events) yield* append(barsStream, BarsClosed, event)
      // It says nothing of bars that it has not seen: a call about them waits for them.
      const last = asOfAt(events.length - 1)
      const question = {
        ...{ instrument: (instruments[0] as (typeof instruments)[number]).id, timeFrame, asOf: last },
        ...{ horizonBars: settings.orchestrator.horizonBars, band: 0.01, roundTripCost: 0, sigma: 0.01 }
      }
      const [voted] = yield* client.Opine({ questions: [question], model: "active" })
      expect(voted).toMatchObject({ _tag: "Abstention", reason: "no model has been made yet" })

      const made = yield* client.GenerateStrategy({
        ...{ instrument: "ALPHA", algorithm: "q-table" },
        conditions: { exposure: -0.5, allowShort: false }
      })
      expect(made).toMatchObject({
        ...{ asOf: last, timeFrame, targetExposure: null },
        conditions: { exposure: -0.5, allowShort: false, volatilityScale: 1 },
        answer: { _tag: "Abstention", reason: "no Q-table has been made yet" }
      })
      expect(yield* strategy("ALPHA")).toMatchObject({
        reason: "there is no policy of dqn for bars of 1h: train one"
      })
      expect(yield* Effect.flip(strategy("NOTHING"))).toMatchObject({
        _tag: "UnknownInstrument",
        symbol: "NOTHING"
      })
      const missing = yield* Effect.flip(client.Evaluate({ instrument: "ALPHA", policy: "a".repeat(64) }))
      expect(missing.message).toBe(
        "The policy aaaaaaaaaaaa cannot be evaluated: no such version is known here."
      )
      expect(yield* Effect.flip(train(["NOTHING"]))).toMatchObject({ _tag: "UnknownInstrument" })
      // Nobody keeps bars here: the training ends, and says so.
      const failed = yield* Effect.flip(train([]))
      expect(failed._tag).toBe("TrainingNotDone")
      expect(yield* client.Metrics({})).toMatchObject([{ algorithm: "ppo", timeFrame, state: "failed" }])
    }).pipe(Effect.provide(Layer.merge(nodeServices(settings), nothingRuns)))
  )

  it.scopedLive(
    "tries what is due on schedule by turns, in bars, and not what a life before it has made",
    () => {
      const changes = { trainEveryBars: 10, trainBarsMin: 60, trainPolicies: "ppo,dqn" }
      const scheduled = settingsWith(
        Object.fromEntries(
          Object.entries(changes).map(([key, value]) => [`reinforcementLearning.${key}`, value])
        )
      )
      return Effect.gen(function* () {
        const made = manifestOf("made", { kind: "policy-ppo", voter: "reinforcement-learning", timeFrame })
        const event = published({ ...made, fittedAsOf: asOfAt(65) })
        if (event.type === "VersionPublished") yield* append(modelsStream, VersionPublished, event)
        yield* startAgent(ContextAgent.run)
        yield* startAgent(ReinforcementLearningAgent.run(scheduled))
        const client = yield* callAgent(ReinforcementLearningRpcs, "reinforcement-learning")
        const lastTries = Effect.map(client.Metrics({}), (all) =>
          Object.fromEntries(all.map(({ algorithm, asOf, state }) => [algorithm, [asOf, state]]))
        )
        const through = (from: number, to: number) =>
          Effect.gen(function* () {
            for (const event of events.slice(from, to)) yield* append(barsStream, BarsClosed, event)
            const question = {
              ...{ instrument: (instruments[0] as (typeof instruments)[number]).id, timeFrame },
              ...{ asOf: asOfAt(to - 1), horizonBars: 4, band: 0.01, roundTripCost: 0, sigma: 0.01 }
            }
            // An answer waits for what was due at its as-of.
            yield* client.Opine({ questions: [question], model: "active" })
            return yield* lastTries
          })
        yield* append(barsStream, FeedOpened, opened(instruments))
        expect(yield* through(0, 59)).toEqual({})
        expect(yield* through(59, 60)).toEqual({ dqn: [asOfAt(59), "failed"] })
        // The policy that was made at bar 65 is no older than ten bars before bar 75.
        expect(yield* through(60, 75)).toEqual({ dqn: [asOfAt(69), "failed"] })
        expect(yield* through(75, 80)).toEqual({
          ppo: [asOfAt(75), "failed"],
          dqn: [asOfAt(79), "failed"]
        })
      }).pipe(Effect.provide(Layer.merge(nodeServices(scheduled), nothingRuns)))
    },
    20_000
  )
})
