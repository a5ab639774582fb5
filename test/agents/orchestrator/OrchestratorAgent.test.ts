import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, type Scope, Stream } from "effect"
import * as BrokerAgent from "../../../src/agents/broker/BrokerAgent.ts"
import { callAgent, type NodeContext, serveAgent } from "../../../src/agents/NodeContext.ts"
import * as OrchestratorAgent from "../../../src/agents/orchestrator/OrchestratorAgent.ts"
import { BarsClosed, barsStream, FeedOpened } from "../../../src/protocols/Bar.ts"
import { type Decision, decisionId, decisionsStream } from "../../../src/protocols/Decision.ts"
import { BrokerRpcs } from "../../../src/protocols/rpc/BrokerRpcs.ts"
import { OrchestratorRpcs } from "../../../src/protocols/rpc/OrchestratorRpcs.ts"
import { VoterRpcs } from "../../../src/protocols/rpc/VoterRpcs.ts"
import type { Bus } from "../../../src/runtime/Bus.ts"
import type { DeadLetters } from "../../../src/runtime/DeadLetters.ts"
import { Journal } from "../../../src/runtime/Journal.ts"
import type { Leases } from "../../../src/runtime/Leases.ts"
import type { Store } from "../../../src/runtime/Store.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { asOfAt, opened, run, simulated, timeFrame } from "../feedEvents.ts"
import { append, nodeServices, nodeServicesIn, startAgent } from "../nodeServices.ts"
import { settingsWith } from "../settings.ts"
import { bearish, bullish, opinion, voters } from "./inputs.ts"

type Services = Bus | DeadLetters | Journal | Leases | NodeContext | Store | Scope.Scope

/** A committee that is easily convinced. */
const convincible = {
  "orchestrator.skillAlpha": 1,
  "orchestrator.confidenceMin": 0,
  "orchestrator.winProbabilityMin": 0.5,
  "orchestrator.edgeCostMultipleMin": 0,
  "orchestrator.lockStepPatienceMs": 5_000
}
const settings = settingsWith(convincible)
const impatient = settingsWith({ ...convincible, "orchestrator.lockStepPatienceMs": 100 })

const { events, instruments } = simulated({ seed: 41, count: 60, instruments: 2 })
const [alpha, bravo] = instruments.map(({ id }) => id) as [
  Decision["key"]["instrument"],
  Decision["key"]["instrument"]
]

/** What comes of a question, which only the voters of a test can know. */
const future = (instrument: string, asOf: number): number => {
  const at = events.findIndex(({ payload }) => payload.asOf === asOf)
  const bar = (index: number) =>
    events[Math.min(index, events.length - 1)]?.payload.bars.find((found) => found.instrument === instrument)
  return Math.log((bar(at + 4)?.close ?? 1) / (bar(at + 1)?.open ?? 1))
}

/** Voters that are right, and sure of it. */
const serveVoters = Effect.forEach(voters, (voter) =>
  Effect.provide(
    serveAgent(VoterRpcs, voter),
    VoterRpcs.toLayer({
      Opine: ({ questions }) =>
        Effect.succeed(
          questions.map(({ asOf, instrument }) => {
            const expectedReturn = future(instrument, asOf)
            const probabilities = expectedReturn > 0 ? bullish : bearish
            return opinion(voter, { instrument, expectedReturn, probabilities })
          })
        )
    })
  )
)

const writeBars = (from: number, to: number) =>
  Effect.forEach(events.slice(from, to), (event) => append(barsStream, BarsClosed, event)).pipe(
    Effect.map((sequences) => sequences.at(-1) ?? 0)
  )

