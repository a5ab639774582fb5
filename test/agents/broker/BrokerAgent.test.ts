import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, type Scope, Stream } from "effect"
import * as BrokerAgent from "../../../src/agents/broker/BrokerAgent.ts"
import { callAgent, enveloped, type NodeContext } from "../../../src/agents/NodeContext.ts"
import { accountEvents, accountStream, StopReleased } from "../../../src/protocols/Account.ts"
import {
  type Bar,
  BarsClosed,
  BarsCorrected,
  type BarsEvent,
  barsStream,
  FeedEnded,
  FeedHandedOver,
  FeedOpened,
  FeedRecovered,
  FeedsDisagreed
} from "../../../src/protocols/Bar.ts"
import { decisionsStream, RoundClosed } from "../../../src/protocols/Decision.ts"
import { BrokerControlRpcs, BrokerRpcs } from "../../../src/protocols/rpc/BrokerRpcs.ts"
import * as EventType from "../../../src/protocols/wire/EventType.ts"
import { Epoch, Sequence, sequenceZero } from "../../../src/protocols/wire/Ids.ts"
import type { Bus } from "../../../src/runtime/Bus.ts"
import type { DeadLetters } from "../../../src/runtime/DeadLetters.ts"
import { Journal } from "../../../src/runtime/Journal.ts"
import type { Leases } from "../../../src/runtime/Leases.ts"
import type { Store } from "../../../src/runtime/Store.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { asOfAt, barOf, closed, ended, opened, run } from "../feedEvents.ts"
import { append, nodeServices, nodeServicesIn, startAgent } from "../nodeServices.ts"
import { convinced } from "../orchestrator/inputs.ts"
import { alpha, beta, decisionOn } from "./account.ts"

type Services = Bus | DeadLetters | Journal | Leases | NodeContext | Store | Scope.Scope

/** One life of the broker, with what asks it. */
const life = Effect.gen(function* () {
  const fiber = yield* startAgent(BrokerAgent.run)
  const queries = yield* callAgent(BrokerRpcs, "broker")
  const control = yield* callAgent(BrokerControlRpcs, "broker", "control")
  return { queries, control, end: Fiber.interrupt(fiber) }
})

const writeBars = (event: BarsEvent) => {
  switch (event.type) {
    case "FeedOpened":
      return append(barsStream, FeedOpened, event)
    case "BarsClosed":
      return append(barsStream, BarsClosed, event)
    case "BarsCorrected":
      return append(barsStream, BarsCorrected, event)
    case "FeedEnded":
      return append(barsStream, FeedEnded, event)
    case "FeedHandedOver":
      return append(barsStream, FeedHandedOver, event)
    case "FeedsDisagreed":
      return append(barsStream, FeedsDisagreed, event)
    case "FeedRecovered":
      return append(barsStream, FeedRecovered, event)
  }
}

const price = (index: number, ...bars: ReadonlyArray<Bar>) => writeBars(closed(index, bars))
const alphaAt = (index: number, at: number) => barOf(alpha, index, { open: at, close: at })

/** A round of decisions as the orchestrator writes it: whole, of which the broker reads what concerns it. */
const decide = (index: number, exposures: ReadonlyArray<readonly [typeof alpha, number]>, suffix = "") => {
  const decisions = exposures.map(([instrument, exposure]) => ({
    ...decisionOn(instrument, index, exposure),
    action: "buy" as const,
    confidence: 0.5,
    pooled: convinced.baseRate.probabilities,
    calibrated: convinced.baseRate.probabilities,
    expectedReturn: 0.01,
    spread: 0.01,
    verdicts: [],
    degraded: null,
    inputs: convinced,
    modelVersions: [],
    epoch: Epoch.make(1),
    traceId: "0".repeat(32)
  }))
  const asOf = asOfAt(index)
  const round = { asOf, barsSequence: index + 1, part: 0, parts: 1, outcomes: [], decisions }
  const about = { run, source: "orchestrator", asOf, subject: `round-${index}${suffix}` } as const
  return append(decisionsStream, RoundClosed, enveloped(about, round))
}

