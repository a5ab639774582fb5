import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema, Stream, TestClock } from "effect"
import * as ContextAgent from "../../../src/agents/context/ContextAgent.ts"
import { callAgent } from "../../../src/agents/NodeContext.ts"
import { Programs } from "../../../src/agents/Programs.ts"
import type { Settings } from "../../../src/agents/Settings.ts"
import { SentenceScorer } from "../../../src/agents/streams/SentenceScorer.ts"
import * as StreamsAgent from "../../../src/agents/streams/StreamsAgent.ts"
import { streamTopics } from "../../../src/agents/topics.ts"
import { barsStream, FeedEnded } from "../../../src/protocols/Bar.ts"
import { ContextRpcs } from "../../../src/protocols/rpc/ContextRpcs.ts"
import { StreamsRpcs } from "../../../src/protocols/rpc/StreamsRpcs.ts"
import { Publication, publishedAtOf, StreamName, streamItem } from "../../../src/protocols/Streams.ts"
import { derivedId } from "../../../src/protocols/wire/Ids.ts"
import { Bus } from "../../../src/runtime/Bus.ts"
import { breathe } from "../../../src/runtime/breathe.ts"
import * as Topic from "../../../src/runtime/Topic.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { ended, frameMs, run } from "../feedEvents.ts"
import { append, nodeServicesIn, startAgent } from "../nodeServices.ts"
import { settingsWith } from "../settings.ts"
import { asOfs, closeAsOf, closeAsOfs, events, openFeed, warmUp } from "./journalled.ts"

const names = StreamName.literals
const quickly = {
  "streams.lockStepEveryBars": 1,
  "streams.historyMax": 1_000,
  "streams.regimeFitBars": 200,
  "streams.regimeRefitEveryBars": 50
}
const nowhere = "/nowhere"
const programs = Layer.succeed(Programs, {
  root: nowhere,
  modelHost: nowhere,
  sentimentHost: nowhere,
  trainingHost: nowhere,
  trainer: nowhere
})
const inLife = <A, E, R>(directory: string, settings: Settings, effect: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.provide(effect, Layer.merge(nodeServicesIn(directory, settings), programs)))

/** Everything that the agent holds, stream by stream. */
const everything = Effect.scoped(
  Effect.gen(function* () {
    const client = yield* callAgent(StreamsRpcs, "streams")
    const all = yield* Effect.forEach(names, (stream) =>
      Stream.runCollect(client.StreamHistory({ stream, limit: 1_000 }))
    )
    return all.map((publications) => [...publications])
  })
)
const latest = (...streams: ReadonlyArray<StreamName>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const client = yield* callAgent(StreamsRpcs, "streams")
      return [...(yield* Stream.runCollect(client.LatestStreams({ streams })))]
    })
  )
/** Turns of the event loop that are left to the agent before it is asked again. */
const turnsBetweenLooks = 50

/** Asks until it is so; the test's own limit ends it where it never is. */
const until = <A, E, R>(look: Effect.Effect<A, E, R>, isSo: (found: A) => boolean) =>
  Effect.gen(function* () {
    while (!isSo(yield* look)) yield* Effect.repeatN(breathe, turnsBetweenLooks)
  })

const publishedThrough = (index: number) =>
  until(latest("regime"), ([publication]) => publication !== undefined && publication.sequence >= index)

