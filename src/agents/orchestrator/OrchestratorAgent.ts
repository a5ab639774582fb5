/**
 * The orchestrator. On every event of bars it opens a round: asks the voters and the broker, decides, lets the
 * journal accept the decisions once per key, and publishes them after that. Asking takes its time outside the
 * mailbox; what it comes to is a command, and commands are carried out one after the other.
 */
import { Chunk, Clock, Effect, Fiber, Option, Request, Schedule, Stream } from "effect"
import { roundTrip } from "../../market/Costs.ts"
import { type BarsEvent, barsEvents, barsStream } from "../../protocols/Bar.ts"
import {
  decisionId,
  decisionsEvents,
  decisionsStream,
  type Policy,
  RoundClosed
} from "../../protocols/Decision.ts"
import { AsOfInFuture, NotReady } from "../../protocols/errors.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import type { Question } from "../../protocols/Opinion.ts"
import { BrokerRpcs } from "../../protocols/rpc/BrokerRpcs.ts"
import { OrchestratorRpcs } from "../../protocols/rpc/OrchestratorRpcs.ts"
import { VoterRpcs } from "../../protocols/rpc/VoterRpcs.ts"
import { parseTraceparent } from "../../protocols/wire/Trace.ts"
import * as Agent from "../../runtime/Agent.ts"
import * as Aggregate from "../../runtime/Aggregate.ts"
import type { Bus } from "../../runtime/Bus.ts"
import * as BusRpcClient from "../../runtime/BusRpcClient.ts"
import type { AppendError } from "../../runtime/Journal.ts"
import { Leases } from "../../runtime/Leases.ts"
import * as Progress from "../../runtime/Progress.ts"
import * as Projection from "../../runtime/Projection.ts"
import { retrying } from "../../runtime/retrying.ts"
import type { Component } from "../../runtime/Supervisor.ts"
import { inTrace } from "../../runtime/tracing.ts"
import { type About, callAgent, enveloped, NodeContext, serveAgent, traceOf } from "../NodeContext.ts"
import { eventAt, publishEach } from "../publishing.ts"
import { resolveInstrument } from "../resolveInstrument.ts"
import type { Settings } from "../Settings.ts"
import { decisionsTopic } from "../topics.ts"
import { type AskOptions, askVoters, unasked } from "./askVoters.ts"
import * as Committee from "./Committee.ts"
import { type Circumstances, closeRound, decideQuestion, type RoundOptions } from "./closeRound.ts"
import * as DecisionIndex from "./DecisionIndex.ts"
import * as MarketView from "./MarketView.ts"
import { replay } from "./replay.ts"
import { instrumentStates } from "./standing.ts"

const name = "orchestrator"
const mailboxCapacityMax = 64

type Round = RoundClosed["payload"]

class CloseRound extends Request.TaggedClass("CloseRound")<
  void,
  AppendError,
  {
    readonly event: Extract<BarsEvent, { readonly type: "BarsClosed" }>
    readonly make: () => ReadonlyArray<Round>
  }
> {}

/** A paced round may be this many intervals late before its bars are stale, but always its voters' deadline. */
const staleIntervals = 1.5

/** Evidence is kept up to this much, in nats, beyond what is asked for. */
const evidenceBeyond = 3
const trimEvery = "5 minutes"
const lookAgain = Schedule.spaced("100 millis")
const lookAgainOnce = Schedule.intersect(lookAgain, Schedule.recurs(1))

const policyOf = (settings: Settings, instruments: number, paceMs: number | null): Policy => {
  const { exposureMax, quorum, stalenessMaxMs, voters, ...policy } = settings.orchestrator
  const derived =
    paceMs === null
      ? 86_400_000
      : Math.max(Math.ceil(paceMs * staleIntervals), settings.orchestrator.deadlineMs)
  return {
    confidenceMin: policy.confidenceMin,
    winProbabilityMin: policy.winProbabilityMin,
    edgeCostMultipleMin: policy.edgeCostMultipleMin,
    skillAlpha: policy.skillAlpha,
    kellyFraction: policy.kellyFraction,
    allowShort: policy.allowShort,
    quorum: quorum === 0 ? Math.floor(voters.length / 2) + 1 : quorum,
    // The limit is on all instruments together: each has its part of it.
    exposureMax: exposureMax / Math.max(instruments, 1),
    stalenessMaxMs: stalenessMaxMs === 0 ? derived : stalenessMaxMs
  }
}