/** Everything the broker has written so far. */
const written = Effect.gen(function* () {
  const journal = yield* Journal
  const through = yield* journal.last(accountStream)
  const records = yield* Stream.runCollect(journal.replay(accountStream, sequenceZero, through))
  const decode = EventType.decoder(accountEvents)
  return Chunk.toReadonlyArray(records).map(({ data }) => {
    const event = decode(data)
    if (event._tag === "Left") throw new Error(event.left.reason)
    return event.right
  })
})

const check = (name: string, body: Effect.Effect<void, unknown, Services>) =>
  it.scopedLive(name, () => Effect.provide(body, nodeServices()))

/** A broker that holds ALPHA: bars at 0 and 1, bought at the second. */
const invested = Effect.gen(function* () {
  const broker = yield* life
  yield* writeBars(opened([alpha, beta]))
  // A decision is made on bars that the broker has: without a price there is nothing to order.
  yield* broker.queries.Account({ barsSequence: yield* price(0, alphaAt(0, 100)) })
  const decisionsSequence = yield* decide(0, [[alpha, 0.5]])
  yield* broker.queries.SettleAccount({ barsSequence: 0, decisionsSequence })
  const barsSequence = yield* price(1, alphaAt(1, 110))
  const account = yield* broker.queries.Account({ barsSequence })
  return { ...broker, account }
})

