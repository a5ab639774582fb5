import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, Schema, Stream, TestClock } from "effect"
import { emptyWindows, evolveWindows, windowSeries } from "../../../src/agents/deep-learning/BarWindows.ts"
import type { DeepState } from "../../../src/agents/deep-learning/DeepLearner.ts"
import type { NetworkVoting } from "../../../src/agents/deep-learning/NetworkVoting.ts"
import { makePredicting, type PredictionRequest } from "../../../src/agents/deep-learning/Predicting.ts"
import type { Voter } from "../../../src/agents/voter/Addition.ts"
import { windowCloses } from "../../../src/market/Features.ts"
import type { Bar, BarsEvent } from "../../../src/protocols/Bar.ts"
import { type Instrument, instrumentId } from "../../../src/protocols/Instrument.ts"
import type { Answer, Probabilities, Question } from "../../../src/protocols/Opinion.ts"
import { type ModelType, Prediction, PredictionSummary } from "../../../src/protocols/Prediction.ts"
import { TimeFrame, toMs } from "../../../src/protocols/TimeFrame.ts"
import * as Progress from "../../../src/runtime/Progress.ts"
import {
  asOfAt,
  barOf,
  closed,
  frameMs,
  instrumentOf,
  opened,
  simulated,
  startTime,
  timeFrame
} from "../feedEvents.ts"
import { abstention, opinion } from "../orchestrator/inputs.ts"
import { settingsWith } from "../settings.ts"
import { contextOf } from "./context.ts"

const horizonBars = 4
const count = 200
const { events, instruments } = simulated({ seed: 95, count, instruments: 2 })
const [alpha, bravo] = instruments as [Instrument, Instrument]

const buys: Probabilities = { sell: 0.2, hold: 0.3, buy: 0.5 }
const sells: Probabilities = { sell: 0.6, hold: 0.3, buy: 0.1 }

interface Given {
  readonly instruments?: ReadonlyArray<Instrument>
  readonly events?: ReadonlyArray<BarsEvent>
  /** The index of the latest bar; none before the first. */
  readonly latest?: number
  readonly answer?: (question: Question, model: ModelType) => Answer
  readonly changes?: Parameters<typeof settingsWith>[0]
  readonly paceMs?: number | null
}

/** Predictions of a feed that has come so far, what was asked of the models, and how to go on. */
const predictingOf = (given: Given = {}) => {
  const all = given.events ?? events
  const listed = given.instruments ?? instruments
  const say =
    given.answer ?? (({ instrument }) => opinion("deep-learning", { instrument, probabilities: buys }))
  const bars: ReadonlyArray<Bar> = all.flatMap((event) =>
    event.type === "BarsClosed" ? event.payload.bars : []
  )
  const { asked: calls, context, kept } = contextOf(bars)
  const windows = emptyWindows()
  const known = Progress.make(0)
  let applied = 0
  const goTo = (latest: number) => {
    if (applied === 0 && latest >= 0) evolveWindows(windows, opened(listed))
    for (; applied <= latest; applied++) evolveWindows(windows, all[applied] as BarsEvent)
    const last = all[latest]
    if (last?.type === "BarsClosed") known.advance(last.payload.asOf)
  }
  goTo(given.latest ?? 150)
  const asked: Array<{ readonly model: ModelType; readonly questions: ReadonlyArray<Question> }> = []
  const voting: NetworkVoting = {
    voting: () => Effect.die("no round is held"),
    byName: (model, questions) =>
      Effect.sync(() => {
        asked.push({ model, questions })
        return questions.map((question) => ({ answer: say(question, model), classes: null }))
      })
  }
  const voter = {
    context,
    known,
    state: () => ({ windows }),
    paceMs: () => (given.paceMs === undefined ? frameMs : given.paceMs)
  } as unknown as Voter<DeepState>
  const predicting = makePredicting({
    voter,
    settings: settingsWith({ "orchestrator.horizonBars": horizonBars, ...given.changes }),
    own: () => (applied === 0 ? null : timeFrame),
    voting,
    seriesOf: (question, wanted) =>
      Effect.sync(() => {
        const frame = toMs(question.timeFrame)
        if (frame === frameMs) {
          const asOf = Math.floor(question.asOf / frame) * frame
          return windowSeries(windows, question.instrument, timeFrame, asOf, wanted)
        }
        // Of a longer time frame: whatever is held, said to be of it.
        const last = Math.floor(question.asOf / frame) * frame
        const series = windowSeries(windows, question.instrument, timeFrame, last, wanted)
        return (
          series && {
            ...series,
            timeFrame: question.timeFrame,
            openTime: series.openTime.map((_, i) => last - (wanted - i) * frame)
          }
        )
      })
  })
  return { predicting, asked, calls, kept, goTo }
}

