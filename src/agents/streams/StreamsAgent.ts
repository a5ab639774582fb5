/**
 * The streams agent: follows the bars and the committee's rounds, and publishes each market-intelligence stream when its
 * interval has begun anew and there are bars of a new as-of. It keeps the latest publications for those who ask, and puts
 * each into the context.
 *
 * What can go wrong never leaves the stream it befell: it is told in the log, and the stream is published when it is due
 * again. Nobody waits for this agent; in lock-step it follows behind.
 *
 * A stream is read from what the journal held when its bars came: those bars, and the rounds before them. In lock-step
 * nothing goes by the clock: intervals are counted in the bars' time, and the context is left alone, so that a repetition
 * publishes the same. The warm-up is learned from and nothing is published in it.
 */
import { Cause, Effect, Either, FiberSet, Option, Stream } from "effect"
import { barsEvents, barsStream } from "../../protocols/Bar.ts"
import { ContextRpcs } from "../../protocols/rpc/ContextRpcs.ts"
import { StreamsRpcs } from "../../protocols/rpc/StreamsRpcs.ts"
import { type Publication, StreamName, streamItem } from "../../protocols/Streams.ts"
import { toMs } from "../../protocols/TimeFrame.ts"
import * as EventType from "../../protocols/wire/EventType.ts"
import { epochZero } from "../../protocols/wire/Ids.ts"
import { Bus } from "../../runtime/Bus.ts"
import { breathe } from "../../runtime/breathe.ts"
import { decodeRecord } from "../../runtime/Fold.ts"
import { monotonicMs } from "../../runtime/MonotonicClock.ts"
import * as Projection from "../../runtime/Projection.ts"
import type { Component } from "../../runtime/Supervisor.ts"
import * as Topic from "../../runtime/Topic.ts"
import { callAgent, enveloped, NodeContext, serveAgent } from "../NodeContext.ts"
import { Programs } from "../Programs.ts"
import { openSentimentScorer } from "../sentiment/SentimentScorer.ts"
import { streamTopics } from "../topics.ts"
import type { BarsSeen } from "./BarsSeen.ts"
import { RoundForStreams } from "./RoundForStreams.ts"
import { roundsBefore } from "./RoundsBefore.ts"
import { evolveRoundsSeen } from "./RoundsSeen.ts"
import { makeReadings } from "./readings.ts"
import { emptySeen, evolveSeen, type Seen, SeenSnapshot } from "./Seen.ts"
import { SentenceScorer } from "./SentenceScorer.ts"
import { makeSentimentTexts } from "./SentimentTexts.ts"
import { isDue, lockStepInterval } from "./schedule.ts"

const name = "streams"
const names = StreamName.literals

/** What scores sentences: what the node provides, else the model that is configured; or why nothing does. */
const findScorer = Effect.gen(function* () {
  const provided = yield* Effect.serviceOption(SentenceScorer)
  if (Option.isSome(provided)) return provided.value
  const { settings } = yield* NodeContext
  const { sentimentModel } = settings.streams
  if (sentimentModel === "") return "no model that scores sentences is configured (streams.sentimentModel)"
  const scripts = yield* Programs
  const { hostMemoryBytesMax: memoryBytesMax, runMsMax } = settings.models
  const opened = yield* Effect.either(
    openSentimentScorer(sentimentModel, { scripts, memoryBytesMax, runMsMax })
  )
  if (Either.isRight(opened)) return opened.right
  yield* Effect.logWarning(opened.left.message)
  return opened.left.message
})