/** As many decisions as fit into one message whatever they hold: a chunk of a stream is sent as one. */
const decisionsPerMessageMax = 32
const inMessages = <A, E>(decisions: Stream.Stream<A, E>): Stream.Stream<A, E> =>
  Stream.chunks(decisions).pipe(
    Stream.mapConcatChunk(Chunk.chunksOf(decisionsPerMessageMax)),
    Stream.rechunk(1),
    Stream.flattenChunks
  )

export const run = (component: Component) =>
  Effect.gen(function* () {
    const { run, settings } = yield* NodeContext
    const { orchestrator, telemetry } = settings
    const leases = yield* Leases
    yield* component.standby("waiting for the orchestrator's lease")
    const lease = yield* leases.acquire(name)
    const { horizonBars } = orchestrator
    const viewOptions = { horizonBars, roundTripCost: roundTrip(settings.costs) }
    const committeeOptions: Committee.CommitteeOptions = {
      members: Committee.membersOf(orchestrator.voters),
      horizonBars,
      hedgeRate: orchestrator.hedgeRate,
      hedgeShare: orchestrator.hedgeShare,
      evidenceMax: -Math.log(orchestrator.skillAlpha) + evidenceBeyond
    }
    const committee = yield* Aggregate.open(
      {
        name: "committee",
        version: 1,
        stream: decisionsStream,
        events: decisionsEvents,
        initial: Committee.empty,
        evolve: Committee.evolve(committeeOptions),
        snapshot: Committee.Committee,
        snapshotEvery: settings.store.snapshotEvery
      },
      { epoch: lease.epoch, eventsKept: settings.store.streamEventsMax }
    )
    const market = yield* Projection.open({
      name: "orchestrator.market",
      version: 1,
      stream: barsStream,
      events: barsEvents,
      initial: MarketView.empty,
      evolve: MarketView.evolve(viewOptions),
      snapshot: MarketView.MarketView,
      snapshotEvery: settings.store.snapshotEvery
    })
    const index = yield* DecisionIndex.open
    const settled = Progress.make(committee.state().barsSequence)
    const broker = yield* callAgent(BrokerRpcs, "broker")
    const voters = yield* Effect.forEach(orchestrator.voters, (voter) =>
      Effect.map(callAgent(VoterRpcs, voter), (client) => ({ name: voter, client }))
    )
    const agent = yield* Agent.make<CloseRound>({ name, mailboxCapacityMax })
    yield* component.watchMailbox(agent.mailbox)
    yield* component.onStop(agent.drain)

    const roundOptions = (view: MarketView.MarketView): RoundOptions => ({
      ...committeeOptions,
      run,
      policy: policyOf(settings, view.listed.length, view.paceMs)
    })
    const absent = new Set<string>()
    const askOptions = (isLockStep: boolean): AskOptions => ({
      deadlineMs: orchestrator.deadlineMs,
      tries: orchestrator.tries,
      patienceMs: isLockStep ? orchestrator.lockStepPatienceMs : null,
      absent
    })
    const baseRates = (view: MarketView.MarketView) =>
      new Map(view.instruments.map((known) => [known.instrument as string, MarketView.baseRateOf(known)]))

    /** The account once the bars have reached it; null when the broker is away. */
    const accountAt = (barsSequence: number, isLockStep: boolean) =>
      retrying(
        broker
          .Account({ barsSequence })
          .pipe(
            BusRpcClient.withDeadline(isLockStep ? orchestrator.lockStepPatienceMs : orchestrator.deadlineMs)
          ),
        {
          schedule: isLockStep ? Schedule.upTo(lookAgain, orchestrator.lockStepPatienceMs) : lookAgainOnce,
          while: () => true
        }
      ).pipe(
        Effect.catchAll((error) =>
          Effect.as(Effect.logWarning(`The broker did not answer: ${error.message}`), null)
        )
      )

    const publish = (round: Round, about: Omit<About, "subject">) =>
      publishEach(
        decisionsTopic,
        about,
        lease.epoch,
        round.decisions.map((decision) => ({
          subject: decision.id,
          instrument: decision.key.instrument,
          payload: decision
        }))
      )
    const latest = yield* eventAt(decisionsStream, committee.sequence(), decisionsEvents)
    if (latest !== undefined) {
      const { causation, payload, traceparent } = latest
      yield* publish(payload, { run, source: name, asOf: payload.asOf, causation, traceparent })
    }

    const behaviour: Agent.Behaviour<CloseRound, Bus> = {
      CloseRound: ({ event, make }) =>
        Effect.gen(function* () {
          const { asOf } = event.payload
          for (const round of make()) {
            const about = {
              run,
              source: name,
              asOf,
              subject: `round-${round.part}-of-${round.parts}-${round.barsSequence}`,
              causation: event.id,
              traceparent: event.traceparent
            } as const
            yield* committee.append(RoundClosed, enveloped(about, round))
            yield* publish(round, about)
          }
        })
    }

    /** What a round at these bars is about, asked and answered; decided when its turn comes. */
    const openRound = (
      event: Extract<BarsEvent, { readonly type: "BarsClosed" }>,
      view: MarketView.MarketView,
      barsSequence: number
    ) =>
      Effect.gen(function* () {
        const isLockStep = view.paceMs === null || event.payload.warmUp
        const instruments = new Set(event.payload.bars.map(({ instrument }) => instrument))
        const questions = view.instruments.flatMap((known): ReadonlyArray<Question> => {
          const question = instruments.has(known.instrument)
            ? MarketView.questionOf(view, known, viewOptions)
            : undefined
          return question === undefined ? [] : [question]
        })
        const asked = yield* Effect.fork(
          questions.length === 0 ? Effect.succeed(null) : accountAt(barsSequence, isLockStep)
        )
        const options = roundOptions(view)
        const ageMs = Effect.map(Clock.currentTimeMillis, (nowMs) =>
          isLockStep ? 0 : Math.max(0, Math.round(nowMs - event.knownAt))
        )
        // Under more than can be answered, rounds that have become stale while they waited make way for fresh ones.
        const isStale = (yield* ageMs) > options.policy.stalenessMaxMs
        const answers = isStale
          ? unasked(voters, questions, "not asked: the bars were stale already")
          : yield* askVoters(voters, questions, baseRates(view), askOptions(isLockStep))
        const account = yield* yield* Fiber.await(asked)
        const circumstances: Circumstances = {
          asOf: event.payload.asOf,
          barsSequence,
          account,
          warmUp: event.payload.warmUp,
          ageMs: yield* ageMs,
          epoch: lease.epoch,
          traceId: parseTraceparent(event.traceparent).traceId
        }
        const make = () =>
          closeRound(view, committee.state(), instruments, questions, answers, circumstances, options)
        yield* agent.submit(new CloseRound({ event, make }))
      }).pipe(inTrace(telemetry.tracing, "orchestrator.round", event.traceparent))

    const follow = market.run((event, view, sequence) =>
      Effect.gen(function* () {
        if (event.type === "BarsClosed" && sequence > committee.state().barsSequence) {
          yield* openRound(event, view, sequence)
        }
        settled.advance(sequence)
      })
    )

    /** The question of now, with what a what-if puts in the place of horizon and band. */
    const whatIf = (
      instrument: InstrumentId,
      changes: { readonly horizonBars?: number | undefined; readonly band?: number | undefined }
    ) =>
      Effect.gen(function* () {
        const view = market.state()
        const known = view.instruments.find((candidate) => candidate.instrument === instrument)
        const asked = known === undefined ? undefined : MarketView.questionOf(view, known, viewOptions)
        if (known === undefined || asked === undefined) {
          return yield* new NotReady({ reason: `too few bars of ${instrument} have arrived` })
        }
        const question: Question = {
          ...asked,
          horizonBars: changes.horizonBars ?? asked.horizonBars,
          band: changes.band ?? asked.band,
          sigma: MarketView.sigmaOf(known, changes.horizonBars ?? asked.horizonBars)
        }
        const [answers, account] = yield* Effect.all(
          [askVoters(voters, [question], baseRates(view), askOptions(false)), accountAt(0, false)],
          { concurrency: "unbounded" }
        )
        const circumstances: Circumstances = {
          asOf: question.asOf,
          barsSequence: settled.current(),
          account,
          warmUp: false,
          ageMs: 0,
          epoch: lease.epoch,
          traceId: parseTraceparent(traceOf(run, question.asOf)).traceId
        }
        return decideQuestion(
          question,
          answers.get(instrument) ?? [],
          view,
          committee.state(),
          circumstances,
          roundOptions(view)
        )
      })

    const recorded = (instrument: InstrumentId, asOf: number | undefined) =>
      Effect.gen(function* () {
        // A round that is being closed is waited for: asking in its midst gives its decision, not the one before.
        yield* settled.reached(market.applied())
        const view = market.state()
        const latest = view.instruments.find((known) => known.instrument === instrument)?.asOf ?? view.asOf
        if (latest === null || view.timeFrame === null)
          return yield* new NotReady({ reason: "no bars have arrived yet" })
        if (asOf !== undefined && asOf > latest) return yield* new AsOfInFuture({ asOf, latest })
        const id = decisionId({ run, instrument, timeFrame: view.timeFrame, asOf: asOf ?? latest })
        yield* index.progress.reached(committee.sequence())
        return yield* index.byId(id)
      })

    const handlers = OrchestratorRpcs.toLayer({
      Decide: ({ asOf, instrument, whatIf: changes }) =>
        Effect.flatMap(resolveInstrument(market.state().listed, instrument), (id) =>
          changes === undefined ? recorded(id, asOf) : whatIf(id, changes)
        ),
      Decisions: ({ follow, instrument, latest }) =>
        Stream.unwrap(
          Effect.gen(function* () {
            const id =
              instrument === undefined
                ? undefined
                : yield* resolveInstrument(market.state().listed, instrument)
            const from = committee.sequence()
            yield* index.progress.reached(from)
            // What is accepted meanwhile comes with what follows.
            const past = Stream.fromIterableEffect(index.latest(latest, id, from))
            return inMessages(follow ? Stream.concat(past, index.after(from, id)) : past)
          })
        ),
      Replay: ({ decision, deep }) =>
        Effect.flatMap(index.byId(decision), (found) =>
          replay(found, deep ? Option.some(voters) : Option.none())
        ),
      Settle: ({ barsSequence }) =>
        Effect.map(settled.reached(barsSequence), () => {
          const { abstentions, decisions } = committee.state()
          return { decisionsSequence: committee.sequence(), decisions, abstentions }
        }),
      Standing: () => Effect.sync(() => instrumentStates(market.state(), committee.state(), committeeOptions))
    })
    yield* Effect.provide(serveAgent(OrchestratorRpcs, name), handlers)

    yield* component.running()
    const trim = index.trim(settings.store.contextItemsMax).pipe(
      Effect.catchAll((error) => Effect.logWarning(error.message)),
      Effect.schedule(Schedule.spaced(trimEvery))
    )
    yield* Effect.all([agent.live(behaviour), follow, index.run, trim, lease.lost], {
      concurrency: "unbounded",
      discard: true
    })
  })
