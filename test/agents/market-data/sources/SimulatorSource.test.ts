import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Queue, Stream, TestClock } from "effect"
import { simulate } from "../../../../src/market/Simulator.ts"
import { momentum } from "../../../../src/market/worlds.ts"
import { TimeFrame } from "../../../../src/protocols/TimeFrame.ts"
import { asleepUntil, bitcoin, historyOf, liveOf, minuteMs, oneMinute, open, startTime } from "./sources.ts"

const settings = (more: Readonly<Record<string, unknown>> = {}) => ({
  kind: "simulator",
  name: "trial",
  world: "momentum",
  seed: 3,
  instruments: 2,
  timeFrame: "1m",
  start: "2024-01-01T00:00:00Z",
  ...more
})
const simulation = Either.getOrThrow(
  simulate({ world: momentum, seed: 3, instruments: 2, timeFrame: oneMinute, startTime })
)
const asOfs = Array.from({ length: 400 }, () => simulation.next())
const [alpha, bravo] = simulation.instruments
const barsOf = (k: number, from: number, to: number) =>
  asOfs.slice(from, to).map((bars) => ({ ...bars[k], source: "trial" }))
const at = (minute: number) => startTime + minute * minuteMs

describe("the simulator as a source", () => {
  it.scoped("has as history what has closed since its world began", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(at(300) - 1)
      const source = yield* open(settings())
      expect(source).toMatchObject({ name: "trial", kind: "simulator" })
      expect(yield* source.instruments).toEqual(simulation.instruments)
      expect(yield* historyOf(source, 20, 250, bravo)).toEqual(barsOf(1, 20, 250))
      expect(yield* historyOf(source, -50, 10, alpha)).toEqual(barsOf(0, 0, 10))
      expect(yield* historyOf(source, 290, 1_000, alpha)).toEqual(barsOf(0, 290, 299))
      expect(yield* historyOf(source, 7, 7, alpha)).toEqual([])
      // Years ahead: nothing has to be simulated to know that there is nothing.
      expect(yield* historyOf(source, 1e9, 2e9, alpha)).toEqual([])
    })
  )

  it.scoped("gives every bar when it closes", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(at(10) + 1)
      const source = yield* open(settings())
      const { bars } = yield* liveOf(source, [...simulation.instruments])
      for (const minute of [10, 11, 12]) {
        yield* asleepUntil(at(minute + 1))
        yield* TestClock.setTime(at(minute + 1))
        const taken = [...(yield* Queue.takeBetween(bars, 2, 2))]
        expect(taken).toEqual([...barsOf(0, minute, minute + 1), ...barsOf(1, minute, minute + 1)])
      }
      expect(yield* Queue.size(bars)).toBe(0)
    })
  )

  it.scoped("refuses what its world has not", () =>
    Effect.gen(function* () {
      for (const world of ["atlantis", "__proto__"]) {
        const error = yield* Effect.flip(open(settings({ world })))
        expect(error.message).toContain(`no world is called "${world}"`)
      }
      const source = yield* open(settings())
      expect((yield* Effect.flip(historyOf(source, 0, 1, bitcoin))).kind).toBe("refused")
      const request = { instruments: simulation.instruments, timeFrame: TimeFrame.make("5m") }
      const error = yield* Effect.flip(Stream.runDrain(source.live?.(request) ?? Stream.empty))
      expect(error.message).toContain("it has no bars of 5m")
    })
  )
})