describe("the streams agent in lock-step", () => {
  it.scopedLive(
    "publishes every stream after the warm-up, the same whether it keeps up, comes late, or begins a second life",
    () =>
      Effect.gen(function* () {
        const settings = settingsWith({ ...quickly, "store.snapshotEvery": 40 })
        // Beside the run.
        const beside = yield* inLife(
          yield* temporaryDirectory,
          settings,
          Effect.gen(function* () {
            yield* openFeed(null)
            yield* startAgent(StreamsAgent.run)
            yield* closeAsOfs(0, asOfs)
            yield* publishedThrough(asOfs - 1)
            return yield* everything
          })
        )
        for (const [i, publications] of beside.entries()) {
          expect(publications.map(({ stream }) => stream)).toEqual(publications.map(() => names[i]))
          expect(publications.map(({ asOf }) => asOf)).toEqual(
            events.slice(warmUp).map(({ payload }) => payload.asOf)
          )
          expect(publications.map(({ sequence }) => sequence)).toEqual(
            Array.from({ length: asOfs - warmUp }, (_, at) => warmUp + at)
          )
          expect(publications.every(Schema.is(Publication))).toBe(true)
        }
        const statuses = beside.map((publications) => publications.at(-1)?.reading.status)
        expect(statuses).toEqual([
          ...["available", "available", "unavailable", "available"],
          ...["available", "available", "unavailable", "available"],
          "available"
        ])
        expect(beside.flat().every(({ asOf, publishedAt }) => publishedAt === asOf)).toBe(true)

        // After the run.
        const directory = yield* temporaryDirectory
        const late = yield* inLife(
          directory,
          settings,
          Effect.gen(function* () {
            yield* openFeed(null)
            yield* closeAsOfs(0, asOfs)
            yield* startAgent(StreamsAgent.run)
            yield* publishedThrough(asOfs - 1)
            return yield* everything
          })
        )
        expect(late).toEqual(beside)

        // Over the same journal again, from the snapshots of the life before.
        const again = yield* inLife(
          directory,
          settings,
          Effect.gen(function* () {
            yield* startAgent(StreamsAgent.run)
            yield* append(barsStream, FeedEnded, ended(0))
            yield* publishedThrough(asOfs - 1)
            return yield* everything
          })
        )
        for (const [i, publications] of again.entries()) {
          expect(publications.length).toBeGreaterThan(0)
          expect(publications.length).toBeLessThan(asOfs - warmUp)
          expect(publications).toEqual(beside[i]?.slice(-publications.length))
        }
      }),
    60_000
  )

  it.scopedLive(
    "publishes at the bars at which an interval begins anew, and not more often than so many bars",
    () =>
      Effect.gen(function* () {
        const settings = settingsWith({
          "streams.lockStepEveryBars": 10,
          "streams.wagesEveryMs": 24 * 3_600_000
        })
        const all = yield* inLife(
          yield* temporaryDirectory,
          settings,
          Effect.gen(function* () {
            yield* openFeed(null)
            yield* startAgent(StreamsAgent.run)
            yield* closeAsOfs(0, 160)
            yield* until(latest("prices"), ([publication]) => (publication?.sequence ?? 0) >= 150)
            return yield* everything
          })
        )
        const [prices, wages] = ["prices", "real-wages"].map((stream) =>
          all.flat().filter((publication) => publication.stream === stream)
        )
        expect(prices?.length).toBe(6)
        expect(prices?.every(({ asOf }) => asOf % (10 * frameMs) === 0)).toBe(true)
        expect(wages?.map(({ asOf }) => asOf % 86_400_000)).toEqual([0, 0])
      })
  )

  it.scopedLive("holds no more than it may", () =>
    Effect.gen(function* () {
      const settings = settingsWith({ ...quickly, "streams.historyMax": 5 })
      const all = yield* inLife(
        yield* temporaryDirectory,
        settings,
        Effect.gen(function* () {
          yield* openFeed(null)
          yield* startAgent(StreamsAgent.run)
          yield* closeAsOfs(0, 130)
          yield* publishedThrough(129)
          return yield* everything
        })
      )
      expect(all.map((publications) => publications.length)).toEqual(names.map(() => 5))
      expect(all[0]?.map(({ sequence }) => sequence)).toEqual([125, 126, 127, 128, 129])
    })
  )

  it.scopedLive("reads series that are configured, and scores texts where something does", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const months = Array.from({ length: 30 }, (_, i) =>
        new Date(Date.UTC(2022, i, 1)).toISOString().slice(0, 10)
      )
      const wages = join(directory, "wages.csv")
      writeFileSync(
        wages,
        ["date,wage_index,price_index", ...months.map((date, i) => `${date},${100 + i},100`)].join("\n")
      )
      const settings = settingsWith({
        ...quickly,
        "streams.wagesSource": wages,
        "streams.surveySource": join(directory, "nothing.csv")
      })
      const found = yield* inLife(
        directory,
        settings,
        Effect.gen(function* () {
          yield* openFeed(null)
          yield* startAgent((component) =>
            Effect.provideService(StreamsAgent.run(component), SentenceScorer, {
              name: "nobody",
              score: () => Effect.succeed([])
            })
          )
          yield* closeAsOfs(0, 120)
          yield* publishedThrough(119)
          return yield* latest("real-wages", "consensus-wrong", "sentiment")
        })
      )
      const of = (stream: StreamName) => found.find((publication) => publication.stream === stream)
      // Of early January 2024 what was published by then is known: the figures of 75 days before.
      expect(of("real-wages")).toMatchObject({
        sources: [wages],
        reading: { status: "available", observedAt: Date.UTC(2023, 9, 1), realGrowth: Math.log(121 / 109) }
      })
      expect(of("consensus-wrong")).toMatchObject({ reading: { surveyed: { status: "unavailable" } } })
      // There is no context agent here, which costs this stream alone.
      expect(of("sentiment")).toMatchObject({
        reading: { status: "unavailable", reason: /cannot be scored/ }
      })
    })
  )
})

