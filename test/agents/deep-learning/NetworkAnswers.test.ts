import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Schema } from "effect"
import fc from "fast-check"
import {
  barsNeededFor,
  makeNetworkAnswering,
  rowOf
} from "../../../src/agents/deep-learning/NetworkAnswers.ts"
import {
  descriptionOf,
  type NetworkDescription
} from "../../../src/agents/deep-learning/NetworkDescription.ts"
import {
  type Asked,
  type Row,
  type RowAnswer,
  rowsPerRunMax
} from "../../../src/agents/model-host/RowRuns.ts"
import { emitTrained } from "../../../src/agents/training/emitTrained.ts"
import { checkModel } from "../../../src/agents/training/ModelFile.ts"
import { inputSchema, inputsOf, type ModelInput } from "../../../src/agents/training/ModelInput.ts"
import { trainedModelMetadata } from "../../../src/agents/training/TrainedModel.ts"
import { emitLinear } from "../../../src/learning/LinearOpinion.ts"
import { networkManifest } from "../../../src/learning/NetworkOpinion.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { trainingDefaults } from "../../../src/learning/training/TrainingSpec.ts"
import { trmEpochsDefaults } from "../../../src/learning/trm/TrmEpochsSpec.ts"
import { trmManifest } from "../../../src/learning/trm/TrmOpinion.ts"
import { strategyTrm, type TrmSpec } from "../../../src/learning/trm/TrmSpec.ts"
import { type BarSeries, barAt } from "../../../src/market/BarSeries.ts"
import { featureSchema, featuresAt, windowCloses } from "../../../src/market/Features.ts"
import { ArtefactRefused } from "../../../src/protocols/errors.ts"
import type { Opinion, Question } from "../../../src/protocols/Opinion.ts"
import { Classes } from "../../../src/protocols/Prediction.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { ChildFailed } from "../../../src/runtime/errors.ts"
import { runOnnx } from "../../learning/onnx/runOnnx.ts"
import { askOnnx, randomCalibrator } from "../../learning/opinions.ts"
import { digest } from "../orchestrator/inputs.ts"
import { cut, keep, simulatedSeries, timeFrame } from "../training/bars.ts"
import { artefactOf, artefactOfAll, input, inputOfAll, trained, trainedOnAll } from "../training/models.ts"

const bars = 400
const [alpha, bravo] = simulatedSeries({ bars, instruments: 2, seed: 17 }) as readonly [BarSeries, BarSeries]
const horizonBars = 4

const description: NetworkDescription = {
  kind: "network-mlp",
  input,
  together: null,
  timeFrame,
  horizonBars,
  more: [],
  classes: null,
  recursion: null,
  rowsMax: rowsPerRunMax
}
const inputs: ReadonlyArray<ModelInput> = [
  input,
  { kind: "sequence", features: "bars", length: 60 },
  { kind: "sequence", features: "candles", length: 12 },
  { kind: "closes", lags: 5 }
]

const questionOf = (series: BarSeries, count: number, changes: Partial<Question> = {}): Question => ({
  instrument: series.instrument.id,
  timeFrame,
  asOf: (series.openTime[count - 1] as number) + 3_600_000,
  horizonBars,
  band: 0.005,
  roundTripCost: 0.0014,
  sigma: 0.02,
  ...changes
})

/** The last bars of what was known at a question's as-of. */
const lastOf = (series: BarSeries, end: number, count: number): BarSeries => {
  const part = (column: Float64Array) => column.slice(Math.max(0, end - count), end)
  return {
    ...series,
    openTime: part(series.openTime),
    open: part(series.open),
    high: part(series.high),
    low: part(series.low),
    close: part(series.close),
    volume: series.volume === null ? null : part(series.volume)
  }
}

const refusal = (
  changes: Partial<Question>,
  series: BarSeries | undefined = cut(alpha, 100),
  of = description
) => Either.getOrThrow(Either.flip(rowOf(of, questionOf(alpha, 100, changes), series)))