export const run = (component: Component) =>
  Effect.gen(function* () {
    const { run, settings } = yield* NodeContext
    const { streams } = settings
    const bus = yield* Bus
    const context = yield* callAgent(ContextRpcs, "context")
    const now = yield* monotonicMs
    const beside = yield* FiberSet.make()
    const seen = yield* Projection.open({
      name,
      version: 1,
      stream: barsStream,
      events: barsEvents,
      initial: emptySeen(),
      evolve: evolveSeen,
      snapshot: SeenSnapshot,
      snapshotEvery: settings.store.snapshotEvery
    })
    const isLockStep = () => seen.state().bars.paceMs === null
    const rounds = yield* roundsBefore(seen.state().roundsThrough)
    const decodeRound = EventType.decoder([RoundForStreams])

    const scorer = yield* findScorer
    const readings = makeReadings({
      settings,
      bars: () => seen.state().bars,
      rounds: () => seen.state().rounds,
      texts: typeof scorer === "string" ? scorer : makeSentimentTexts(context, scorer)
    })
    const everyMs: Readonly<Record<StreamName, number>> = {
      prices: streams.pricesEveryMs,
      volatility: streams.volatilityEveryMs,
      sentiment: streams.sentimentEveryMs,
      "inequality-momentum": streams.inequalityEveryMs,
      contrarian: streams.contrarianEveryMs,
      "consensus-wrong": streams.consensusEveryMs,
      "real-wages": streams.wagesEveryMs,
      regime: streams.regimeEveryMs
    }
    /** The latest publications of each stream, oldest first. */
    const held = new Map<StreamName, Array<Publication>>(names.map((stream) => [stream, []]))
    const heldOf = (stream: StreamName): ReadonlyArray<Publication> => held.get(stream) ?? []

    const remember = (publication: Publication) => {
      const latest = held.get(publication.stream) ?? []
      held.set(publication.stream, latest)
      latest.push(publication)
      if (latest.length > streams.historyMax) latest.shift()
    }

    /** To whoever listens: within a process nobody does. */
    const tell = (publication: Publication) => {
      if (bus.transport !== "nats") return Effect.void
      const { asOf, stream } = publication
      const event = {
        ...enveloped({ run, source: name, asOf, subject: stream }, publication),
        epoch: epochZero
      }
      const topic: Topic.Topic<string, Publication> = streamTopics[stream] as never
      return Effect.provideService(Topic.publish(topic, event), Bus, bus)
    }

    const keep = (publication: Publication) => {
      const { asOf, definition, stream } = publication
      const item = {
        type: streamItem(stream),
        version: definition,
        source: name,
        occurredAt: asOf,
        knownAt: asOf,
        instrument: null,
        payload: publication
      }
      // A node may have no context agent near it; the stream is told all the same.
      return Effect.catchAll(context.Keep({ item }), ({ message }) =>
        Effect.logDebug(`The ${stream} stream is not in the context: ${message}`)
      )
    }

    const publish = (stream: StreamName) =>
      Effect.gen(function* () {
        const publication: Publication = yield* readings[stream]
        remember(publication)
        yield* tell(publication)
        if (!isLockStep()) yield* keep(publication)
      }).pipe(
        Effect.catchAllCause((cause) =>
          Cause.isInterruptedOnly(cause)
            ? Effect.interrupt
            : Effect.logWarning(`The ${stream} stream was not published`, cause)
        )
      )

    const dueInLockStep = ({ asOf, previousAsOf, timeFrame }: BarsSeen) => {
      const frameMs = timeFrame === null ? 0 : toMs(timeFrame)
      return names.filter((stream) =>
        isDue(lockStepInterval(everyMs[stream], frameMs, streams.lockStepEveryBars), previousAsOf, asOf)
      )
    }

    /** By the clock: when each was last found due, and which are being read. */
    const lastDue = new Map<StreamName, number>()
    const inHand = new Set<StreamName>()
    const dueByClock = () => {
      const at = now()
      return names.filter((stream) => !inHand.has(stream) && isDue(everyMs[stream], lastDue.get(stream), at))
    }
    const publishBeside = (stream: StreamName) => {
      lastDue.set(stream, now())
      inHand.add(stream)
      return FiberSet.run(
        beside,
        // Each in a turn of its own.
        Effect.zipRight(breathe, publish(stream)).pipe(
          Effect.ensuring(Effect.sync(() => inHand.delete(stream)))
        )
      )
    }

    /** The rounds that the journal had before these bars. */
    const takeRounds = (state: Seen, barsSequence: number) =>
      Effect.gen(function* () {
        for (const record of yield* rounds.next(barsSequence)) {
          const event = yield* decodeRecord(name, decodeRound, record)
          if (event !== undefined) evolveRoundsSeen(state.rounds, event)
          state.roundsThrough = record.sequence
        }
      })

    const follow = seen.run((event, state, sequence) =>
      Effect.gen(function* () {
        if (event.type !== "BarsClosed") return
        yield* takeRounds(state, sequence)
        if (state.bars.isWarmUp) return
        if (isLockStep()) {
          for (const stream of dueInLockStep(state.bars)) yield* Effect.zipRight(breathe, publish(stream))
        } else {
          for (const stream of dueByClock()) yield* publishBeside(stream)
        }
      })
    )

    const oneByOne = (publications: ReadonlyArray<Publication>) =>
      Stream.rechunk(Stream.fromIterable(publications), 1)
    const handlers = StreamsRpcs.toLayer({
      LatestStreams: ({ streams: wanted }) =>
        Stream.suspend(() =>
          oneByOne(
            names
              .filter((stream) => wanted.length === 0 || wanted.includes(stream))
              .flatMap((stream) => heldOf(stream).slice(-1))
          )
        ),
      StreamHistory: ({ limit, stream }) => Stream.suspend(() => oneByOne(heldOf(stream).slice(-limit)))
    })
    yield* Effect.provide(serveAgent(StreamsRpcs, name), handlers)

    yield* component.running()
    yield* follow
  })
