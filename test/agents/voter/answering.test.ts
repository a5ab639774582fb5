import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import { linearLearner } from "../../../src/agents/deep-learning/LinearLearner.ts"
import type { ModelHost, OpinionBatch, OpinionBatchResult } from "../../../src/agents/model-host/ModelHost.ts"
import { runRows } from "../../../src/agents/model-host/RowRuns.ts"
import { makeAnswering } from "../../../src/agents/voter/answering.ts"
import { windowCloses } from "../../../src/market/Features.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import type { Deployment } from "../../../src/protocols/Model.ts"
import { Answer, type Opinion, type Question } from "../../../src/protocols/Opinion.ts"
import { ChildFailed } from "../../../src/runtime/errors.ts"
import * as Progress from "../../../src/runtime/Progress.ts"
import { asOfAt, barOf, closed, instrumentOf, simulated, timeFrame } from "../feedEvents.ts"
import { digest } from "../orchestrator/inputs.ts"
import { settingsWith } from "../settings.ts"
import { learn } from "./learning.ts"

const learner = linearLearner(settingsWith({ "deepLearning.lags": 4 }))
const count = 300
const { events, instruments } = simulated({ seed: 81, count, instruments: 2 })
const [alpha, bravo] = instruments.map(({ id }) => id) as [Question["instrument"], Question["instrument"]]

const questionOf = (index: number, instrument = alpha, changes: Partial<Question> = {}): Question => ({
  instrument,
  timeFrame,
  asOf: asOfAt(index),
  horizonBars: learner.horizonBars,
  band: 0.005,
  roundTripCost: 0.0014,
  sigma: 0.02,
  ...changes
})

const deployment: Deployment = {
  alias: "deep-learning/linear/1h",
  version: digest("a"),
  previous: digest("b"),
  share: 1,
  since: 0,
  reason: "it was better"
}

/** A host whose outputs follow from the row alone, and which notes what it was given. */
const hostThat = (change: (result: OpinionBatchResult) => void = () => undefined) => {
  const ran: Array<{ readonly version: string; readonly batch: OpinionBatch }> = []
  const host = {
    opine: (version: string, _: unknown, batch: OpinionBatch) =>
      Effect.sync(() => {
        ran.push({ version, batch })
        const { columns, rows } = batch
        const result: OpinionBatchResult = {
          probabilities: new Float32Array(rows * 3),
          expectedReturn: new Float32Array(rows),
          spread: new Float32Array(rows),
          score: new Float32Array(rows),
          more: []
        }
        for (let row = 0; row < rows; row++) {
          const features = batch.features.subarray(row * columns, (row + 1) * columns)
          const score = features.reduce((sum, value, i) => sum + value / (i + 2), 0)
          const buy = 0.6 / (1 + Math.exp(-score))
          result.probabilities.set([0.6 - buy, 0.4, buy], row * 3)
          result.expectedReturn[row] = score * (batch.sigma[row] as number)
          result.spread[row] = batch.sigma[row] as number
        }
        change(result)
        return result
      })
  } as unknown as typeof ModelHost.Service
  return { host, ran }
}

interface Given {
  readonly bars?: number
  readonly active?: Deployment | null
  readonly host?: typeof ModelHost.Service
  readonly barsOf?: (question: Question, wanted: number) => Effect.Effect<ReadonlyArray<Bar>, ChildFailed>
  readonly known?: Progress.Progress
}

/** Answering by a voter that has seen so many bars. */
const answeringAfter = ({
  active = deployment,
  bars = count,
  barsOf,
  host = hostThat().host,
  known
}: Given = {}) => {
  const state = learn(learner, events.slice(0, bars))
  return makeAnswering({
    learner,
    state: () => state,
    known: known ?? Progress.make(asOfAt(bars - 1)),
    run: (asked, rows) => runRows(host, asked, rows),
    fetch: () => Effect.succeed(new Uint8Array()),
    active: () => active,
    barsOf: barsOf ?? (() => Effect.succeed([]))
  })
}