describe("the row of a question", () => {
  it("is what the network sees at the as-of, in the units that it was made in", () => {
    const row = Either.getOrThrow(
      rowOf(description, questionOf(alpha, 100, { band: 0.0125 }), cut(alpha, 100))
    )
    const change = (bar: number) =>
      Math.fround(Math.log((alpha.close[bar] as number) / (alpha.close[bar - 1] as number)))
    expect([...row.features]).toEqual([95, 96, 97, 98, 99].map(change))
    const out = new Float64Array(featureSchema(0).names.length)
    expect(row.sigma).toBe(featuresAt(alpha.close, 99, 0, out) * Math.sqrt(horizonBars))
    expect(row.band).toBe(0.0125)
  })

  it("follows from the bars that it says it needs, whatever is before them and comes after", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...inputs),
        fc.integer({ min: 90, max: bars - 1 }),
        fc.nat(80),
        fc.constantFrom(0.3, 1.4),
        (of, count, earlier, factor) => {
          const network = { ...description, input: of }
          const needed = barsNeededFor(of)
          const question = questionOf(alpha, count)
          const future = (column: Float64Array) =>
            column.map((value, i) => (i < count ? value : value * factor))
          const other = {
            ...alpha,
            open: future(alpha.open),
            high: future(alpha.high),
            low: future(alpha.low),
            close: future(alpha.close)
          }
          const row = Either.getOrThrow(rowOf(network, question, cut(alpha, count)))
          expect(row.features.length).toBe(inputSchema(of).names.length)
          expect(row.features.every(Number.isFinite)).toBe(true)
          expect(rowOf(network, question, cut(other, count))).toEqual(Either.right(row))
          expect(rowOf(network, question, lastOf(alpha, count, needed))).toEqual(Either.right(row))
          expect(rowOf(network, question, lastOf(alpha, count, needed + earlier))).toEqual(Either.right(row))
          expect(Either.isLeft(rowOf(network, question, lastOf(alpha, count, needed - 1)))).toBe(true)
        }
      ),
      { numRuns: 60 }
    )
  })

  it("is none for another horizon or time frame than the network's", () => {
    expect(refusal({ horizonBars: 7 })).toBe("the model looks 4 bars ahead, not 7")
    expect(refusal({ timeFrame: TimeFrame.make("4h") })).toBe("the model is of bars of 1h, not 4h")
    expect(
      Either.isRight(
        rowOf(description, questionOf(alpha, 100, { timeFrame: TimeFrame.make("60m") }), cut(alpha, 100))
      )
    ).toBe(true)
  })

  it("is none of too few bars, or of none", () => {
    expect(barsNeededFor(input)).toBe(windowCloses)
    expect(barsNeededFor({ kind: "closes", lags: 3 })).toBe(windowCloses)
    expect(barsNeededFor({ kind: "sequence", features: "bars", length: 60 })).toBe(80)
    const reason = "fewer than 65 bars are known at the as-of"
    expect(refusal({}, cut(alpha, 64))).toBe(reason)
    expect(Either.getOrThrow(Either.flip(rowOf(description, questionOf(alpha, 100), undefined)))).toBe(reason)
    const longer = { ...description, input: { kind: "sequence", features: "bars", length: 60 } as const }
    expect(refusal({}, cut(alpha, 79), longer)).toBe("fewer than 80 bars are known at the as-of")
    expect(Either.isRight(rowOf(longer, questionOf(alpha, 100), cut(alpha, 80)))).toBe(true)
  })

  it("is none where the price has not moved, or is no number", () => {
    const still = { ...cut(alpha, 100), close: new Float64Array(100).fill(5) }
    expect(refusal({}, still)).toBe("the price has not moved")
    const broken = cut(alpha, 100)
    broken.close[90] = Number.NaN
    expect(refusal({}, broken)).toBe("the price has not moved")
  })

  it("is none where a feature is not finite, and says which", () => {
    const broken = { ...cut(alpha, 100), high: alpha.high.slice(0, 100) }
    broken.high[98] = Number.NaN
    const reason = refusal({}, broken, {
      ...description,
      input: { kind: "sequence", features: "bars", length: 3 }
    })
    expect(reason).toContain("range")
    expect(reason).toContain(new Date(alpha.openTime[98] as number).toISOString())
  })
})