const request = (changes: Partial<PredictionRequest> = {}): PredictionRequest => ({
  instruments: [],
  model: "serving",
  ...changes
})
const predict = (given: Given, changes: Partial<PredictionRequest> = {}) => {
  const { asked, predicting } = predictingOf(given)
  return { predictions: Effect.runSync(predicting.predict(request(changes))), asked }
}
const refused = (given: Given, changes: Partial<PredictionRequest> = {}) =>
  Effect.runSync(Effect.flip(predictingOf(given).predicting.predict(request(changes))))

const barAt = (instrument: Instrument, index: number): Bar =>
  events[index]?.payload.bars.find((bar) => bar.instrument === instrument.id) as Bar

/** The question of a round: of the returns of the last 64 bars. */
const sigmaAt = (instrument: Instrument, index: number) => {
  let squares = 0
  for (let i = index - 63; i <= index; i++) {
    squares += Math.log(barAt(instrument, i).close / barAt(instrument, i - 1).close) ** 2
  }
  return Math.sqrt((squares / 64) * horizonBars)
}

describe("predictions", () => {
  it("are of every instrument as of the latest bars, where nothing else is asked for", () => {
    const { asked, predictions } = predict({})
    expect(predictions).toEqual(
      [alpha, bravo].map(({ id }) => ({
        model: "serving",
        timeFrame,
        asOf: asOfAt(150),
        horizonBars,
        answer: opinion("deep-learning", { instrument: id, probabilities: buys }),
        classes: null
      }))
    )
    for (const one of predictions) expect(Schema.is(Prediction)(one)).toBe(true)
    expect(asked.map(({ model, questions }) => [model, questions.length])).toEqual([["serving", 2]])
  })

  it("answer the question that a round would ask", () => {
    const { asked } = predict({})
    const question = asked[0]?.questions[1] as Question
    const sigma = sigmaAt(bravo, 150)
    expect(question).toMatchObject({ instrument: bravo.id, timeFrame, asOf: asOfAt(150), horizonBars })
    expect(question.sigma).toBeCloseTo(sigma, 12)
    // 5 + 1 + 1 basis points, twice.
    const { feeBps, halfSpreadBps, slippageBps } = settingsWith().costs
    const cost = 2 * (feeBps + halfSpreadBps + slippageBps) * 1e-4
    expect(question.roundTripCost).toBeCloseTo(cost, 15)
    expect(question.band).toBeCloseTo(Math.max(cost, 0.25 * sigma), 12)
  })

  it("as of an instant of the past are those of the last bar that had closed, as they were made then", () => {
    const then = predict({ latest: 120 })
    for (const asOf of [asOfAt(120), asOfAt(120) + 1, asOfAt(121) - 1]) {
      const now = predict({ latest: 150 }, { asOf })
      expect(now.predictions).toEqual(then.predictions)
      expect(now.asked).toEqual(then.asked)
    }
  })

  it("as of an instant of the future are refused, and of the latest bars given", () => {
    const error = refused({}, { asOf: asOfAt(150) + 1 })
    expect(error).toMatchObject({ _tag: "AsOfInFuture", asOf: asOfAt(150) + 1, latest: asOfAt(150) })
    expect(predict({}, { asOf: asOfAt(150) }).predictions).toEqual(predict({}).predictions)
  })

  it("are of the instruments that are named, by symbol or id, in the order in which they are", () => {
    const byId = predict({}, { instruments: [bravo.id, alpha.id] }).predictions
    expect(byId.map(({ answer }) => answer.instrument)).toEqual([bravo.id, alpha.id])
    const bySymbol = predict({}, { instruments: [bravo.symbol.toLowerCase(), alpha.symbol] })
    expect(bySymbol.predictions).toEqual(byId)
  })

  it("are refused of what is not listed, or may be either", () => {
    expect(refused({}, { instruments: [alpha.symbol, "NOBODY"] })).toMatchObject({
      _tag: "UnknownInstrument",
      symbol: "NOBODY"
    })
    const twin: Instrument = {
      ...alpha,
      id: instrumentId("other", alpha.symbol, "spot"),
      venue: "other"
    }
    const both = { instruments: [alpha, twin] }
    expect(refused(both, { instruments: [alpha.symbol] })).toMatchObject({
      _tag: "AmbiguousInstrument",
      candidates: [alpha.id, twin.id]
    })
    expect(predict(both, { instruments: [alpha.id] }).predictions.length).toBe(1)
  })

  it("are not ready before any bars", () => {
    expect(refused({ latest: -1 })._tag).toBe("NotReady")
    const { predicting } = predictingOf({ latest: -1 })
    expect(Effect.runSync(Effect.flip(predicting.summaries([])))._tag).toBe("NotReady")
  })

  it("are abstentions where bars are too few, beside those of the others", () => {
    const fresh = instrumentOf("NEW")
    const { asked, predictions } = predict({ instruments: [alpha, fresh, bravo] })
    expect(predictions.map(({ answer }) => [answer.instrument, answer._tag])).toEqual([
      [alpha.id, "Opinion"],
      [fresh.id, "Abstention"],
      [bravo.id, "Opinion"]
    ])
    expect(predictions[1]).toMatchObject({
      asOf: asOfAt(150),
      classes: null,
      answer: { reason: `fewer than ${windowCloses} bars of 1h are known` }
    })
    expect(asked[0]?.questions.map(({ instrument }) => instrument)).toEqual([alpha.id, bravo.id])
    const early = predict({ latest: windowCloses - 2 })
    expect(early.predictions.every(({ answer }) => answer._tag === "Abstention")).toBe(true)
    expect(early.asked).toEqual([])
  })

  it("are of the model and the time frame that are asked for, at the end of its last whole bar", () => {
    const longer = TimeFrame.make("4h")
    const { asked, predictions } = predict({ latest: 150 }, { model: "lstm", timeFrame: longer })
    const end = Math.floor(asOfAt(150) / toMs(longer)) * toMs(longer)
    expect(predictions[0]).toMatchObject({ model: "lstm", timeFrame: longer, asOf: end })
    expect(end).toBeLessThan(asOfAt(150))
    expect(asked).toMatchObject([{ model: "lstm", questions: [{ timeFrame: longer, asOf: end }, {}] }])
  })
})