describe("a model of sentiment that cannot be used", () => {
  it.scopedLive("costs the sentiment stream, with the reason, and no other", () =>
    Effect.gen(function* () {
      const found = yield* inLife(
        yield* temporaryDirectory,
        settingsWith({ ...quickly, "streams.sentimentModel": "/nowhere/model.onnx" }),
        Effect.gen(function* () {
          yield* openFeed(null)
          yield* startAgent(StreamsAgent.run)
          yield* closeAsOfs(0, 110)
          yield* publishedThrough(109)
          return yield* latest("prices", "sentiment")
        })
      )
      expect(found).toMatchObject([
        { stream: "prices", reading: { status: "available" } },
        {
          stream: "sentiment",
          reading: { status: "unavailable", reason: expect.stringContaining("model.onnx") }
        }
      ])
    })
  )
})

/** Of the test clock, which stands still but for what the test says. */
const clockAt = Date.UTC(2026, 0, 5)

describe("the streams agent in a paced run", () => {
  /** What is held of a stream, with its times by the test clock. */
  const publishedOf = (stream: StreamName) =>
    Effect.map(everything, (all) =>
      (all[names.indexOf(stream)] ?? []).map((publication) => ({
        asOf: publication.asOf,
        sequence: publication.sequence,
        at: publishedAtOf(publication) - clockAt
      }))
    )
  /** Items of a stream in the context, oldest first. */
  const keptOf = (stream: StreamName) =>
    Effect.flatMap(callAgent(ContextRpcs, "context"), (context) =>
      context.Range({ type: streamItem(stream), from: 0, to: clockAt, limit: 10 })
    ).pipe(Effect.scoped)
  const asOfAtIndex = (index: number) => events[index]?.payload.asOf as number

  it.scoped(
    "publishes each stream at its interval, between bars as well, from the first bars after the warm-up on",
    () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(clockAt)
        yield* inLife(
          yield* temporaryDirectory,
          settingsWith({ "streams.pricesEveryMs": 1_000, "streams.featuresEveryMs": 3_000 }),
          Effect.gen(function* () {
            yield* startAgent(ContextAgent.run)
            yield* openFeed(3_600_000)
            yield* startAgent(StreamsAgent.run)
            yield* closeAsOfs(0, warmUp)
            yield* TestClock.adjust(1_000)
            expect(yield* latest()).toEqual([])

            yield* closeAsOf(warmUp)
            yield* until(latest(), (found) => found.length === names.length)
            const [first, second] = [asOfAtIndex(warmUp), asOfAtIndex(warmUp + 1)]
            /** Lets a second pass: prices are due, and at each third the features. */
            const at = (second: number) =>
              Effect.gen(function* () {
                yield* TestClock.adjust(1_000)
                const features = Math.max(1, 3 * Math.floor(second / 3))
                yield* until(publishedOf("prices"), (found) => found.at(-1)?.at === second * 1_000)
                yield* until(publishedOf("market-features"), (found) => found.at(-1)?.at === features * 1_000)
                return (yield* publishedOf("prices")).at(-1)
              })
            expect(yield* publishedOf("prices")).toEqual([{ asOf: first, sequence: warmUp, at: 1_000 }])
            expect(yield* at(2)).toEqual({ asOf: first, sequence: warmUp, at: 2_000 })
            expect(yield* at(3)).toEqual({ asOf: first, sequence: warmUp, at: 3_000 })

            // Bars come, and are told of at an interval's beginning, once the agent has them.
            yield* closeAsOf(warmUp + 1)
            expect((yield* publishedOf("prices")).at(-1)?.at).toBe(3_000)
            let seconds = 4
            while ((yield* at(seconds))?.sequence === warmUp) seconds++
            // Of each as-of the last publication is held.
            expect(yield* publishedOf("prices")).toEqual([
              { asOf: first, sequence: warmUp, at: (seconds - 1) * 1_000 },
              { asOf: second, sequence: warmUp + 1, at: seconds * 1_000 }
            ])
            expect((yield* publishedOf("volatility")).map(({ at }) => at)).toEqual([1_000])

            // What is new is in the context, and once.
            expect((yield* keptOf("prices")).map(({ occurredAt }) => occurredAt)).toEqual([first, second])
          })
        )
      }),
    60_000
  )

  it.scoped(
    "reads what comes from outside as of the clock where the run is live, and of the bars where it is not",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryDirectory
        const vix = join(folder, "vix.csv")
        writeFileSync(vix, "date,close\n2026-01-02,14.5\n")
        const wages = join(folder, "wages.csv")
        const rows = Array.from({ length: 24 }, (_, i) => new Date(Date.UTC(2024, i, 1)).toISOString())
        writeFileSync(
          wages,
          ["date,wage_index,price_index", ...rows.map((date) => `${date},100,100`)].join("\n")
        )
        const settings = settingsWith({
          "streams.pricesEveryMs": 1_000,
          "streams.vixSource": vix,
          "streams.wagesSource": wages
        })
        const found = yield* Effect.forEach([true, false], (isLive) =>
          Effect.gen(function* () {
            yield* TestClock.setTime(clockAt)
            return yield* inLife(
              yield* temporaryDirectory,
              settings,
              Effect.gen(function* () {
                yield* openFeed(3_600_000, isLive)
                yield* closeAsOfs(0, warmUp + 1)
                yield* startAgent(StreamsAgent.run)
                yield* until(latest(), (all) => all.length === names.length)
                const all = yield* latest()
                return new Map(all.map((publication) => [publication.stream, publication]))
              })
            )
          })
        )
        const barsAsOf = asOfAtIndex(warmUp)
        for (const [i, asOf] of [clockAt, barsAsOf].entries()) {
          const of = found[i]
          expect(of?.get("prices")).toMatchObject({ asOf: barsAsOf, sequence: warmUp, publishedAt: clockAt })
          expect(of?.get("contrarian")?.asOf).toBe(barsAsOf)
          expect(of?.get("real-wages")).toMatchObject({ asOf, sequence: warmUp })
          expect(of?.get("market-features")).toMatchObject({ asOf, sequence: warmUp })
        }
        const [live, simulated] = found.map((of) => {
          const publication = of.get("market-features")
          if (publication?.stream !== "market-features") throw new Error("the features are published")
          if (publication.reading.status === "unavailable") throw new Error(publication.reading.reason)
          return publication.reading.features[0]
        })
        // A figure of after the bars.
        expect(live).toMatchObject({ name: "vix_level", status: "available", value: 14.5 })
        expect(simulated).toMatchObject({ name: "vix_level", status: "absent", absence: "no-source" })
      }),
    60_000
  )

  it.scoped("puts a reading into the context when that is back, and in a later life not again", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(clockAt)
      const settings = settingsWith({ "streams.pricesEveryMs": 1_000 })
      const directory = yield* temporaryDirectory
      const publishedIn = (second: number) =>
        until(publishedOf("prices"), (found) => (found.at(-1)?.at ?? -1) >= second * 1_000)
      yield* inLife(
        directory,
        settings,
        Effect.gen(function* () {
          yield* openFeed(3_600_000)
          yield* startAgent(StreamsAgent.run)
          yield* closeAsOfs(0, warmUp + 1)
          yield* until(latest(), (found) => found.length === names.length)
          yield* startAgent(ContextAgent.run)
          expect(yield* keptOf("prices")).toEqual([])
          yield* TestClock.adjust(1_000)
          yield* until(keptOf("prices"), (kept) => kept.length > 0)
        })
      )
      yield* TestClock.adjust(10_000)
      yield* inLife(
        directory,
        settings,
        Effect.gen(function* () {
          yield* startAgent(ContextAgent.run)
          yield* startAgent(StreamsAgent.run)
          yield* publishedIn(11)
          yield* TestClock.adjust(1_000)
          // One publication at a time: the context has had the one before.
          yield* publishedIn(12)
          const kept = yield* keptOf("prices")
          expect(kept.map(({ occurredAt }) => occurredAt)).toEqual([asOfAtIndex(warmUp)])
          expect(kept[0]?.payload).toMatchObject({ publishedAt: asOfAtIndex(warmUp), sequence: warmUp })
        })
      )
    })
  )

  it.scoped("goes on where a former life was, once it has caught up, without waiting for bars", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(clockAt)
      const settings = settingsWith({ "store.snapshotEvery": 130 })
      const directory = yield* temporaryDirectory
      yield* inLife(
        directory,
        settings,
        Effect.gen(function* () {
          yield* openFeed(3_600_000)
          yield* startAgent(StreamsAgent.run)
          yield* closeAsOfs(0, asOfs)
          yield* until(latest(), (found) => found.length === names.length)
        })
      )
      yield* inLife(
        directory,
        settings,
        Effect.gen(function* () {
          yield* startAgent(StreamsAgent.run)
          yield* until(latest(), (found) => found.length === names.length)
          const first = yield* everything
          expect(first.map(([publication]) => publication?.sequence)).toEqual(names.map(() => asOfs - 1))
        })
      )
    })
  )
})