const network = artefactOf()
const version = sha256(network)

/** For networks that look at an instrument by itself. */
const noOthers = { barsIn: () => Effect.succeed([]), followed: () => [] }

/** Rows through the real artefact, and what was run, where so many series are followed. */
const answeringOf = (
  artefacts: Readonly<Record<string, Uint8Array>> = { [version]: network },
  followed: ReadonlyArray<BarSeries> = [alpha, bravo]
) => {
  const ran: Array<{ readonly version: string; readonly rows: ReadonlyArray<Row> }> = []
  const fetched: Array<string> = []
  const fetch = (of: string) =>
    Effect.suspend(() => {
      fetched.push(of)
      const bytes = artefacts[of]
      return bytes === undefined
        ? Effect.fail(new ChildFailed({ child: "model-manager", reason: "it has no such artefact" }))
        : Effect.succeed(bytes)
    })
  const answering = makeNetworkAnswering<ChildFailed>({
    fetch,
    run: ({ artefact, version: of }: Asked<ChildFailed>, rows) =>
      Effect.gen(function* () {
        ran.push({ version: of, rows })
        const bytes = yield* artefact
        const said = yield* Effect.promise(() => askOnnx(bytes, rows))
        return said.map(
          ({ expectedReturn, probabilities: { buy, hold, sell }, spread }): RowAnswer => ({
            probabilities: [sell, hold, buy],
            expectedReturn,
            spread,
            more: []
          })
        )
      }),
    seriesOf: ({ asOf, instrument }, count) =>
      Effect.sync(() => {
        const series = followed.find(({ instrument: { id } }) => id === instrument)
        if (series === undefined) return undefined
        return lastOf(series, series.openTime.filter((time) => time + 3_600_000 <= asOf).length, count)
      }),
    barsIn: (id, _, from, to) =>
      Effect.sync(() => {
        const series = followed.find(({ instrument }) => instrument.id === id)
        const own = Array.from(series?.close ?? [], (_, at) => barAt(series as BarSeries, at, "test"))
        return own.filter(({ closeTime }) => closeTime >= from && closeTime <= to)
      }),
    followed: () => followed.map(({ instrument }) => instrument)
  })
  return { answering, ran, fetched }
}

describe("the description of a network", () => {
  it("is what its artefact says of how to ask it", () =>
    Effect.gen(function* () {
      const { answering, fetched } = answeringOf()
      expect(yield* answering.describe(version)).toEqual(description)
      expect(yield* answering.describe(version)).toEqual(description)
      // The artefact is read once.
      expect(fetched).toEqual([version])
    }).pipe(Effect.runPromise))

  it("is none of what is no network, has features that bars do not give, or is damaged", () =>
    Effect.gen(function* () {
      const linear = emitLinear({
        means: new Float64Array(2),
        deviations: new Float64Array(2).fill(1),
        coefficients: new Float64Array(2),
        intercept: 0,
        calibrator: randomCalibrator(keyedRandom("linear")),
        featureNames: ["one", "two"],
        featureSchemaVersion: 1
      })
      const artefacts = {
        [digest("1")]: network.slice(0, network.length >> 1),
        [digest("2")]: new Uint8Array(),
        [digest("3")]: linear,
        [digest("4")]: artefactOf({ ...trained, sequence: { ...trained.sequence, length: 6 } })
      }
      const { answering } = answeringOf(artefacts)
      const reasons: Array<string> = []
      for (const of of Object.keys(artefacts)) {
        const errors = [
          yield* Effect.flip(answering.describe(of)),
          yield* Effect.flip(answering.answer(of, [questionOf(alpha, 100)]))
        ]
        for (const error of errors) {
          expect(error).toBeInstanceOf(ArtefactRefused)
          expect(error).toMatchObject({ digest: of })
        }
        reasons.push((errors[0] as ArtefactRefused).reason)
      }
      expect(reasons[0]).toContain("it is no readable ONNX")
      expect(reasons[2]).toBe(
        "its features (one, two) are not made of bars, and a running agent has nothing else to make them of"
      )
      expect(reasons[3]).toContain("columns are not 6 bars")
      expect((yield* Effect.flip(answering.describe(digest("9"))))._tag).toBe("ChildFailed")
      const checked = Either.getOrThrow(checkModel(linear))
      expect(descriptionOf(checked)).toBeUndefined()
    }).pipe(Effect.runPromise))
})