/** Publishes at each of the indices, and goes on to the last. */
const publishing = (given: Given, indices: ReadonlyArray<number>, last: number) => {
  const all = predictingOf({ ...given, latest: indices[0] ?? 0 })
  for (const index of indices) {
    all.goTo(index)
    Effect.runSync(all.predicting.publishable)
  }
  all.goTo(last)
  return all
}
/** History of bars breathes, so that it takes its time. */
const summary = async (all: ReturnType<typeof predictingOf>, instrument = alpha) => {
  const [found] = await Effect.runPromise(all.predicting.summaries([instrument.id]))
  expect(Schema.is(PredictionSummary)(found)).toBe(true)
  return found as PredictionSummary
}

const sideAt = (instrument: Instrument, index: number): "sell" | "hold" | "buy" => {
  const cost = predict({ latest: index }).asked[0]?.questions[0]?.roundTripCost as number
  const band = Math.max(cost, 0.25 * sigmaAt(instrument, index))
  const logReturn = Math.log(barAt(instrument, index + horizonBars).close / barAt(instrument, index + 1).open)
  return logReturn > band ? "buy" : logReturn < -band ? "sell" : "hold"
}

describe("what is published at the interval", () => {
  it("is what votes says of every instrument, kept with the hold zone of its question", () => {
    const { kept, predicting } = predictingOf()
    const predictions = Effect.runSync(predicting.publishable)
    expect(predictions).toEqual(predict({}).predictions)
    expect(kept.map(({ instrument, occurredAt, type }) => [instrument, occurredAt, type])).toEqual([
      [alpha.id, asOfAt(150), "prediction"],
      [bravo.id, asOfAt(150), "prediction"]
    ])
    const question = predict({}).asked[0]?.questions[0]
    expect(kept[0]?.payload).toEqual({ band: question?.band, prediction: predictions[0] })
  })

  it("can be had again, of an instrument and a time, oldest first", () => {
    const { predicting } = publishing({}, [100, 101, 102, 103], 110)
    const found = Effect.runSync(predicting.history(bravo.symbol, asOfAt(101), asOfAt(103), 10))
    expect(found.map(({ answer, asOf }) => [answer.instrument, asOf])).toEqual([
      [bravo.id, asOfAt(101)],
      [bravo.id, asOfAt(102)]
    ])
    expect(Effect.runSync(predicting.history(bravo.id, 0, asOfAt(200), 3)).length).toBe(3)
    const unknown = Effect.flip(predicting.history("NOBODY", 0, asOfAt(200), 3))
    expect(Effect.runSync(unknown)._tag).toBe("UnknownInstrument")
  })
})