describe("what is published", () => {
  it.scopedLive("is heard by those who subscribe over NATS, under an id of its own", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const hearEach = Effect.gen(function* () {
        const bus = yield* Bus
        const topics = yield* Effect.forEach(names, (stream) =>
          Topic.subscribe(streamTopics[stream] as Topic.Topic<string, Publication>, { run, capacityMax: 100 })
        )
        const hearing = yield* Effect.fork(
          Effect.forEach(topics, (events) => Stream.runCollect(Stream.take(events, 2)), {
            concurrency: "unbounded"
          })
        )
        yield* openFeed(null)
        // Within a process nobody subscribes: as over NATS.
        yield* startAgent((component) =>
          Effect.provideService(StreamsAgent.run(component), Bus, { ...bus, transport: "nats" })
        )
        yield* closeAsOfs(0, warmUp + 2)
        return yield* Fiber.join(hearing)
      })
      const heard = yield* inLife(directory, settingsWith(quickly), hearEach)
      for (const [i, chunk] of heard.entries()) {
        const published = [...chunk]
        expect(published.map(({ payload }) => payload.stream)).toEqual([names[i], names[i]])
        expect(published.map(({ payload }) => payload.sequence)).toEqual([warmUp, warmUp + 1])
        for (const { id, occurredAt, payload, source } of published) {
          expect(occurredAt).toBe(payload.asOf)
          const subject = `${payload.stream}/${publishedAtOf(payload)}`
          expect(id).toBe(derivedId(run, source, subject, payload.asOf))
        }
      }
    })
  )

  it("has a topic of its own for each stream, and comes back from its bytes as it was", () => {
    for (const stream of names) {
      const { eventType, name } = streamTopics[stream] as Topic.Topic<string, Publication>
      expect(name).toBe(stream)
      const publication = {
        stream,
        definition: 1,
        asOf: 5,
        sequence: 1,
        publishedAt: 6,
        sources: ["bars"],
        reading: { status: "unavailable", reason: "nothing is there" }
      }
      expect(Schema.decodeUnknownSync(eventType.schema)(publication)).toEqual(publication)
      expect(Schema.is(eventType.schema)({ ...publication, stream: "nothing" })).toBe(false)
      // Those of before did not say when they were published.
      const { publishedAt, ...before } = publication
      const decoded = Schema.decodeUnknownSync(eventType.schema)(before)
      expect([publishedAtOf(publication as Publication), publishedAtOf(decoded)]).toEqual([publishedAt, 5])
      expect(Schema.decodeUnknownSync(Publication)(before)).toEqual(before)
    }
  })
})
