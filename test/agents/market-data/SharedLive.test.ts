import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, FiberRef, Option, Stream } from "effect"
import type { SourceFailed } from "../../../src/agents/market-data/errors.ts"
import { shareLive } from "../../../src/agents/market-data/SharedLive.ts"
import { instrumentOf } from "../feedEvents.ts"
import { barAt, failure, timeFrame } from "./chains.ts"

const request = { instruments: [instrumentOf("ALPHA")], timeFrame }

/** Gives way to everybody else so many times. */
const turns = (count: number) => Effect.repeatN(Effect.yieldNow(), count)
/** Enough for whoever follows to be through with what is before him, however often he gives way. */
const turnsMax = 300

describe("the live bars that several share", () => {
  it.scoped("tell everybody who follows of their end, at whichever moment he comes", () =>
    Effect.gen(function* () {
      /** Operations between two turns of the second, so that each two of them are parted once; fewer would be no progress. */
      for (let operations = 16; operations < 28; operations++) {
        for (let moment = 0; moment < 12; moment++) {
          const end = yield* Deferred.make<never, SourceFailed>()
          const live = yield* shareLive("a", () => Stream.fromEffect(Deferred.await(end)))
          const follow = Effect.exit(Stream.runDrain(live(request)))
          const first = yield* Effect.fork(follow)
          yield* turns(10)
          const second = yield* Effect.fork(
            Effect.locally(follow, FiberRef.currentMaxOpsBeforeYield, operations)
          )
          yield* turns(moment)
          yield* Deferred.fail(end, failure("a"))
          yield* turns(turnsMax)
          // The second may have come so late that it opened a connection of its own: that one ends as well.
          for (const fiber of [first, second]) {
            expect(Option.isSome(yield* Fiber.poll(fiber)), `${operations} and ${moment}`).toBe(true)
          }
        }
      }
    })
  )

  it.scoped("give what came to each before they end", () =>
    Effect.gen(function* () {
      const end = yield* Deferred.make<never, SourceFailed>()
      const live = yield* shareLive("a", () =>
        Stream.concat(Stream.make(barAt(0), barAt(1)), Stream.fromEffect(Deferred.await(end)))
      )
      const seen: Array<number> = []
      const first = yield* Effect.fork(
        Effect.exit(Stream.runForEach(live(request), ({ close }) => Effect.sync(() => seen.push(close))))
      )
      yield* turns(10)
      yield* Deferred.fail(end, failure("a"))
      const exit = yield* Fiber.join(first)
      expect(exit).toMatchObject({ _tag: "Failure", cause: { error: { source: "a" } } })
      expect(seen).toEqual([100, 101])
    })
  )
})
