/**
 * The market-data agent: publishes the bars of the feed, as-of by as-of, and what becomes known of them afterwards as
 * corrections. In lock-step, and while warming up, the next as-of is released when the round of the last is closed and
 * its orders and fills are on the books; otherwise it keeps time.
 */
import { Clock, Context, Deferred, Effect, Schedule } from "effect"
import {
  type Bar,
  BarsClosed,
  BarsCorrected,
  barsEvents,
  barsStream,
  FeedEnded,
  FeedHandedOver,
  FeedOpened,
  FeedRecovered,
  FeedsDisagreed
} from "../../protocols/Bar.ts"
import { BrokerRpcs } from "../../protocols/rpc/BrokerRpcs.ts"
import { type FeedState, MarketDataRpcs } from "../../protocols/rpc/MarketDataRpcs.ts"
import { OrchestratorRpcs } from "../../protocols/rpc/OrchestratorRpcs.ts"
import { isTransient } from "../../protocols/wire/errors.ts"
import * as Aggregate from "../../runtime/Aggregate.ts"
import * as BusRpcClient from "../../runtime/BusRpcClient.ts"
import { Leases } from "../../runtime/Leases.ts"
import { monotonicMs } from "../../runtime/MonotonicClock.ts"
import { retrying } from "../../runtime/retrying.ts"
import type { Component } from "../../runtime/Supervisor.ts"
import { inTrace } from "../../runtime/tracing.ts"
import { callAgent, enveloped, NodeContext, serveAgent, traceOf } from "../NodeContext.ts"
import { correctionOf } from "./Corrections.ts"
import type { Feed } from "./Feed.ts"
import type { FeedEvent } from "./FeedChain.ts"
import { buyAndHoldEquity, empty, evolve, FeedFold } from "./FeedFold.ts"
import { countCorrected, countDropped } from "./FeedMetrics.ts"

const name = "market-data"

/** The feed of this node, opened before anything started, and the end of the run that it brings. */
export class FeedSource extends Context.Tag("conclave/FeedSource")<
  FeedSource,
  { readonly feed: Feed; readonly ended: Deferred.Deferred<void> }
>() {}

/** Whoever has to settle an as-of may be away for a while: it is asked until it answers. */
const untilAnswered = Schedule.spaced("100 millis")
/** A paced feed that is later than this lets the time go that it has lost. */
const lateMaxMs = 1_000
/** Of one try to have an as-of settled. A round waits for its voters as long as it has to. */
const settleDeadlineMs = 120_000