describe("the answers of a network", () => {
  it("are what its artefact says, in the order of the questions, with abstentions in between", () =>
    Effect.gen(function* () {
      const { answering, ran } = answeringOf()
      const questions = [
        questionOf(bravo, 300),
        questionOf(alpha, 300, { horizonBars: 7 }),
        questionOf(alpha, 300),
        questionOf(alpha, 60),
        questionOf(alpha, 200),
        questionOf(alpha, 300, { instrument: "sim:NEW:spot" as Question["instrument"] })
      ]
      const given = yield* answering.answer(version, questions)
      const answers = given.map(({ answer }) => answer)
      expect(answers.map(({ instrument }) => instrument)).toEqual(questions.map((one) => one.instrument))
      expect(answers.map((one) => (one._tag === "Abstention" ? one.reason : one._tag))).toEqual([
        "Opinion",
        "the model looks 4 bars ahead, not 7",
        "Opinion",
        "fewer than 65 bars are known at the as-of",
        "Opinion",
        "fewer than 65 bars are known at the as-of"
      ])
      expect(given.every(({ classes }) => classes === null)).toBe(true)
      // One run, of the rows that there are.
      expect(ran.map(({ rows, version: of }) => [of, rows.length])).toEqual([[version, 3]])
      const rows = [
        rowOf(description, questions[0] as Question, cut(bravo, 300)),
        rowOf(description, questions[2] as Question, cut(alpha, 300)),
        rowOf(description, questions[4] as Question, cut(alpha, 200))
      ].map((row) => Either.getOrThrow(row))
      expect(ran[0]?.rows).toEqual(rows)
      const said = yield* Effect.promise(() => askOnnx(network, rows))
      const opinions = answers.filter((one): one is Opinion => one._tag === "Opinion")
      opinions.forEach((one, i) => {
        const expected = said[i] as (typeof said)[number]
        expect(one).toMatchObject({
          voter: "deep-learning",
          modelVersion: version,
          standIn: "none",
          expectedReturn: expected.expectedReturn,
          spread: expected.spread
        })
        const { buy, hold, sell } = one.probabilities
        expect(sell + hold + buy).toBeCloseTo(1, 15)
        for (const side of ["sell", "hold", "buy"] as const) {
          expect(one.probabilities[side]).toBeCloseTo(expected.probabilities[side], 6)
        }
      })
    }).pipe(Effect.runPromise))

  it("at an as-of are the same whatever has come since", () =>
    Effect.gen(function* () {
      const question = questionOf(alpha, 150)
      const { answering } = answeringOf()
      const [now] = yield* answering.answer(version, [question])
      expect(now?.answer._tag).toBe("Opinion")
      const [first, second, third] = yield* answering.answer(version, [
        question,
        questionOf(alpha, 300),
        question
      ])
      expect([first, third]).toEqual([now, now])
      expect(second).not.toEqual(now)
    }).pipe(Effect.runPromise))

  it("need no run where there is no row", () =>
    Effect.gen(function* () {
      const { answering, ran } = answeringOf()
      expect(yield* answering.answer(version, [])).toEqual([])
      yield* answering.answer(version, [questionOf(alpha, 20)])
      expect(ran).toEqual([])
    }).pipe(Effect.runPromise))

  it("fail as the run does", () =>
    Effect.gen(function* () {
      const died = new ChildFailed({ child: "model-host", reason: "it died" })
      const answering = makeNetworkAnswering<ChildFailed>({
        fetch: () => Effect.succeed(network),
        run: () => Effect.fail(died),
        seriesOf: () => Effect.succeed(alpha),
        ...noOthers
      })
      expect(yield* Effect.flip(answering.answer(version, [questionOf(alpha, bars)]))).toBe(died)
    }).pipe(Effect.runPromise))

  it("are abstentions where what came out is no opinion, or nothing came", () =>
    Effect.gen(function* () {
      const answersOf = (said: ReadonlyArray<RowAnswer>) =>
        makeNetworkAnswering<never>({
          fetch: () => Effect.succeed(network),
          run: () => Effect.succeed(said),
          seriesOf: () => Effect.succeed(alpha),
          ...noOthers
        }).answer(version, [questionOf(alpha, bars)])
      const said = { probabilities: [0.2, 0.3, 0.5], expectedReturn: 0, spread: 1, more: [] } as const
      expect((yield* answersOf([said]))[0]?.answer._tag).toBe("Opinion")
      const odd: ReadonlyArray<ReadonlyArray<RowAnswer>> = [
        [],
        [{ ...said, spread: Number.NaN }],
        [{ ...said, probabilities: [Number.NaN, 0.5, 0.5] }],
        [{ ...said, probabilities: [-0.5, 0.5, 1] }]
      ]
      for (const one of odd) expect((yield* answersOf(one))[0]?.answer._tag).toBe("Abstention")
    }).pipe(Effect.runPromise))
})