const ask = (given: Given, questions: ReadonlyArray<Question>) =>
  Effect.runSync(answeringAfter(given)(questions, "active"))

/** What the context knows of an instrument at an as-of. */
const fromContext = (question: Question, wanted: number) =>
  Effect.succeed(
    events
      .flatMap(({ payload }) => payload.bars)
      .filter(({ closeTime, instrument }) => instrument === question.instrument && closeTime <= question.asOf)
      .slice(-wanted)
  )

describe("answering questions", () => {
  it("gives one answer to each, in their order, by one run of the model", () => {
    const { host, ran } = hostThat()
    const questions = [
      questionOf(count - 1, bravo),
      questionOf(count - 1, alpha),
      questionOf(count - 2, alpha)
    ]
    const answers = ask({ host }, questions)
    expect(answers.map(({ instrument }) => instrument)).toEqual([bravo, alpha, alpha])
    expect(ran.length).toBe(1)
    expect(ran[0]?.batch.rows).toBe(3)
    expect(answers.every((answer) => Schema.is(Answer)(answer))).toBe(true)
    const [first, second] = answers as [Opinion, Opinion]
    expect(first).toMatchObject({ voter: "deep-learning", modelVersion: digest("a"), standIn: "none" })
    expect(first.probabilities).not.toEqual(second.probabilities)
  })

  it("asks the model in the units it was made in: the horizon's volatility, and the band of the question", () => {
    const { host, ran } = hostThat()
    ask({ host }, [questionOf(count - 1, alpha, { band: 0.0125 })])
    const window = learner.window(learn(learner, events), alpha, asOfAt(count - 1))
    const features = new Float64Array(learner.features.names.length)
    const sigma = learner.featuresAt(window as NonNullable<typeof window>, features)
    expect(ran[0]?.batch.band[0]).toBe(Math.fround(0.0125))
    expect(ran[0]?.batch.sigma[0]).toBe(Math.fround(sigma * Math.sqrt(learner.horizonBars)))
    expect([...(ran[0]?.batch.features ?? [])]).toEqual([...Float32Array.from(features)])
  })

  it("has the same opinion at an as-of, whether it is the latest, late, or known from the context only", () => {
    for (const index of [windowCloses, 120, 199]) {
      const question = questionOf(index)
      const [now] = ask({ bars: index + 1 }, [question])
      expect(now?._tag).toBe("Opinion")
      expect(ask({ bars: index + 20 }, [question])).toEqual([now])
      expect(ask({ bars: count, barsOf: fromContext }, [question])).toEqual([now])
    }
  })

  it("asks the context only for what it has let go of", () => {
    const refuse = () => Effect.die("the context was asked")
    expect(ask({ barsOf: refuse }, [questionOf(count - 1)])[0]?._tag).toBe("Opinion")
    const asked: Array<number> = []
    const barsOf = (question: Question, wanted: number) => {
      asked.push(wanted)
      return fromContext(question, wanted)
    }
    ask({ barsOf }, [questionOf(100)])
    expect(asked).toEqual([windowCloses])
  })

  it("abstains where the context's bars are too few or do not end at the as-of", () => {
    const gap = (question: Question, wanted: number) =>
      Effect.map(fromContext(question, wanted + 1), (bars) => bars.slice(0, wanted))
    for (const barsOf of [gap, () => Effect.succeed([])]) {
      expect(ask({ barsOf }, [questionOf(100)])).toMatchObject([
        { _tag: "Abstention", reason: "fewer than 65 bars are known at the as-of" }
      ])
    }
  })

  it("abstains with the reason from what it cannot answer, and answers the rest", () => {
    const still = instrumentOf("STILL")
    const dead = Array.from({ length: count }, (_, i) => closed(i, [barOf(still, i, { open: 5, close: 5 })]))
    const state = learn(
      learner,
      events.map((event, i) => ({
        ...event,
        payload: { ...event.payload, bars: [...event.payload.bars, ...(dead[i]?.payload.bars ?? [])] }
      }))
    )
    const answering = makeAnswering({
      learner,
      state: () => state,
      known: Progress.make(asOfAt(count - 1)),
      run: (asked, rows) => Effect.orDie(runRows(hostThat().host, asked, rows)),
      fetch: () => Effect.succeed(new Uint8Array()),
      active: () => deployment,
      barsOf: () => Effect.succeed([])
    })
    const answers = Effect.runSync(
      answering(
        [
          questionOf(count - 1, alpha, { horizonBars: 7 }),
          questionOf(count - 1, still.id),
          questionOf(count - 1, instrumentOf("NEW").id),
          questionOf(count - 1)
        ],
        "active"
      )
    )
    expect(answers.map((answer) => (answer._tag === "Abstention" ? answer.reason : answer._tag))).toEqual([
      "the model looks 4 bars ahead, not 7",
      "the price has not moved",
      "fewer than 65 bars are known at the as-of",
      "Opinion"
    ])
  })

  it("does not run a model when there is none to run or nothing to ask it", () => {
    const { host, ran } = hostThat()
    const nothing = ask({ active: null, host }, [questionOf(count - 1)])
    expect(nothing).toMatchObject([{ _tag: "Abstention", reason: "no model has been made yet" }])
    expect(ask({ host }, [questionOf(count - 1, alpha, { horizonBars: 7 })])[0]?._tag).toBe("Abstention")
    expect(ran).toEqual([])
  })

  it("asks the active version, the one before it, or the one that is named", () => {
    const { host, ran } = hostThat()
    const answering = answeringAfter({ host })
    for (const model of ["active", "previous", digest("c")] as const) {
      const [answer] = Effect.runSync(answering([questionOf(count - 1)], model))
      expect(answer).toMatchObject({ modelVersion: ran.at(-1)?.version })
    }
    expect(ran.map(({ version }) => version)).toEqual([digest("a"), digest("b"), digest("c")])
    const first = answeringAfter({ active: { ...deployment, previous: null } })
    expect(Effect.runSync(first([questionOf(count - 1)], "previous"))).toMatchObject([
      { _tag: "Abstention", reason: "there is no previous model" }
    ])
  })

  it("abstains rather than pass on what is no distribution or not finite", () => {
    const spoilt: ReadonlyArray<(result: OpinionBatchResult) => void> = [
      ({ probabilities }) => probabilities.fill(Number.NaN),
      ({ probabilities }) => probabilities.fill(0),
      ({ expectedReturn }) => expectedReturn.fill(Number.POSITIVE_INFINITY),
      ({ spread }) => spread.fill(Number.NaN),
      ({ spread }) => spread.fill(-1),
      ({ probabilities }) => probabilities.set([-0.5, 0.7, 0.8])
    ]
    for (const spoil of spoilt) {
      const [answer] = ask({ host: hostThat(spoil).host }, [questionOf(count - 1)])
      expect(answer?._tag).toBe("Abstention")
    }
  })

  it.effect("waits for the bars of the as-of that it is asked about", () =>
    Effect.gen(function* () {
      const known = Progress.make(asOfAt(count - 2))
      const fiber = yield* Effect.fork(answeringAfter({ known })([questionOf(count - 1)], "active"))
      yield* Effect.yieldNow()
      expect(fiber.unsafePoll()).toBeNull()
      known.advance(asOfAt(count - 1))
      expect((yield* Fiber.join(fiber))[0]?._tag).toBe("Opinion")
    })
  )

  it.effect("fails when the model host does, so that whoever asked can fall back", () =>
    Effect.gen(function* () {
      const failed = new ChildFailed({ child: "model-host", reason: "it died" })
      const host = { opine: () => Effect.fail(failed) } as unknown as typeof ModelHost.Service
      const error = yield* Effect.flip(answeringAfter({ host })([questionOf(count - 1)], "active"))
      expect(error).toBe(failed)
    })
  )
})