export const run = (component: Component) =>
  Effect.gen(function* () {
    const { run, settings } = yield* NodeContext
    const { ended, feed } = yield* FeedSource
    const leases = yield* Leases
    const now = yield* monotonicMs
    yield* component.standby("waiting for the feed's lease")
    const lease = yield* leases.acquire(name)
    const published = yield* Aggregate.open(
      {
        name: "feed",
        version: 2,
        stream: barsStream,
        events: barsEvents,
        initial: empty,
        evolve,
        snapshot: FeedFold,
        snapshotEvery: settings.store.snapshotEvery
      },
      { epoch: lease.epoch, eventsKept: settings.store.streamEventsMax }
    )
    const { state } = published
    const orchestrator = yield* callAgent(OrchestratorRpcs, "orchestrator")
    const broker = yield* callAgent(BrokerRpcs, "broker")

    const feedState = (): FeedState => {
      const { asOf, bars, corrections, handOvers, hasEnded, isOpen, isWarmUp, next } = state()
      return {
        source: feed.source,
        timeFrame: feed.timeFrame,
        phase: hasEnded ? "ended" : !isOpen ? "loading" : isWarmUp ? "warm-up" : "trading",
        published: next,
        total: feed.total,
        warmUpTotal: feed.warmUp,
        barsRead: bars,
        rowsRefused: feed.rowsRefused,
        gaps: feed.gaps,
        barsMissing: feed.barsMissing,
        asOf,
        buyAndHoldEquity:
          asOf === null ? null : buyAndHoldEquity(state(), settings.broker.startingCash, settings.costs),
        ...(feed.isLive ? { sources: feed.sources(), handOvers, corrections } : {})
      }
    }
    const handlers = MarketDataRpcs.toLayer({
      Instruments: () => Effect.succeed(feed.instruments),
      Feed: () => Effect.sync(feedState)
    })
    yield* Effect.provide(serveAgent(MarketDataRpcs, name), handlers)

    /** Waits until everything that follows from the bars at this position is committed. */
    const settle = Effect.fnUntraced(
      function* (barsSequence: number) {
        const { decisionsSequence } = yield* orchestrator.Settle({ barsSequence })
        yield* broker.SettleAccount({ barsSequence, decisionsSequence })
      },
      BusRpcClient.withDeadline(settleDeadlineMs),
      (settled) => retrying(settled, { schedule: untilAnswered, while: isTransient })
    )

    const about = (asOf: number, subject: string, knownAt?: number) =>
      ({ run, source: name, asOf, subject, ...(knownAt === undefined ? {} : { knownAt }) }) as const

    // A live run of a version that did not say so is opened once more.
    if (!state().isOpen || (feed.isLive && !state().isLive)) {
      const { instruments, paceMs, source, timeFrame, total, warmUp } = feed
      const isLive = feed.isLive ? { isLive: true } : {}
      const subject = state().isOpen ? `opened-${published.sequence()}` : "opened"
      const opened = { source, timeFrame, instruments, warmUp, total, paceMs, ...isLive }
      yield* published.append(FeedOpened, enveloped(about(0, subject), opened))
    }
    yield* component.running(feed.source)

    /** What befell the sources stands in the journal before the bars that came of it. */
    const journalEvent = ({ payload, type }: FeedEvent) => {
      const origin = about(state().asOf ?? 0, `${type}-${published.sequence()}`, payload.at)
      switch (type) {
        case "FeedHandedOver":
          return published.append(FeedHandedOver, enveloped(origin, payload))
        case "FeedsDisagreed":
          return published.append(FeedsDisagreed, enveloped(origin, payload))
        case "FeedRecovered":
          return published.append(FeedRecovered, enveloped(origin, payload))
      }
    }
    /** What has become known of as-ofs that were published before. Nobody waits for what follows from it. */
    const journalLate = (late: ReadonlyArray<Bar>) =>
      Effect.gen(function* () {
        const { payload, refused } = correctionOf(
          state(),
          late,
          yield* Clock.currentTimeMillis,
          feed.countsAnew
        )
        countDropped({}, refused)
        if (payload === undefined) return
        const origin = about(payload.asOf, "corrected", payload.asOf)
        yield* published.append(BarsCorrected, enveloped(origin, payload))
        countCorrected(payload.bars.length)
      })
    const publishAll = Effect.gen(function* () {
      // What a former life published may not have been settled.
      if (state().next > 0 && !state().hasEnded) yield* settle(published.sequence())
      const { active, asOf, next } = state()
      const take = yield* feed.from({ index: next, asOf, active })
      let due = now()
      while (!state().hasEnded) {
        const item = yield* take
        if (item === undefined) break
        if (item.event !== undefined) {
          yield* journalEvent(item.event)
          continue
        }
        if (item.late !== undefined) {
          yield* journalLate(item.late)
          continue
        }
        const { bars } = item
        const index = state().next
        const warmUp = index < feed.warmUp
        const isLockStep = feed.paceMs === null || warmUp
        if (index === feed.warmUp) due = now()
        if (!isLockStep && !feed.isLive) {
          yield* Effect.sleep(Math.max(0, due - now()))
          // A late bar does not make the next one late. After a pause of the machine the feed does not catch up.
          due = Math.max(due, now() - lateMaxMs) + (feed.paceMs as number)
        }
        const asOf = Math.max(...bars.map(({ closeTime }) => closeTime))
        // Bars of the real world age from their close on, however late they came.
        const knownAt = isLockStep || feed.isLive ? asOf : yield* Clock.currentTimeMillis
        const closed = { asOf, timeFrame: feed.timeFrame, index, warmUp, bars }
        const release = Effect.gen(function* () {
          const sequence = yield* published.append(
            BarsClosed,
            enveloped(about(asOf, "bars", knownAt), closed)
          )
          if (isLockStep) yield* settle(sequence)
        })
        yield* inTrace(settings.telemetry.tracing, "market-data.as-of", traceOf(run, asOf))(release)
      }
      if (!state().hasEnded) {
        const asOf = state().asOf ?? 0
        const reason = `the ${feed.kind} feed has no more bars`
        const sequence = yield* published.append(FeedEnded, enveloped(about(asOf, "ended"), { asOf, reason }))
        yield* settle(sequence)
      }
      yield* component.running("the feed has ended")
      yield* Deferred.succeed(ended, undefined)
    })
    yield* Effect.all([publishAll, lease.lost], { concurrency: "unbounded", discard: true })
  })