describe("the answers of a network that looks at several instruments together", () => {
  const ids = [bravo, alpha].map(({ instrument }) => instrument.id)
  const whole = { ...trainedOnAll, data: { ...trainedOnAll.data, instruments: ids } }
  const ofAll = artefactOfAll(whole)
  const all = sha256(ofAll)
  const gapped = keep(bravo, (bar) => bar % 19 !== 3)
  const other = {
    ...cut(alpha, bars),
    instrument: { ...alpha.instrument, id: "sim:OTHER:spot" as (typeof ids)[number] }
  }
  const ask = (questions: ReadonlyArray<Question>, followed: ReadonlyArray<BarSeries>) =>
    Effect.gen(function* () {
      const { answering, ran } = answeringOf({ [all]: ofAll }, followed)
      const given = yield* answering.answer(all, questions)
      return { answers: given.map(({ answer }) => answer), rows: ran.flatMap(({ rows }) => rows) }
    })
  const reasonOf = (question: Question, followed: ReadonlyArray<BarSeries> = [alpha, bravo]) =>
    Effect.map(ask([question], followed), ({ answers: [answer] }) =>
      answer?._tag === "Abstention" ? answer.reason : "none"
    )

  it("see what it was trained on, whatever else is followed and in whatever order", () =>
    Effect.gen(function* () {
      const asOfs = [70, 200, 202, 150, 370]
      const questions = asOfs.flatMap((bar) => [questionOf(alpha, bar), questionOf(gapped, bar)])
      const { answers, rows } = yield* ask(questions, [other, alpha, gapped])
      expect(answers.every(({ _tag }) => _tag === "Opinion")).toBe(true)
      // As `train` and `predict` make them, of the whole file.
      const fill = Either.getOrThrow(runThrough(inputsOf(inputOfAll, [gapped, alpha])))
      questions.forEach(({ asOf, instrument }, i) => {
        const which = ids.indexOf(instrument)
        const series = [gapped, alpha][which] as BarSeries
        const features = new Float32Array(inputSchema(inputOfAll).names.length)
        fill(
          which,
          series.openTime.findIndex((time) => time + 3_600_000 === asOf),
          features,
          0
        )
        expect(rows[i]?.features).toEqual(features)
      })
      // The correlation of a gap's as-ofs stands at the mean of the training.
      const correlation = rows.map(({ features }) => features[17])
      expect(correlation).toContain(Math.fround(inputOfAll.standIns[7] as number))
    }).pipe(Effect.runPromise))

  it("follow from bars up to the as-of", () =>
    Effect.gen(function* () {
      const questions = [questionOf(alpha, 150), questionOf(bravo, 150)]
      const { answers } = yield* ask(questions, [alpha, bravo])
      expect(yield* ask(questions, [cut(alpha, 150), cut(bravo, 150)])).toMatchObject({ answers })
      const moved = { ...bravo, close: bravo.close.map((close, bar) => (bar < 150 ? close : close * 3)) }
      expect(yield* ask(questions, [alpha, moved])).toMatchObject({ answers })
    }).pipe(Effect.runPromise))

  it("are abstentions, each with its reason, where it cannot look at what it learned of", () =>
    Effect.gen(function* () {
      const question = questionOf(alpha, 300)
      expect(yield* reasonOf({ ...question, horizonBars: 7 })).toBe("the model looks 4 bars ahead, not 7")
      expect(yield* reasonOf({ ...question, timeFrame: TimeFrame.make("4h") })).toBe(
        "the model is of bars of 1h, not 4h"
      )
      expect(yield* reasonOf(questionOf(other, 300), [alpha, bravo, other])).toBe(
        "the model looks at 2 instruments together, and this one is not among them"
      )
      expect(yield* reasonOf(question, [alpha])).toBe(
        `the model looks at 2 instruments together, and ${bravo.instrument.id} is not followed here`
      )
      expect(yield* reasonOf(questionOf(alpha, 64))).toBe("fewer than 65 bars are known at the as-of")
      const infinite = { ...alpha, high: alpha.high.map((high, bar) => (bar === 298 ? 1e308 : high)) }
      infinite.close[298] = 1e-5
      expect(yield* reasonOf(question, [infinite, bravo])).toBe("the feature range-1 is Infinity")
    }).pipe(Effect.runPromise))

  it("are told of before they are asked, where they would be abstentions whatever the bars are", () =>
    Effect.gen(function* () {
      const questions = [
        questionOf(alpha, 300),
        questionOf(alpha, 3),
        questionOf(other, 300),
        questionOf(alpha, 300, { horizonBars: 7 })
      ]
      for (const followed of [[alpha, bravo], [alpha, bravo, other], [alpha]]) {
        const { answering } = answeringOf({ [all]: ofAll }, followed)
        const whyNot = yield* answering.whyNot(all)
        const isTold = questions.map((question) => whyNot(question) !== undefined)
        const isWhole = followed.includes(bravo)
        expect(isTold).toEqual([!isWhole, !isWhole, true, true])
        const given = yield* answering.answer(all, questions)
        expect(given.map(({ answer }) => answer._tag === "Abstention")).toEqual([!isWhole, true, true, true])
      }
    }).pipe(Effect.runPromise))

  it("are abstentions on another calendar than it was trained on", () =>
    Effect.gen(function* () {
      const daily = artefactOfAll({ ...whole, sequence: { ...whole.sequence, calendar: "weekdays" } })
      const { answering } = answeringOf({ [all]: daily })
      const [given] = yield* answering.answer(all, [questionOf(alpha, 300)])
      expect(given?.answer).toMatchObject({
        _tag: "Abstention",
        reason: `the model was trained on the calendar weekdays, and ${bravo.instrument.id} is on always`
      })
    }).pipe(Effect.runPromise))

  it("go by a description that says what it looks at", () =>
    Effect.gen(function* () {
      const { answering } = answeringOf({ [all]: ofAll })
      expect(yield* answering.describe(all)).toMatchObject({
        input: inputOfAll,
        together: { panel: { instruments: ids, timeFrame, length: 2 }, calendar: null }
      })
    }).pipe(Effect.runPromise))
})