describe("the broker", () => {
  check(
    "opens its account once, and follows bars and decisions",
    Effect.gen(function* () {
      const { account } = yield* invested
      expect(account).toMatchObject({ account: "paper", startingCash: 100_000, fills: 1, openOrders: 0 })
      expect(account.positions[0]?.exposure).toBeGreaterThan(0.45)
      const events = yield* written
      expect(events.map(({ type }) => type)).toEqual([
        "AccountOpened",
        "InstrumentsListed",
        "BarsApplied",
        "DecisionsApplied",
        "BarsApplied"
      ])
      const fill = events.flatMap((event) => (event.type === "BarsApplied" ? event.payload.fills : []))[0]
      expect(fill?.priceTicks).toBe(Math.ceil((110 * 1.0002) / 0.01))
      expect(fill?.cause).toBe(decisionOn(alpha, 0, 0.5).id)
    })
  )

  check(
    "writes under its epoch, names what caused each event, and keeps the trace of the bar",
    Effect.gen(function* () {
      yield* invested
      for (const { causation, epoch, payload, traceparent, type } of yield* written) {
        expect(epoch).toBe(1)
        if (type !== "BarsApplied") continue
        const bars = closed(payload.asOf === asOfAt(0) ? 0 : 1, [
          alphaAt(payload.asOf === asOfAt(0) ? 0 : 1, 1)
        ])
        expect([causation, traceparent]).toEqual([bars.id, bars.traceparent])
      }
    })
  )

  check(
    "waits with an answer until the bars that are asked for have been applied",
    Effect.gen(function* () {
      const { queries } = yield* invested
      const journal = yield* Journal
      const coming = (yield* journal.last(barsStream)) + 1
      const asked = yield* Effect.fork(queries.Account({ barsSequence: coming }))
      yield* Effect.yieldNow()
      expect(asked.unsafePoll()).toBeNull()
      const at = yield* price(2, alphaAt(2, 120))
      expect(at).toBeGreaterThanOrEqual(coming)
      expect((yield* Fiber.join(asked)).asOf).toBe(asOfAt(2))
    })
  )

  check(
    "passes over what is no event of its streams, and goes on",
    Effect.gen(function* () {
      const { queries } = yield* invested
      const journal = yield* Journal
      const expected = yield* journal.last(barsStream)
      const noise = Buffer.from('{"not":"an event"}')
      yield* journal.append({ stream: barsStream, expected, epoch: Epoch.make(1), id: "noise", data: noise })
      const barsSequence = yield* price(2, alphaAt(2, 120))
      expect((yield* queries.Account({ barsSequence })).asOf).toBe(asOfAt(2))
    })
  )

  it.scopedLive("applies everything once however often it begins again", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const inLife = <A, E>(body: Effect.Effect<A, E, Services>) =>
        Effect.scoped(body).pipe(Effect.provide(nodeServicesIn(directory)))
      const first = yield* inLife(Effect.map(invested, ({ account }) => account))
      for (let i = 0; i < 3; i++) {
        const again = yield* inLife(
          Effect.gen(function* () {
            const { queries } = yield* life
            const journal = yield* Journal
            const barsSequence = yield* journal.last(barsStream)
            const decisionsSequence = yield* journal.last(decisionsStream)
            yield* queries.SettleAccount({ barsSequence, decisionsSequence })
            expect((yield* written).length).toBe(5)
            return yield* queries.Account({ barsSequence })
          })
        )
        expect(again).toEqual(first)
      }
      const grown = yield* inLife(
        Effect.gen(function* () {
          const { queries } = yield* life
          return yield* queries.Account({ barsSequence: yield* price(2, alphaAt(2, 121)) })
        })
      )
      expect(grown.equity).toBeGreaterThan(first.equity)
      expect(grown.digest).toBe(first.digest)
    })
  )

  check(
    "applies once what its streams deliver twice, late and out of order",
    Effect.gen(function* () {
      const journal = yield* Journal
      const again = Journal.of({
        ...journal,
        // Every record comes a second time, and with each the first of the stream once more.
        tail: (stream, after) =>
          Stream.flatMap(journal.tail(stream, after), (record) =>
            Stream.concat(
              Stream.make(record, record),
              Stream.take(journal.replay(stream, sequenceZero, record.sequence), 1)
            )
          )
      })
      const { account } = yield* Effect.provideService(invested, Journal, again)
      expect(account).toMatchObject({ fills: 1, openOrders: 0 })
      expect((yield* written).map(({ type }) => type)).toEqual([
        "AccountOpened",
        "InstrumentsListed",
        "BarsApplied",
        "DecisionsApplied",
        "BarsApplied"
      ])
    })
  )

  check(
    "fences its former life off: what bears an older epoch is refused",
    Effect.gen(function* () {
      const before = yield* invested
      yield* before.end
      const { queries } = yield* life
      const barsSequence = yield* price(2, alphaAt(2, 120))
      yield* queries.Account({ barsSequence })
      const journal = yield* Journal
      const expected = yield* journal.last(accountStream)
      const epoch = Epoch.make(1)
      const stale = enveloped(
        { run, source: "broker", asOf: 0, subject: "stale" },
        {
          command: "release-stale",
          reason: "I was paused"
        }
      )
      const data = EventType.encode(StopReleased, { ...stale, epoch })
      const refused = yield* Effect.flip(
        journal.append({ stream: accountStream, expected, epoch, id: stale.id, data })
      )
      expect(refused).toMatchObject({ _tag: "StaleEpoch", epoch: 1, current: 2 })
      expect(yield* journal.last(accountStream)).toBe(expected)
      expect((yield* written).at(-1)?.epoch).toBe(2)
    })
  )
})