describe("the summary of what was published", () => {
  const bought = new Set([100, 103, 106, 109, 112, 117])
  const withheld = new Set([104, 111])
  const indices = Array.from({ length: 20 }, (_, i) => 100 + i)
  const answer = ({ asOf, instrument }: Question): Answer => {
    const index = (asOf - startTime) / frameMs - 1
    if (withheld.has(index)) return { ...abstention("deep-learning"), instrument }
    const probabilities = bought.has(index) ? buys : sells
    return opinion("deep-learning", { instrument, probabilities })
  }

  it("counts what was said, how sure it was, and how what has matured has turned out", async () => {
    // Of what was published at 119, the horizon ends with bar 123.
    for (const last of [119, 122, 123, 180]) {
      const said = indices.filter((index) => !withheld.has(index))
      const matured = said.filter((index) => index + horizonBars <= last)
      const found = await summary(publishing({ answer }, indices, last))
      const sideOf = (index: number) => (bought.has(index) ? "buy" : "sell")
      const rights = matured.filter((index) => sideAt(alpha, index) === sideOf(index))
      const losses = matured.map(
        (index) => -Math.log((bought.has(index) ? buys : sells)[sideAt(alpha, index)])
      )
      expect(found).toMatchObject({
        instrument: alpha.id,
        predictions: said.length,
        abstentions: 2,
        sides: { sell: said.length - bought.size, hold: 0, buy: bought.size },
        matured: { outcomes: matured.length, right: rights.length }
      })
      expect(rights.length).toBeGreaterThan(0)
      expect(rights.length).toBeLessThan(matured.length)
      expect(found.confidence).toBeCloseTo(
        (0.5 * bought.size + 0.6 * (said.length - bought.size)) / said.length,
        12
      )
      expect(found.matured.logLoss).toBeCloseTo(
        losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
        12
      )
      expect(found.latest?.asOf).toBe(asOfAt(119))
    }
  })

  it("is of all instruments where none is named, each for itself", async () => {
    const all = publishing({ answer }, indices, 150)
    const found = await Effect.runPromise(all.predicting.summaries([]))
    expect(found.map(({ instrument }) => instrument)).toEqual([alpha.id, bravo.id])
    expect(found[1]).toEqual(await summary(all, bravo))
    expect(found[1]?.matured.right).toBe(
      indices.filter(
        (index) => !withheld.has(index) && sideAt(bravo, index) === (bought.has(index) ? "buy" : "sell")
      ).length
    )
    const unknown = Effect.flip(all.predicting.summaries([alpha.symbol, "NOBODY"]))
    expect((await Effect.runPromise(unknown))._tag).toBe("UnknownInstrument")
  })

  it("says that there is nothing where nothing was published, and no loss before anything has matured", async () => {
    const empty = {
      instrument: alpha.id,
      predictions: 0,
      abstentions: 0,
      sides: { sell: 0, hold: 0, buy: 0 },
      confidence: null,
      matured: { outcomes: 0, right: 0, logLoss: null },
      latest: null
    }
    expect(await summary(predictingOf())).toEqual(empty)
    const fresh = await summary(publishing({}, [100], 102))
    expect(fresh.matured).toEqual({ outcomes: 0, right: 0, logLoss: null })
    expect(fresh.predictions).toBe(1)
  })

  it("leaves out what is kept under its type and is something else", async () => {
    const all = publishing({}, [100], 110)
    const [first] = all.kept as [(typeof all.kept)[number]]
    all.kept.push({ ...first, payload: { prediction: { model: "other" }, band: 1 } })
    all.kept.push({ ...first, payload: { ...(first.payload as object), band: "wide" } })
    expect((await summary(all)).predictions).toBe(1)
  })

  /** Bars of one instrument at the given hours, closing at a price that always rises. */
  const risingAt = (hours: ReadonlyArray<number>, closeOnly = false) =>
    hours.map((hour) =>
      closed(hour, [
        barOf(alpha, hour, { open: 100 * 1.01 ** hour, close: 100 * 1.01 ** (hour + 1), closeOnly })
      ])
    )

  it("counts a horizon in bars, however long the market was closed in between", async () => {
    const hours = [
      ...Array.from({ length: 80 }, (_, i) => i),
      ...Array.from({ length: 10 }, (_, i) => 80 + 300 + i)
    ]
    const found = await summary(
      publishing({ events: risingAt(hours), instruments: [alpha] }, [76, 77, 78, 79], 83)
    )
    // Two bars after the pause: the horizons of 76, 77, 78 and 79 end with bars 80, 81, 82 and 83.
    expect(found.matured).toMatchObject({ outcomes: 4, right: 4 })
    expect(found.matured.logLoss).toBeCloseTo(-Math.log(0.5), 12)
    const before = await summary(
      publishing({ events: risingAt(hours), instruments: [alpha] }, [76, 77, 78, 79], 81)
    )
    expect(before.matured.outcomes).toBe(2)
  })

  it("waits a bar longer where there are closes alone: what fills there ends there", async () => {
    const hours = Array.from({ length: 100 }, (_, i) => i)
    const of = (last: number) =>
      summary(publishing({ events: risingAt(hours, true), instruments: [alpha] }, [70], last))
    expect((await of(74)).matured.outcomes).toBe(0)
    expect((await of(75)).matured).toMatchObject({ outcomes: 1, right: 1 })
  })

  it("is of the latest 500, the very latest among them", async () => {
    const long = simulated({ seed: 96, count: 610, instruments: 1 })
    const [only] = long.instruments as [Instrument]
    const indices = Array.from({ length: 505 }, (_, i) => 100 + i)
    // Twice as often as the pace lets expect.
    const given = { events: long.events, instruments: [only], paceMs: 30_000 }
    const all = publishing(given, indices, 604)
    const found = await summary(all, only)
    expect(found.predictions).toBe(500)
    expect(found.latest?.asOf).toBe(asOfAt(604))
    expect(found.matured.outcomes).toBe(496)
    // Bars that have been asked for do for many.
    expect(all.calls.length).toBeLessThan(50)
  })

  it("reaches back as far where bars come faster than their time frame", async () => {
    // A bar a second, a prediction a minute: one in sixty as-ofs.
    const long = simulated({ seed: 97, count: 800, instruments: 1 })
    const [only] = long.instruments as [Instrument]
    const given = { events: long.events, instruments: [only], paceMs: 1_000 }
    const indices = [100, 160, 220, 280, 340, 400, 460, 520, 580, 640, 700]
    const found = await summary(publishing(given, indices, 790), only)
    expect(found.predictions).toBe(indices.length)
    expect(found.matured.outcomes).toBe(indices.length)
  })
})

