import { describe, expect, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as ContextAgent from "../../../src/agents/context/ContextAgent.ts"
import { callAgent } from "../../../src/agents/NodeContext.ts"
import { BarsClosed, BarsCorrected, barsStream, FeedOpened } from "../../../src/protocols/Bar.ts"
import { ContextRpcs } from "../../../src/protocols/rpc/ContextRpcs.ts"
import { asOfAt, barOf, closed, ended, instrumentOf, opened, timeFrame } from "../feedEvents.ts"
import { append, nodeServices, startAgent } from "../nodeServices.ts"

const alpha = instrumentOf("ALPHA")
const lookAgain = Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(250))

describe("the context agent", () => {
  it.scopedLive("keeps corrections beside the bars that they correct", () =>
    Effect.gen(function* () {
      yield* startAgent(ContextAgent.run)
      const context = yield* callAgent(ContextRpcs, "context")
      const bar = (index: number, close: number) => barOf(alpha, index, { open: 100, close })
      const known = asOfAt(1) + 5
      yield* append(barsStream, FeedOpened, opened([alpha], { paceMs: 1_000 }))
      for (const index of [0, 1])
        yield* append(barsStream, BarsClosed, closed(index, [bar(index, 100 + index)]))
      yield* append(barsStream, BarsCorrected, {
        ...ended(known),
        payload: { asOf: known, timeFrame, bars: [{ ...bar(0, 90), revision: 1, knownAt: known }] }
      })
      yield* Effect.repeat(context.Latest({ type: "bar-correction" }), {
        until: (item) => item !== null,
        schedule: lookAgain
      })
      const closes = (asOf: number, corrected?: boolean) =>
        Effect.map(
          context.Bars({
            instrument: alpha.id,
            timeFrame,
            asOf,
            count: 10,
            ...(corrected === undefined ? {} : { corrected })
          }),
          (bars) => bars.map(({ close }) => close)
        )
      expect(yield* closes(known)).toEqual([100, 101])
      expect(yield* closes(known, true)).toEqual([90, 101])
      expect(yield* closes(known - 1, true)).toEqual([100, 101])
    }).pipe(Effect.provide(nodeServices()))
  )
})