describe("the emergency stop", () => {
  const command = "stop-command-1"
  const reason = "the operator asked for it"

  check(
    "latches, cancels and flattens in this order, and reports flat after the re-read",
    Effect.gen(function* () {
      const { control, queries } = yield* invested
      const decisionsSequence = yield* decide(1, [[alpha, -0.5]])
      yield* queries.SettleAccount({ barsSequence: 0, decisionsSequence })
      const report = yield* control.EmergencyStop({ command, reason })
      expect(report).toEqual({ state: "flattening", cancelled: 1, positions: 1, asOf: asOfAt(1) })
      const latched = (yield* written).at(-1)
      expect(latched?.type).toBe("StopLatched")
      const barsSequence = yield* price(2, alphaAt(2, 120))
      const account = yield* queries.Account({ barsSequence })
      expect(account.stop).toEqual({ reason, flat: true })
      expect(account.positions.map(({ lots }) => lots)).toEqual([0])
      const after = yield* control.EmergencyStop({ command: "stop-command-2", reason })
      expect(after).toEqual({ state: "flat", cancelled: 0, positions: 0, asOf: asOfAt(2) })
    })
  )

  check(
    "takes effect once under one command id",
    Effect.gen(function* () {
      const { control } = yield* invested
      yield* control.EmergencyStop({ command, reason })
      const count = (yield* written).length
      const again = yield* control.EmergencyStop({ command, reason })
      expect(again).toMatchObject({ state: "flattening", cancelled: 0, positions: 1 })
      expect((yield* written).length).toBe(count)
    })
  )

  check(
    "lets no decision through while it is latched, and those after the release again",
    Effect.gen(function* () {
      const { control, queries } = yield* invested
      yield* control.EmergencyStop({ command, reason })
      const stopped = yield* decide(1, [[alpha, 0.9]])
      yield* queries.SettleAccount({ barsSequence: 0, decisionsSequence: stopped })
      yield* queries.Account({ barsSequence: yield* price(2, alphaAt(2, 120)) })
      const flat = yield* queries.Account({ barsSequence: yield* price(3, alphaAt(3, 120)) })
      expect(flat.positions[0]?.lots).toBe(0)
      expect(yield* control.ReleaseStop({ command: "release-1", reason })).toEqual({ wasLatched: true })
      expect(yield* control.ReleaseStop({ command: "release-2", reason })).toEqual({ wasLatched: false })
      const decisionsSequence = yield* decide(3, [[alpha, 0.4]])
      yield* queries.SettleAccount({ barsSequence: 0, decisionsSequence })
      const account = yield* queries.Account({ barsSequence: yield* price(4, alphaAt(4, 120)) })
      expect(account.stop).toBeNull()
      expect(account.positions[0]?.exposure).toBeCloseTo(0.4, 2)
    })
  )

  check(
    "says latched, not flat where the feed has ended: nothing is left to fill at",
    Effect.gen(function* () {
      const { control, queries } = yield* invested
      const barsSequence = yield* writeBars(ended(asOfAt(1)))
      expect((yield* queries.Account({ barsSequence })).feedEnded).toBe(true)
      const report = yield* control.EmergencyStop({ command, reason })
      expect(report).toMatchObject({ state: "latched, not flat", positions: 1 })
      expect((yield* queries.Account({ barsSequence: 0 })).stop).toEqual({ reason, flat: false })
    })
  )

  check(
    "is flat at once where nothing is held, even after the feed has ended",
    Effect.gen(function* () {
      const { control, queries } = yield* life
      yield* writeBars(opened([alpha]))
      yield* queries.Account({ barsSequence: yield* writeBars(ended(0)) })
      expect(yield* control.EmergencyStop({ command, reason })).toMatchObject({ state: "flat", positions: 0 })
    })
  )

  it.scopedLive("outlives the broker: its next life begins stopped", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const inLife = <A, E>(body: Effect.Effect<A, E, Services>) =>
        Effect.scoped(body).pipe(Effect.provide(nodeServicesIn(directory)))
      yield* inLife(Effect.flatMap(invested, ({ control }) => control.EmergencyStop({ command, reason })))
      const account = yield* inLife(
        Effect.gen(function* () {
          const { queries } = yield* life
          const decisionsSequence = yield* decide(1, [[alpha, 0.9]])
          yield* queries.SettleAccount({ barsSequence: 0, decisionsSequence })
          return yield* queries.Account({ barsSequence: Sequence.make(yield* price(2, alphaAt(2, 120))) })
        })
      )
      expect(account).toMatchObject({ stop: { reason, flat: true }, fills: 2 })
    })
  )
})