describe("predictions at an interval", () => {
  it.effect("come now, and then every so often, each of what is known by then", () =>
    Effect.gen(function* () {
      const { goTo, predicting } = predictingOf({ latest: 150 })
      const asOfs: Array<number> = []
      const fiber = yield* predicting.stream(request(), 60_000).pipe(
        Stream.mapEffect((predictions) => predictions),
        Stream.tap((predictions) => Effect.sync(() => asOfs.push(predictions[0]?.asOf as number))),
        Stream.runCollect,
        Effect.fork
      )
      yield* TestClock.adjust(0)
      expect(asOfs).toEqual([asOfAt(150)])
      goTo(151)
      yield* TestClock.adjust(59_999)
      expect(asOfs.length).toBe(1)
      yield* TestClock.adjust(1)
      expect(asOfs).toEqual([asOfAt(150), asOfAt(151)])
      yield* TestClock.adjust(120_000)
      expect(asOfs).toEqual([asOfAt(150), asOfAt(151), asOfAt(151), asOfAt(151)])
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("come every minute where nothing else is said, and end with what is refused", () =>
    Effect.gen(function* () {
      const { predicting } = predictingOf()
      const taken = yield* Effect.fork(
        Stream.runCollect(
          Stream.take(
            Stream.mapEffect(predicting.stream(request()), (one) => one),
            3
          )
        )
      )
      yield* TestClock.adjust(119_999)
      expect(taken.unsafePoll()).toBeNull()
      yield* TestClock.adjust(1)
      expect(Chunk.size(yield* Fiber.join(taken))).toBe(3)
      const wrong = predicting.stream(request({ instruments: ["NOBODY"] }))
      const error = yield* Effect.flip(Stream.runDrain(Stream.mapEffect(wrong, (one) => one)))
      expect(error._tag).toBe("UnknownInstrument")
    })
  )
})