/** What each of the classes of a classifier was, as a training says it. */
const eachOf = (names: ReadonlyArray<string>) =>
  names.map((name) => ({
    name,
    trainingRows: 10,
    value: 0.1,
    weight: 1,
    heldOutRows: 5,
    precision: null,
    recall: null,
    f1: null
  }))
const names = ["doji", "hammer", "none"]
const scoreOf = { names, values: [0.5, -0.5, 0], weights: [1, 1, 1] }

const classifierSpec = trainingDefaults({
  length: input.length,
  features: 1,
  body: { kind: "mlp", hidden: [4] },
  head: { kind: "classification", classes: names.length }
})
const random = keyedRandom("classifiers")
const normals = (size: number, scale = 1) =>
  Float32Array.from({ length: size }, () => scale * random.normal())
const classifier = emitTrained(classifierSpec, {
  parameters: normals(networkManifest(classifierSpec.network).size),
  normalisation: { means: [0], deviations: [0.01] },
  classes: scoreOf,
  calibrator: randomCalibrator(random),
  featureNames: inputSchema(input).names,
  featureSchemaVersion: 1,
  metadata: trainedModelMetadata({
    ...trained,
    training: classifierSpec,
    classes: { kind: "candles", each: eachOf(names) }
  })
})

const oneBar = { kind: "sequence", features: "bars", length: 1 } as const
const trm: TrmSpec = {
  sizes: { ...strategyTrm.sizes, width: 8, heads: 2, latentSteps: 2, recursions: 2 },
  task: { kind: "features", features: 10, classes: names.length }
}
const recursiveSpec = { ...trmEpochsDefaults(trm), supervisionSteps: 4 }
const means = Array.from({ length: 10 }, (_, i) => i / 100)
const deviations = Array.from({ length: 10 }, (_, i) => 0.5 + i)
const recursive = emitTrained(recursiveSpec, {
  parameters: normals(trmManifest(trm).size, 0.2),
  normalisation: { means, deviations },
  classes: scoreOf,
  calibrator: randomCalibrator(random),
  featureNames: inputSchema(oneBar).names,
  featureSchemaVersion: 1,
  metadata: trainedModelMetadata({
    ...trained,
    sequence: { features: "bars", version: 1, length: 1, hasVolume: true },
    training: recursiveSpec,
    classes: { kind: "strategies", each: eachOf(names) }
  })
})

