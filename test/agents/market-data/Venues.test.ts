import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Scope, Stream, TestClock } from "effect"
import type { BarRequest, BarSource } from "../../../src/agents/market-data/BarSource.ts"
import { makeRateBudget, type RateBudget } from "../../../src/agents/market-data/RateBudget.ts"
import { makeVenues } from "../../../src/agents/market-data/Venues.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { instrumentOf } from "../feedEvents.ts"
import { barAt, failure, timeFrame } from "./chains.ts"
import { type ScriptedSource, scriptedSource } from "./scriptedSource.ts"

const sourceOf = (name: string): BarSource => ({
  name,
  kind: "companion",
  units: { price: "quote", volume: "base" },
  instruments: Effect.succeed([]),
  history: null,
  live: null,
  refused: () => 0
})

/** Venues that count how often they are opened and closed. */
const counted = (refusals = 0) => {
  const counts = { opened: 0, refused: 0, closed: 0 }
  const budgets: Array<RateBudget> = []
  const open = ({ name }: { readonly name: string }, budget: RateBudget) =>
    Effect.gen(function* () {
      yield* Effect.acquireRelease(
        Effect.sync(() => counts.opened++),
        () => Effect.sync(() => counts.closed++)
      )
      yield* Effect.yieldNow()
      if (counts.refused < refusals) {
        counts.refused++
        return yield* failure(name)
      }
      budgets.push(budget)
      return sourceOf(name)
    })
  const venues = (names: ReadonlyArray<string>) =>
    makeVenues({ sources: names.map((name) => ({ name })), venueOf: ({ name }) => name.toLowerCase(), open })
  return { budgets, counts, venues }
}

describe("the venues of a node", () => {
  it.effect("are opened once for all who ask, and closed with the node", () =>
    Effect.gen(function* () {
      const { counts, venues } = counted()
      const scope = yield* Scope.make()
      const { get, names } = yield* Scope.extend(venues(["a", "b"]), scope)
      expect(names).toEqual(["a", "b"])
      expect(counts.opened).toBe(0)
      const found = yield* Effect.all([get("a"), get("a"), Effect.scoped(get("a")), get("b")], {
        concurrency: "unbounded"
      })
      expect(new Set(found).size).toBe(2)
      expect(yield* get("a")).toBe(found[0])
      expect(counts).toMatchObject({ opened: 2, closed: 0 })
      yield* Scope.close(scope, Exit.void)
      expect(counts.closed).toBe(2)
    })
  )

  it.scoped("are tried again by whoever asks next when they did not open", () =>
    Effect.gen(function* () {
      const { counts, venues } = counted(1)
      const { get } = yield* venues(["a"])
      expect((yield* Effect.flip(get("a")))._tag).toBe("SourceFailed")
      expect(counts).toMatchObject({ opened: 1, closed: 1 })
      expect((yield* get("a")).name).toBe("a")
      expect(counts).toMatchObject({ opened: 2, closed: 1 })
    })
  )

  it.scoped("refuse one name twice, two names of one venue, and a name that is none", () =>
    Effect.gen(function* () {
      const { venues } = counted()
      const refusal = (names: ReadonlyArray<string>) => Effect.map(Effect.flip(venues(names)), String)
      expect(yield* refusal(["a", "a"])).toContain("two of marketData.sources are called a")
      expect(yield* refusal(["a", "A"])).toContain("a and A of marketData.sources are one venue (a)")
      const { get } = yield* venues(["a"])
      expect(String(yield* Effect.flip(get("b")))).toContain("none of marketData.sources is called b")
    })
  )

  it.scoped("have one budget each, that all requests draw from", () =>
    Effect.gen(function* () {
      const { budgets, venues } = counted()
      const { get } = yield* venues(["a"])
      yield* Effect.all([get("a"), get("a")])
      expect(budgets.length).toBe(1)
    })
  )
})

