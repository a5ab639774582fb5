import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import type { AskedRows } from "../../../src/agents/training/learnedRows.ts"
import type { AskModel, ModelAnswers } from "../../../src/agents/training/ModelRun.ts"
import { measureLatencies } from "../../../src/agents/training/modelLatency.ts"
import { pickRows, questionRows } from "../../../src/agents/training/QuestionRows.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { costs, simulatedSeries } from "./bars.ts"

const all = runThrough(
  questionRows(simulatedSeries({ bars: 200 }), { barsBefore: 10, horizonBars: 2, costs, matured: true })
)
const rows: AskedRows = {
  all,
  earlier: pickRows(all, Uint32Array.of()),
  heldOut: pickRows(all, Uint32Array.of(3, 4, 5)),
  columns: 2,
  fill: (instrument, bar, out, at) => out.set([instrument, bar], at)
}
const none = new Float32Array()
const answers = { probabilities: none, expectedReturn: none, spread: none, score: none } as ModelAnswers

/** What the models take, on a clock that nothing else moves. */
const measured = (...models: readonly [MsOf, MsOf]) => {
  let nanos = 0n
  const clock: Clock.Clock = { ...Clock.make(), unsafeCurrentTimeNanos: () => nanos }
  const asked = models.map((): Array<number> => [])
  const [first, second] = models.map((msOf, i): AskModel => {
    const own = asked[i] as Array<number>
    return (batch) =>
      Effect.sync(() => {
        own.push(batch.rows)
        nanos += BigInt(msOf(own.length, batch.rows)) * 1_000_000n
        return answers
      })
  }) as [AskModel, AskModel]
  return Effect.map(Effect.withClock(measureLatencies([first, second], rows), clock), (latencies) => ({
    asked,
    latencies
  }))
}

type MsOf = (question: number, rows: number) => number

describe("latencies", () => {
  it.effect("are the median and the 99th percentile of the questions after the first few", () =>
    Effect.gen(function* () {
      // Of 300 the last three are slow, and the first five count for nothing.
      const uneven: MsOf = (question) => (question <= 5 ? 500 : question > 302 ? 50 : 2)
      const [first, second] = (yield* measured(uneven, () => 1)).latencies
      expect(second.rows1).toEqual({ medianMs: 1, p99Ms: 1, questions: 300 })
      expect(first.rows1).toEqual({ medianMs: 2, p99Ms: 2, questions: 300 })
      const [slower] = (yield* measured(
        (question) => (question > 301 ? 50 : 2),
        () => 1
      )).latencies
      expect(slower.rows1).toEqual({ medianMs: 2, p99Ms: 50, questions: 300 })
    })
  )

  it.effect("are of one row and of 64, asked in turns, and of fewer questions where each takes long", () =>
    Effect.gen(function* () {
      const { asked, latencies } = yield* measured(
        (_, count) => (count === 64 ? 900 : 2),
        (_, count) => (count === 64 ? 100 : 1)
      )
      const [first, second] = latencies
      expect(first.rows64).toEqual({ medianMs: 900, p99Ms: 900, questions: 20 })
      expect(second.rows64).toEqual({ medianMs: 100, p99Ms: 100, questions: 20 })
      expect(first.rows1).toEqual({ medianMs: 2, p99Ms: 2, questions: 300 })
      expect(asked[0]).toEqual(asked[1])
      expect(new Set(asked[0])).toEqual(new Set([1, 64]))
    })
  )
})