/** Broker, voters and orchestrator, settled on so many bars. */
const settled = (bars: number) =>
  Effect.gen(function* () {
    yield* startAgent(BrokerAgent.run)
    yield* serveVoters
    yield* startAgent(OrchestratorAgent.run)
    const orchestrator = yield* callAgent(OrchestratorRpcs, "orchestrator")
    const broker = yield* callAgent(BrokerRpcs, "broker")
    yield* append(barsStream, FeedOpened, opened(instruments))
    const settle = (barsSequence: number) =>
      Effect.tap(orchestrator.Settle({ barsSequence }), ({ decisionsSequence }) =>
        broker.SettleAccount({ barsSequence, decisionsSequence })
      )
    // In lock-step, as the feed does it.
    for (let i = 0; i < bars; i++) yield* settle(yield* writeBars(i, i + 1))
    return { orchestrator, broker, settle }
  })

const check = (name: string, body: Effect.Effect<void, unknown, Services>, by = settings) =>
  it.scopedLive(name, () => Effect.provide(body, nodeServices(by)))

describe("the orchestrator", () => {
  check(
    "records one decision for each key, and gives it again when it is asked again",
    Effect.gen(function* () {
      const { orchestrator } = yield* settled(30)
      const journal = yield* Journal
      const recordedThrough = yield* journal.last(decisionsStream)
      const latest = yield* orchestrator.Decide({ instrument: alpha })
      expect(latest.id).toBe(decisionId({ run, instrument: alpha, timeFrame, asOf: asOfAt(29) }))
      expect(yield* orchestrator.Decide({ instrument: "ALPHA" })).toEqual(latest)
      const earlier = yield* orchestrator.Decide({ instrument: bravo, asOf: asOfAt(25) })
      expect(earlier.key).toEqual({ run, instrument: bravo, timeFrame, asOf: asOfAt(25) })
      expect(yield* journal.last(decisionsStream)).toBe(recordedThrough)
    })
  )

  check(
    "turns what the voters are sure of into positions, through the journal and the broker",
    Effect.gen(function* () {
      const { broker, orchestrator } = yield* settled(56)
      const taken = Chunk.toReadonlyArray(
        yield* Stream.runCollect(orchestrator.Decisions({ latest: 10_000, follow: false }))
      ).filter(({ action }) => action !== "hold")
      expect(taken.length).toBeGreaterThan(10)
      const account = yield* broker.Account({ barsSequence: 0 })
      expect(account.fills).toBeGreaterThan(5)
      expect(account.equity).toBeGreaterThan(account.startingCash)
    })
  )

  check(
    "computes a what-if without recording it, and the broker never hears of it",
    Effect.gen(function* () {
      const { broker, orchestrator, settle } = yield* settled(30)
      const journal = yield* Journal
      const recordedThrough = yield* journal.last(decisionsStream)
      const before = yield* broker.Account({ barsSequence: 0 })
      const whatIf = yield* orchestrator.Decide({ instrument: alpha, whatIf: { horizonBars: 9, band: 0.04 } })
      expect(whatIf.inputs.question).toMatchObject({ horizonBars: 9, band: 0.04 })
      const recorded = yield* orchestrator.Decide({ instrument: alpha })
      expect(recorded.inputs.question.horizonBars).toBe(4)
      expect(yield* journal.last(decisionsStream)).toBe(recordedThrough)
      expect(yield* broker.Account({ barsSequence: 0 })).toEqual(before)
      // Nor does it show in what the broker does next.
      yield* settle(yield* writeBars(30, 31))
      const listed = yield* Stream.runCollect(orchestrator.Decisions({ latest: 10_000, follow: false }))
      expect(Chunk.toReadonlyArray(listed).every(({ inputs }) => inputs.question.horizonBars === 4)).toBe(
        true
      )
    })
  )

  check(
    "refuses what it cannot know, each by its own error",
    Effect.gen(function* () {
      const { orchestrator } = yield* settled(30)
      const failure = (request: Parameters<typeof orchestrator.Decide>[0]) =>
        Effect.map(Effect.flip(orchestrator.Decide(request)), ({ _tag }) => _tag)
      expect(yield* failure({ instrument: "NOBODY" })).toBe("UnknownInstrument")
      expect(yield* failure({ instrument: alpha, asOf: asOfAt(30) })).toBe("AsOfInFuture")
      expect(yield* failure({ instrument: alpha, asOf: asOfAt(3) })).toBe("DecisionNotFound")
      expect(yield* failure({ instrument: alpha, asOf: asOfAt(25) + 1 })).toBe("DecisionNotFound")
    })
  )

  check(
    "replays its records to themselves, and asks the voters again when it is to go deep",
    Effect.gen(function* () {
      const { orchestrator } = yield* settled(40)
      const { id } = yield* orchestrator.Decide({ instrument: alpha })
      const replayed = yield* orchestrator.Replay({ decision: id.slice(0, 16), deep: true })
      expect(replayed.differences).toEqual([])
      expect(replayed.deep?.map(({ probabilityDifferenceMax }) => probabilityDifferenceMax)).toEqual([0, 0])
      expect((yield* orchestrator.Replay({ decision: id, deep: false })).deep).toBeNull()
    })
  )

  check(
    "streams the latest decisions first and then those to come, each once",
    Effect.gen(function* () {
      const { orchestrator, settle } = yield* settled(30)
      const following = yield* Effect.fork(
        orchestrator
          .Decisions({ latest: 3, follow: true, instrument: "ALPHA" })
          .pipe(Stream.take(6), Stream.runCollect)
      )
      yield* settle(yield* writeBars(30, 36))
      const asOfs = Chunk.toReadonlyArray(yield* Fiber.join(following)).map(({ key }) => key.asOf)
      expect(new Set(asOfs).size).toBe(6)
      expect([...asOfs].sort((a, b) => a - b)).toEqual(asOfs)
      expect(asOfs[5]).toBe((asOfs[0] as number) + 5 * (asOfAt(1) - asOfAt(0)))
    })
  )

  check(
    "decides degraded and in time when no voter is there, and waits for none a second time",
    Effect.gen(function* () {
      yield* startAgent(BrokerAgent.run)
      yield* startAgent(OrchestratorAgent.run)
      const orchestrator = yield* callAgent(OrchestratorRpcs, "orchestrator")
      yield* append(barsStream, FeedOpened, opened(instruments))
      yield* orchestrator.Settle({ barsSequence: yield* writeBars(0, 25) })
      const decision = yield* orchestrator.Decide({ instrument: alpha })
      expect(decision).toMatchObject({ action: "hold", strategy: "degraded" })
      expect(decision.degraded).toContain("no quorum: 0 of 2 own answers")
      const { abstentions, decisions, degraded } = yield* orchestrator.Standing({})
      expect([degraded, abstentions]).toEqual([decisions, 2 * decisions])
      expect(decisions).toBeGreaterThan(0)
    }),
    impatient
  )

  it.scopedLive("goes on in its next life where it was: no round is decided twice and none is left out", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const inLife = <A, E>(body: Effect.Effect<A, E, Services>) =>
        Effect.scoped(body).pipe(Effect.provide(nodeServicesIn(directory, settings)))
      const whole = yield* Effect.scoped(
        Effect.flatMap(settled(50), ({ orchestrator }) => orchestrator.Standing({}))
      ).pipe(Effect.provide(nodeServices(settings)))
      yield* inLife(settled(35))
      const standing = yield* inLife(
        Effect.gen(function* () {
          yield* startAgent(BrokerAgent.run)
          yield* serveVoters
          yield* startAgent(OrchestratorAgent.run)
          const orchestrator = yield* callAgent(OrchestratorRpcs, "orchestrator")
          yield* orchestrator.Settle({ barsSequence: yield* writeBars(35, 50) })
          return yield* orchestrator.Standing({})
        })
      )
      expect({ ...standing, instruments: [] }).toEqual({ ...whole, instruments: [] })
      expect(standing.instruments.map(({ logLoss, weights }) => ({ logLoss, weights }))).toEqual(
        whole.instruments.map(({ logLoss, weights }) => ({ logLoss, weights }))
      )
    })
  )
})