/** All that an artefact says of rows, beside its opinions. */
const outputsOf = (artefact: Uint8Array, rows: ReadonlyArray<Row>) =>
  runOnnx(artefact, {
    features: {
      dims: [rows.length, rows[0]?.features.length ?? 0],
      values: rows.flatMap(({ features }) => [...features])
    },
    sigma: { dims: [rows.length, 1], values: rows.map(({ sigma }) => sigma) },
    band: { dims: [rows.length, 1], values: rows.map(({ band }) => band) }
  })

/** Answers of an artefact with all outputs that it is asked for, or others in their place. */
const classified = (artefact: Uint8Array, change: (more: Array<Float32Array>) => void = () => undefined) => {
  const seen: Array<Asked<never>> = []
  const rowsSeen: Array<Row> = []
  const answering = makeNetworkAnswering<never>({
    fetch: () => Effect.succeed(artefact),
    run: (asked, rows) =>
      Effect.promise(async () => {
        seen.push(asked)
        rowsSeen.push(...rows)
        const outputs = await outputsOf(artefact, rows)
        const of = (name: string, width: number, row: number) => {
          expect(outputs[name]?.dims).toEqual([rows.length, width])
          return Float32Array.from(outputs[name]?.values.slice(row * width, (row + 1) * width) ?? [])
        }
        return rows.map((_, row): RowAnswer => {
          const more = asked.more.map(({ name, width }) => of(name, width, row))
          change(more)
          return {
            probabilities: [...of("probabilities", 3, row)] as [number, number, number],
            expectedReturn: of("expected_return", 1, row)[0] as number,
            spread: of("spread", 1, row)[0] as number,
            more
          }
        })
      }),
    seriesOf: () => Effect.succeed(alpha),
    ...noOthers
  })
  const questions = [questionOf(alpha, bars), questionOf(alpha, bars, { horizonBars: 7 })]
  return Effect.runPromise(answering.answer(sha256(artefact), questions)).then((answers) => ({
    answers,
    seen,
    rowsSeen
  }))
}