describe("the live bars of a venue", () => {
  const alpha = instrumentOf("ALPHA")
  const beta = instrumentOf("BETA")
  const instruments = [alpha, beta]
  const request = { instruments, timeFrame }

  /** A venue, and who follows it: what each has heard, and how it ended. */
  const followed = Effect.gen(function* () {
    const scripted = scriptedSource("a", { instruments })
    const { get } = yield* makeVenues({
      sources: [{ name: "a" }],
      venueOf: ({ name }) => name,
      open: () => Effect.succeed(scripted.source)
    })
    const follow = (wanted: BarRequest = request) =>
      Effect.gen(function* () {
        const { live } = yield* get("a")
        if (live === null) throw new Error("it has no live bars")
        const heard: Array<string> = []
        const fiber = yield* Effect.forkScoped(
          Effect.flip(
            Stream.runForEach(live(wanted), ({ instrument, sequence }) =>
              Effect.sync(() => heard.push(`${instrument.split(":")[1]}@${sequence}`))
            )
          )
        )
        yield* TestClock.adjust(0)
        return { heard, fiber }
      })
    return { ...scripted, follow }
  })
  const give = ({ give }: ScriptedSource, index: number) =>
    Effect.zipRight(give(barAt(index), barAt(index, { instrument: beta.id })), TestClock.adjust(0))

  it.scoped("come over one connection, however many follow, until the last has gone", () =>
    Effect.gen(function* () {
      const venue = yield* followed
      const first = yield* venue.follow()
      const second = yield* venue.follow({ ...request, instruments: [beta] })
      expect(venue.connections()).toBe(1)
      yield* give(venue, 0)
      expect(first.heard).toEqual(["ALPHA@0", "BETA@0"])
      expect(second.heard).toEqual(["BETA@0"])
      yield* Fiber.interrupt(first.fiber)
      yield* give(venue, 1)
      expect(second.heard).toEqual(["BETA@0", "BETA@1"])
      expect(venue.open()).toBe(1)
      yield* Fiber.interrupt(second.fiber)
      expect(venue.open()).toBe(0)
      yield* venue.follow()
      expect(venue.connections()).toBe(2)
    })
  )

  it.scoped("fail for all, and are connected to again once", () =>
    Effect.gen(function* () {
      const venue = yield* followed
      const before = yield* Effect.all([venue.follow(), venue.follow()])
      yield* venue.fail()
      for (const { fiber } of before) expect((yield* Fiber.join(fiber))._tag).toBe("SourceFailed")
      const after = yield* Effect.all([venue.follow(), venue.follow()], { concurrency: "unbounded" })
      expect(venue.connections()).toBe(2)
      expect(venue.open()).toBe(1)
      yield* give(venue, 5)
      for (const { heard } of after) expect(heard).toEqual(["ALPHA@5", "BETA@5"])
    })
  )

  it.scoped("are refused to whoever wants others: that would be a second connection", () =>
    Effect.gen(function* () {
      const venue = yield* followed
      yield* venue.follow({ ...request, instruments: [alpha] })
      const other = yield* venue.follow()
      expect((yield* Fiber.join(other.fiber)).message).toContain("by one connection")
      const slower = yield* venue.follow({ timeFrame: TimeFrame.make("1h"), instruments: [alpha] })
      expect(yield* Fiber.join(slower.fiber)).toMatchObject({ kind: "refused" })
      expect(venue.connections()).toBe(1)
    })
  )
})

describe("a budget of requests", () => {
  for (const perMinuteMax of [1, 2, 7, 60, 119]) {
    it.scoped(`lets no more than ${perMinuteMax} through in any minute, and all in the end`, () =>
      Effect.gen(function* () {
        const { withPermit } = yield* makeRateBudget(perMinuteMax)
        const begun: Array<number> = []
        const request = withPermit(Effect.map(Clock.currentTimeMillis, (now) => begun.push(now)))
        const count = perMinuteMax * 2
        const all = yield* Effect.fork(
          Effect.all(
            Array.from({ length: count }, () => request),
            { concurrency: "unbounded" }
          )
        )
        for (let i = 0; i < 40; i++) yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(all)
        expect(begun.length).toBe(count)
        for (const [i, from] of begun.entries()) {
          const within = begun.slice(i).filter((at) => at < from + 60_000)
          expect(within.length).toBeLessThanOrEqual(perMinuteMax)
        }
      })
    )
  }
})
