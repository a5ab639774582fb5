import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Logger, type Scope, TestClock } from "effect"
import type { BarSource } from "../../../src/agents/market-data/BarSource.ts"
import { runChain } from "../../../src/agents/market-data/runChain.ts"
import { instrumentOf } from "../feedEvents.ts"
import { barAt, chainOptions, frameMs, openTimeAt, timeFrame } from "./chains.ts"
import { scriptedSource, whole } from "./scriptedSource.ts"

const alpha = instrumentOf("ALPHA")
const fresh = { index: 0, asOf: null, active: null }

const run = (source: BarSource) => {
  const { instruments: _instruments, sources: _sources, ...chain } = chainOptions()
  return runChain(
    {
      sources: [source],
      request: { instruments: [alpha], timeFrame },
      chain,
      barrierMs: 5_000,
      warmUp: 3,
      lookBack: 3
    },
    fresh
  )
}

const check = (name: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.scoped(name, () =>
    Effect.zipRight(TestClock.setTime(openTimeAt(10)), body).pipe(
      Effect.provide(Logger.remove(Logger.defaultLogger))
    )
  )

/** What became of one who waits for bars. */
const outcome = (taking: Fiber.Fiber<Exit.Exit<unknown>>) =>
  Effect.map(Fiber.join(taking), (exit) => (Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "bars"))

describe("a chain at work", () => {
  check(
    "fails with whoever takes from it when it has a slip at a tick",
    Effect.gen(function* () {
      const { source } = scriptedSource("a", { instruments: [alpha], history: whole })
      let looks = 0
      // There when the chain is made, and gone when it is asked.
      const fickle = Object.defineProperty({ ...source }, "history", {
        get: () => (looks++ < 2 ? whole : null)
      })
      const { take } = yield* run(fickle)
      const taking = yield* Effect.fork(Effect.exit(take))
      yield* TestClock.adjust(1_000)
      expect(yield* outcome(taking)).toContain("a has no history of")
    })
  )

  check(
    "fails with whoever takes from it when a bar makes it slip",
    Effect.gen(function* () {
      const a = scriptedSource("a", { instruments: [alpha] })
      const { take } = yield* run(a.source)
      const taking = yield* Effect.fork(Effect.exit(take))
      yield* TestClock.adjust(frameMs)
      // Elapsed time does not fall, so that the chain knows no way to go on.
      yield* TestClock.setTime(openTimeAt(10))
      yield* a.give(barAt(10))
      yield* TestClock.adjust(0)
      expect(yield* outcome(taking)).toContain("elapsed time does not fall")
    })
  )
})
