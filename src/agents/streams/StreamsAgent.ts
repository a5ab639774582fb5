/**
 * The streams agent: follows the bars and the committee's rounds, and publishes each market-intelligence stream at its
 * interval. It keeps the latest publications for those who ask, and puts what is new into the context.
 *
 * What can go wrong never leaves the stream it befell: it is told in the log, and the stream is published when it is due
 * again. Nobody waits for this agent; in lock-step it follows behind.
 *
 * A stream is read from what the journal held when the latest bars came: those bars, and the rounds before them. In
 * lock-step nothing goes by the clock: intervals are counted in the bars' time, and the context is left alone, so that a
 * repetition publishes the same. Otherwise they are of the monotonic clock, between bars as well, each stream on its own
 * fiber, from when the agent has caught up with the journal. The warm-up is learned from and nothing is published in it.
 */
import { Cause, Effect, Either, Option, Stream } from "effect"
import { barsEvents, barsStream } from "../../protocols/Bar.ts"
import { ContextRpcs } from "../../protocols/rpc/ContextRpcs.ts"
import { StreamsRpcs } from "../../protocols/rpc/StreamsRpcs.ts"
import { type Publication, publishedAtOf, StreamName, streamItem } from "../../protocols/Streams.ts"
import { toMs } from "../../protocols/TimeFrame.ts"
import * as EventType from "../../protocols/wire/EventType.ts"
import { epochZero } from "../../protocols/wire/Ids.ts"
import { Bus } from "../../runtime/Bus.ts"
import { breathe } from "../../runtime/breathe.ts"
import { decodeRecord } from "../../runtime/Fold.ts"
import { Journal } from "../../runtime/Journal.ts"
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
import { everyInterval, isDue, lockStepInterval } from "./schedule.ts"

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
    const journal = yield* Journal
    /** What the journal has when this life begins is read before anything is published by the clock. */
    const caughtUpAt = yield* journal.last(barsStream)
    const seen = yield* Projection.open({
      name,
      version: 2,
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
      regime: streams.regimeEveryMs,
      "market-features": streams.featuresEveryMs
    }
    /** Of each stream the latest publications, one of each as-of, oldest first. */
    const held = new Map<StreamName, Array<Publication>>(names.map((stream) => [stream, []]))
    const heldOf = (stream: StreamName): ReadonlyArray<Publication> => held.get(stream) ?? []

    const remember = (publication: Publication) => {
      const latest = held.get(publication.stream) ?? []
      held.set(publication.stream, latest)
      if (latest.at(-1)?.asOf === publication.asOf) latest.pop()
      latest.push(publication)
      if (latest.length > streams.historyMax) latest.shift()
    }

    /** To whoever listens: within a process nobody does. */
    const tell = (publication: Publication) => {
      if (bus.transport !== "nats") return Effect.void
      const { asOf, stream } = publication
      const publishedAt = publishedAtOf(publication)
      const about = {
        run,
        source: name,
        asOf,
        subject: `${stream}/${publishedAt}`,
        knownAt: publishedAt
      } as const
      const event = {
        ...enveloped(about, publication),
        epoch: epochZero
      }
      const topic: Topic.Topic<string, Publication> = streamTopics[stream] as never
      return Effect.provideService(Topic.publish(topic, event), Bus, bus)
    }

    /** As-ofs of what the context has. */
    const keptAsOf = new Map<StreamName, number>()
    const keepNew = (publication: Publication) => {
      const { asOf, definition, stream } = publication
      if (asOf <= (keptAsOf.get(stream) ?? Number.NEGATIVE_INFINITY)) return Effect.void
      const item = {
        type: streamItem(stream),
        version: definition,
        source: name,
        occurredAt: asOf,
        knownAt: asOf,
        instrument: null,
        // One reading is one item, whenever and in whichever life it is published.
        payload: { ...publication, publishedAt: asOf }
      }
      return Effect.matchEffect(context.Keep({ item }), {
        onSuccess: () => Effect.sync(() => keptAsOf.set(stream, asOf)),
        // A node may have no context agent near it; the stream is told all the same, and kept when it is published again.
        onFailure: ({ message }) => Effect.logDebug(`The ${stream} stream is not in the context: ${message}`)
      })
    }

    const publish = (stream: StreamName) =>
      Effect.gen(function* () {
        const publication: Publication = yield* readings[stream]
        remember(publication)
        yield* tell(publication)
        if (!isLockStep()) yield* keepNew(publication)
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

    /** Open once there are bars to trade on that go by the clock. */
    const paced = yield* Effect.makeLatch(false)
    const openWhenPaced = Effect.suspend(() =>
      isLockStep() || seen.state().bars.isWarmUp ? Effect.void : paced.open
    )
    /** No bars are there without the rounds before them. */
    const settled: Effect.Effect<void> = Effect.suspend(() => {
      const applied = seen.applied()
      return seen.progress.current() >= applied
        ? Effect.void
        : Effect.zipRight(seen.progress.reached(applied), settled)
    })
    const publishByTheClock = (stream: StreamName) =>
      paced.await.pipe(
        Effect.zipRight(seen.progress.reached(caughtUpAt)),
        Effect.zipRight(
          everyInterval(everyMs[stream], Effect.all([breathe, settled, publish(stream)], { discard: true }))
        )
      )

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
        yield* openWhenPaced
        if (state.bars.isWarmUp || !isLockStep()) return
        for (const stream of dueInLockStep(state.bars)) yield* Effect.zipRight(breathe, publish(stream))
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
    yield* openWhenPaced
    yield* Effect.all([follow, ...names.map(publishByTheClock)], { concurrency: "unbounded", discard: true })
  })
