/**
 * The paper broker. It follows the bars and the decisions, and carries out one thing at a time: each becomes an
 * event of the account's stream, and the account is the fold of them. The kill switch is a command like the
 * others, but on the control branch.
 */
import { Effect, Request, Stream } from "effect"
import { toMicro } from "../../market/execution/Money.ts"
import { termsOf, withoutLimits } from "../../market/execution/Terms.ts"
import {
  AccountOpened,
  accountEvents,
  accountStream,
  BarsApplied,
  DecisionsApplied,
  FeedClosed,
  type Fill,
  InstrumentsListed,
  Micro,
  StopLatched,
  StopReleased
} from "../../protocols/Account.ts"
import { type BarsEvent, barsEvents, barsStream } from "../../protocols/Bar.ts"
import { decisionsStream } from "../../protocols/Decision.ts"
import { StorageFailed } from "../../protocols/errors.ts"
import { BrokerControlRpcs, BrokerRpcs, type StopReport } from "../../protocols/rpc/BrokerRpcs.ts"
import * as EventType from "../../protocols/wire/EventType.ts"
import { Sequence } from "../../protocols/wire/Ids.ts"
import * as Agent from "../../runtime/Agent.ts"
import * as Aggregate from "../../runtime/Aggregate.ts"
import type { Bus } from "../../runtime/Bus.ts"
import { decodeRecord } from "../../runtime/Fold.ts"
import { type AppendError, Journal } from "../../runtime/Journal.ts"
import { Leases } from "../../runtime/Leases.ts"
import * as Progress from "../../runtime/Progress.ts"
import type { Component } from "../../runtime/Supervisor.ts"
import { inTrace } from "../../runtime/tracing.ts"
import { type About, enveloped, NodeContext, serveAgent, traceOf } from "../NodeContext.ts"
import { eventAt, publishEach } from "../publishing.ts"
import { fillsTopic } from "../topics.ts"
import { AccountState, accountStateVersion, empty, evolve, isFlat, snapshotOf } from "./AccountState.ts"
import { RoundForOrders } from "./RoundForOrders.ts"
import { applyBars, applyDecisions, latchStop } from "./trading.ts"

const name = "broker"
const mailboxCapacityMax = 256

class ApplyBars extends Request.TaggedClass("ApplyBars")<
  void,
  AppendError,
  { readonly event: BarsEvent; readonly sequence: number }
> {}
class ApplyRound extends Request.TaggedClass("ApplyRound")<
  void,
  AppendError,
  { readonly event: EventType.EventOf<typeof RoundForOrders>; readonly sequence: number }
> {}
class LatchStop extends Request.TaggedClass("LatchStop")<
  StopReport,
  AppendError,
  { readonly command: string; readonly reason: string }
> {}
class ReleaseStop extends Request.TaggedClass("ReleaseStop")<
  { readonly wasLatched: boolean },
  AppendError,
  { readonly command: string; readonly reason: string }
> {}
type Command = ApplyBars | ApplyRound | LatchStop | ReleaseStop