describe("what a classifier saw", () => {
  it("is told beside its opinion: each class, and which is the most probable", async () => {
    const { answers, seen } = await classified(classifier)
    expect(seen[0]?.more).toEqual([{ name: "class_probabilities", width: 3 }])
    expect(seen[0]?.rowsMax).toBe(rowsPerRunMax)
    const [first, second] = answers
    expect(first?.answer._tag).toBe("Opinion")
    expect(second).toMatchObject({ answer: { _tag: "Abstention" }, classes: null })
    const classes = first?.classes as Classes
    expect(Schema.is(Classes)(classes)).toBe(true)
    expect(classes).toMatchObject({ kind: "candles", recursion: null })
    expect(classes.each.map(({ name }) => name)).toEqual(names)
    expect(classes.each.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 6)
    const most = Math.max(...classes.each.map(({ probability }) => probability))
    expect(classes.confidence).toBe(most)
    expect(classes.each.find(({ name }) => name === classes.top)?.probability).toBe(most)
  })

  it("is, of a Tiny Recursive Model, how it came to it as well", async () => {
    const { answers, rowsSeen, seen } = await classified(recursive)
    expect(seen[0]?.more.map(({ name, width }) => [name, width])).toEqual([
      ["class_probabilities", 3],
      ["halt_probability", 1],
      ["steps", 1],
      ["normalised_features", 10]
    ])
    const classes = answers[0]?.classes as Classes
    expect(Schema.is(Classes)(classes)).toBe(true)
    const { layers } = trm.sizes
    expect(classes.recursion).toMatchObject({
      supervisionStepsMax: 4,
      cycles: 2,
      latentSteps: 2,
      effectiveDepth: 2 * (2 + 1) * layers
    })
    expect(classes.recursion?.supervisionSteps).toBeGreaterThanOrEqual(1)
    expect(classes.recursion?.supervisionSteps).toBeLessThanOrEqual(4)
    const features = classes.recursion?.features ?? []
    expect(features.map(({ name }) => name)).toEqual(inputSchema(oneBar).names)
    const [row] = rowsSeen
    features.forEach(({ normalised, raw }, i) => {
      expect(raw).toBe(row?.features[i])
      expect(normalised).toBeCloseTo((raw - (means[i] as number)) / (deviations[i] as number), 5)
    })
  })

  it("is not told where it is no distribution, or says nothing of how it came to it", async () => {
    const odd = await classified(recursive, ([probabilities]) => probabilities?.fill(Number.NaN))
    expect(odd.answers[0]).toMatchObject({ answer: { _tag: "Opinion" }, classes: null })
    for (const output of [1, 2, 3]) {
      const silent = await classified(recursive, (more) => more[output]?.fill(Number.NaN))
      expect(silent.answers[0]?.classes).toMatchObject({ kind: "strategies", recursion: null })
    }
  })
})