export const run = (component: Component) =>
  Effect.gen(function* () {
    const { run, settings } = yield* NodeContext
    const { tracing } = settings.telemetry
    const journal = yield* Journal
    const leases = yield* Leases
    yield* component.standby("waiting for the broker's lease")
    const lease = yield* leases.acquire(name)
    const account = yield* Aggregate.open(
      {
        name: "account",
        version: accountStateVersion,
        stream: accountStream,
        events: accountEvents,
        initial: empty,
        evolve,
        snapshot: AccountState,
        snapshotEvery: settings.store.snapshotEvery
      },
      { epoch: lease.epoch, eventsKept: settings.store.streamEventsMax }
    )
    const { state } = account
    const { startingCash, account: accountName, tradeExposureMin, ...limits } = settings.broker
    const terms = termsOf({ ...withoutLimits(settings.costs), ...limits })
    const about = (asOf: number, subject: string, extra: Partial<About> = {}): About => ({
      run,
      source: name,
      asOf,
      subject,
      ...extra
    })

    if (state().account === empty.account) {
      const cash = Micro.make(toMicro(startingCash))
      const opened = { account: accountName, currency: "USD", cash }
      yield* account.append(AccountOpened, enveloped(about(0, "opened"), opened))
    }

    const bars = Progress.make(state().barsSequence)
    const decisions = Progress.make(state().decisionsSequence)
    const agent = yield* Agent.make<Command>({ name, mailboxCapacityMax })
    yield* component.watchMailbox(agent.mailbox)
    yield* component.onStop(agent.drain)

    const publish = (fills: ReadonlyArray<Fill>, origin: Omit<About, "subject">) =>
      publishEach(
        fillsTopic,
        origin,
        lease.epoch,
        fills.map((fill) => ({
          subject: `fill-${fill.order}`,
          instrument: fill.instrument,
          payload: fill
        }))
      )
    const latest = yield* eventAt(accountStream, account.sequence(), [BarsApplied])
    if (latest !== undefined) {
      const { causation, payload, traceparent } = latest
      yield* publish(payload.fills, about(payload.asOf, "", { causation, traceparent }))
    }

    const applyBarsEvent = (event: BarsEvent, sequence: number): Effect.Effect<unknown, AppendError, Bus> => {
      const extra = { causation: event.id, traceparent: event.traceparent }
      switch (event.type) {
        case "FeedOpened": {
          const listed = { barsSequence: sequence, instruments: event.payload.instruments }
          return account.append(
            InstrumentsListed,
            enveloped(about(event.occurredAt, `listed-${sequence}`, extra), listed)
          )
        }
        case "BarsClosed": {
          const applied = applyBars(state(), event.payload, sequence, terms)
          const origin = about(event.payload.asOf, `bars-${sequence}`, extra)
          const ordered = new Map(state().open.map(({ asOf, id }) => [id, asOf]))
          return Effect.all(
            [
              account.append(BarsApplied, enveloped(origin, applied)),
              publish(applied.fills, origin),
              // A fill belongs to the trace of the decision it comes from, of an earlier as-of than its bars.
              ...applied.fills.map(({ at, order }) =>
                inTrace(tracing, "broker.fill", traceOf(run, ordered.get(order) ?? at))(Effect.void)
              )
            ],
            { discard: true }
          )
        }
        case "FeedEnded":
          return account.append(
            FeedClosed,
            enveloped(about(event.occurredAt, `ended-${sequence}`, extra), { barsSequence: sequence })
          )
        // Fills stand, and what befalls the sources of the bars changes no account.
        case "BarsCorrected":
        case "FeedHandedOver":
        case "FeedsDisagreed":
        case "FeedRecovered":
          return Effect.void
      }
    }

    /** What can be said after reading the positions again. */
    const stopReport = (cancelled: number): StopReport => {
      const current = state()
      const positions = [...current.ledger.positions.values()].filter(({ lots }) => lots !== 0).length
      const notFlat = current.feedEnded ? ("latched, not flat" as const) : ("flattening" as const)
      return { state: isFlat(current) ? "flat" : notFlat, cancelled, positions, asOf: current.asOf }
    }

    const behaviour: Agent.Behaviour<Command, Bus> = {
      ApplyBars: ({ event, sequence }) =>
        Effect.suspend(() =>
          sequence <= state().barsSequence ? Effect.void : Effect.asVoid(applyBarsEvent(event, sequence))
        ).pipe(Effect.tap(() => bars.advance(sequence))),
      ApplyRound: ({ event, sequence }) =>
        Effect.suspend(() => {
          if (sequence <= state().decisionsSequence) return Effect.void
          const { asOf } = event.payload
          const applied = applyDecisions(state(), event.payload.decisions, asOf, sequence, {
            tradeExposureMin,
            terms
          })
          const extra = { causation: event.id, traceparent: event.traceparent }
          return account
            .append(DecisionsApplied, enveloped(about(asOf, `decisions-${sequence}`, extra), applied))
            .pipe(Effect.asVoid, inTrace(tracing, "broker.orders", event.traceparent))
        }).pipe(Effect.tap(() => decisions.advance(sequence))),
      LatchStop: ({ command, reason }) =>
        Effect.gen(function* () {
          if (state().commands.includes(command)) return stopReport(0)
          const latched = latchStop(state(), command, reason)
          yield* account.append(StopLatched, enveloped(about(latched.asOf, `stop-${command}`), latched))
          yield* Effect.logWarning(`Trading is stopped: ${reason}`)
          return stopReport(latched.cancellations.length)
        }),
      ReleaseStop: ({ command, reason }) =>
        Effect.gen(function* () {
          const wasLatched = state().stop !== null
          if (state().commands.includes(command) || !wasLatched) return { wasLatched }
          yield* account.append(
            StopReleased,
            enveloped(about(state().asOf ?? 0, `release-${command}`), { command, reason })
          )
          return { wasLatched }
        })
    }

    /** Follows a stream from where the account is, one event after the other. */
    const follow = <const Types extends ReadonlyArray<EventType.AnyEventType>>(
      stream: string,
      types: Types,
      from: number,
      progress: Progress.Progress,
      toCommand: (event: EventType.EventOf<Types[number]>, sequence: number) => ApplyBars | ApplyRound
    ) => {
      const decode = EventType.decoder(types)
      return Stream.runForEach(journal.tail(stream, Sequence.make(from)), (record) =>
        Effect.flatMap(decodeRecord(`${name}.${stream}`, decode, record), (event) =>
          event === undefined
            ? Effect.sync(() => progress.advance(record.sequence))
            : agent.submit(toCommand(event, record.sequence))
        )
      )
    }
    const followBars = follow(
      barsStream,
      barsEvents,
      state().barsSequence,
      bars,
      (event, sequence) => new ApplyBars({ event, sequence })
    )
    const followDecisions = follow(
      decisionsStream,
      [RoundForOrders],
      state().decisionsSequence,
      decisions,
      (event, sequence) => new ApplyRound({ event, sequence })
    )

    const queries = BrokerRpcs.toLayer({
      Account: ({ barsSequence }) => Effect.map(bars.reached(barsSequence), () => snapshotOf(state())),
      SettleAccount: ({ barsSequence, decisionsSequence }) =>
        Effect.map(Effect.zipRight(bars.reached(barsSequence), decisions.reached(decisionsSequence)), () => ({
          asOf: state().asOf,
          fills: state().fills
        }))
    })
    const storageFailed = (error: { readonly message: string }) =>
      new StorageFailed({ reason: error.message })
    const asStorageFailure = <A, E extends { readonly _tag: string; readonly message: string }>(
      effect: Effect.Effect<A, E | AppendError>
    ) =>
      Effect.catchTags(effect as Effect.Effect<A, AppendError | Agent.MailboxError>, {
        WrongExpectedSequence: storageFailed,
        StaleEpoch: storageFailed,
        JournalUnavailable: storageFailed,
        PayloadTooLarge: storageFailed
      })
    const control = BrokerControlRpcs.toLayer({
      EmergencyStop: ({ command, reason }) => asStorageFailure(agent.ask(new LatchStop({ command, reason }))),
      ReleaseStop: ({ command, reason }) => asStorageFailure(agent.ask(new ReleaseStop({ command, reason })))
    })
    yield* Effect.provide(serveAgent(BrokerRpcs, name), queries)
    yield* Effect.provide(serveAgent(BrokerControlRpcs, name, "control"), control)

    yield* component.running()
    yield* Effect.all([agent.live(behaviour), followBars, followDecisions, lease.lost], {
      concurrency: "unbounded",
      discard: true
    })
  })
