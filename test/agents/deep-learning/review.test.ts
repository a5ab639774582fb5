import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import {
  askMatured,
  compareMatured,
  maturedRows,
  recalibrated,
  recalibration,
  seriesSeenBy
} from "../../../src/agents/deep-learning/review.ts"
import type { OpinionBatch } from "../../../src/agents/model-host/ModelHost.ts"
import { calibrate, forecastsOf } from "../../../src/agents/training/HeldOut.ts"
import { barsBeforeOf } from "../../../src/agents/training/ModelInput.ts"
import type { ModelAnswers } from "../../../src/agents/training/ModelRun.ts"
import { pickRows, type QuestionRows } from "../../../src/agents/training/QuestionRows.ts"
import { evaluateScore } from "../../../src/learning/OpinionModel.ts"
import { type Calibrator, calibratorDefaults } from "../../../src/learning/ScoreCalibrator.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import type { BarSeries } from "../../../src/market/BarSeries.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { askOnnx, expectClose, randomCalibrator, randomRows } from "../../learning/opinions.ts"
import { costs, cut, simulatedSeries } from "../training/bars.ts"
import { artefactOf, input } from "../training/models.ts"

const horizonBars = 4
const options = { barsBefore: barsBeforeOf(input), horizonBars, costs }
const series = simulatedSeries({ bars: 900, instruments: 2, world: "efficient", seed: 23 })
const [alpha] = series as readonly [BarSeries, BarSeries]
const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.runPromise(effect)
const rows = await run(maturedRows(series, 0, options))

const part = (of: QuestionRows, from: number, to: number) =>
  pickRows(
    of,
    Uint32Array.from({ length: to - from }, (_, i) => from + i)
  )

/** It knows the outcome, and says it with noise. */
const clairvoyant = (of: QuestionRows, noise = 0.5) => {
  const random = keyedRandom("clairvoyant", of.rows, String(noise))
  return of.z.map((z) => 0.5 * z + noise * random.normal())
}
const fitted = (scores: Float64Array, of: QuestionRows): Calibrator =>
  Either.getOrThrow(runThrough(calibrate(scores, of)))

/** A model of these scores, with a calibrator. */
const answersOf = (scores: Float64Array, calibrator: Calibrator, of: QuestionRows): ModelAnswers => {
  const { probabilities, z } = forecastsOf(calibrator, scores, of)
  return {
    probabilities: Float32Array.from(probabilities),
    expectedReturn: Float32Array.from(z, (one, i) => one * (of.sigma[i] as number)),
    spread: Float32Array.from(of.sigma),
    score: Float32Array.from(scores),
    classes: new Float32Array()
  }
}

/** What was learned where the model saw nothing: nothing of its scores. */
const drifted = (of: QuestionRows) => {
  const random = keyedRandom("drifted", of.rows)
  return fitted(
    of.z.map(() => random.normal()),
    of
  )
}

describe("the rows that a review looks at", () => {
  it("are the questions behind an instant whose outcome is known, as a training sees them", async () => {
    const all = rows
    expect(all.rows).toBe(2 * (900 - 64 - horizonBars))
    const since = all.asOf[700] as number
    const later = await run(maturedRows(series, since, options))
    expect([...later.asOf]).toEqual([...all.asOf].filter((asOf) => asOf > since))
    expect(later.asOf[0]).toBeGreaterThan(since)
    const first = all.asOf.findIndex((asOf) => asOf > since)
    expect(later).toEqual(part(all, first, all.rows))
    expect((await run(maturedRows(series, Number.MAX_SAFE_INTEGER, options))).rows).toBe(0)
  })

  it("are the same whatever has come since", async () => {
    const known = series.map((one) => cut(one, 700))
    const before = await run(maturedRows(known, 0, options))
    const same = part(rows, 0, before.rows)
    expect([...before.asOf]).toEqual([...same.asOf])
    expect([...before.label]).toEqual([...same.label])
    expect([...before.z]).toEqual([...same.z])
  })
})

describe("the series that models can be asked about", () => {
  const [one = "", other = ""]: ReadonlyArray<string> = series.map(({ instrument }) => instrument.id)
  const seen = (...panels: ReadonlyArray<ReadonlyArray<string> | null>) =>
    seriesSeenBy(
      series,
      panels.map((together) => ({ together }))
    )

  it("are all, or those that one of them looks at together, in its order", () => {
    expect(seen(null, null)).toEqual(Either.right(series))
    expect(seen(null, [other, one])).toEqual(Either.right([...series].reverse()))
    expect(seen([other], [other])).toEqual(Either.right([series[1]]))
  })

  it("are none where they look at different ones, or at one that is not followed", () => {
    expect(seen([one, other], [one])).toEqual(
      Either.left("it does not look at the same instruments as what it is compared with")
    )
    expect(seen([one, "sim:OTHER:spot"])).toEqual(
      Either.left("it looks at 2 instruments together, of which 1 are followed here")
    )
  })
})

describe("what a model says of matured rows", () => {
  it("is asked with its features, as they were at each as-of", async () => {
    const asked: Array<OpinionBatch> = []
    const of = part(rows, 0, 300)
    const answers = await run(
      askMatured(
        {
          input,
          rowsMax: 32,
          ask: (batch) => {
            expect(batch.rows).toBeLessThanOrEqual(32)
            asked.push(batch)
            const sums = Float32Array.from({ length: batch.rows }, (_, row) =>
              batch.features
                .subarray(row * batch.columns, (row + 1) * batch.columns)
                .reduce((sum, one) => sum + one, 0)
            )
            return Effect.succeed({
              probabilities: new Float32Array(3 * batch.rows),
              expectedReturn: batch.sigma,
              spread: batch.band,
              score: sums,
              classes: new Float32Array()
            })
          }
        },
        of
      )
    )
    expect(asked.reduce((sum, batch) => sum + batch.rows, 0)).toBe(300)
    expect(answers.score.length).toBe(300)
    for (const row of [0, 1, 31, 32, 299]) {
      const { close } = series[of.instrument[row] as number] as BarSeries
      const bar = of.bar[row] as number
      const change = Math.log((close[bar] as number) / (close[bar - input.length] as number))
      expect(answers.score[row]).toBeCloseTo(change, 6)
      expect(answers.expectedReturn[row]).toBe(Math.fround(of.sigma[row] as number))
      expect(answers.spread[row]).toBe(Math.fround(of.band[row] as number))
    }
  })
})

describe("a new calibrator", () => {
  it("is one that says more of the latest third than the one that there is", async () => {
    const scores = clairvoyant(rows)
    const answers = answersOf(scores, drifted(rows), rows)
    const found = await run(recalibration(answers, rows))
    expect(found?.after).toBeLessThan((found?.before ?? 0) - 0.05)
    expect(found?.outcomes).toBe(rows.rows)
    // Learned from all of them, from the scores as float32 gives them.
    expect(found?.calibrator).toEqual(fitted(Float64Array.from(answers.score), rows))
    // Judged on what neither had seen, each by its own words.
    const at = rows.rows - Math.floor(rows.rows / 3)
    const late = part(rows, at, rows.rows)
    const lossOf = (probabilities: ArrayLike<number>) =>
      [...late.label].reduce(
        (sum, label, i) => sum - Math.log(probabilities[3 * i + label] as number) / late.rows,
        0
      )
    const heard = Float64Array.from(answers.score)
    // Of those before, the ones whose horizon was over when the first of these was asked.
    const over = [...rows.labelEnd.subarray(0, at)].filter((end) => end <= (late.asOf[0] as number)).length
    expect(over).toBeLessThan(at)
    const early = fitted(heard.subarray(0, over), part(rows, 0, over))
    expect(found?.before).toBeCloseTo(lossOf(answers.probabilities.subarray(3 * at)), 12)
    expect(found?.after).toBeCloseTo(lossOf(forecastsOf(early, heard.subarray(at), late).probabilities), 12)
  })

  it("is none where the one that there is does as well: of what it was learned from", async () => {
    const scores = clairvoyant(rows)
    // Fitted to the very outcomes that both are judged on.
    const at = rows.rows - Math.floor(rows.rows / 3)
    const late = part(rows, at, rows.rows)
    const best = fitted(scores.subarray(at), late)
    expect(await run(recalibration(answersOf(scores, best, rows), rows))).toBeUndefined()
  })

  it("is none of a model that says nothing, when the old one says so too", async () => {
    const random = keyedRandom("noise", rows.rows)
    const scores = rows.z.map(() => random.normal())
    const at = rows.rows - Math.floor(rows.rows / 3)
    const known = fitted(scores.subarray(at), part(rows, at, rows.rows))
    expect(await run(recalibration(answersOf(scores, known, rows), rows))).toBeUndefined()
  })

  it("is none of too few outcomes, and of just enough there is one", async () => {
    const of = (count: number) => {
      const some = part(rows, 0, count)
      const scores = clairvoyant(some, 0.2)
      return run(recalibration(answersOf(scores, drifted(rows), some), some))
    }
    // Two thirds have to be enough for a calibrator, without those whose horizon reaches into the last third.
    const counts = Array.from({ length: 40 }, (_, i) => 80 + i)
    const found = await Promise.all(counts.map(of))
    const first = found.findIndex((one) => one !== undefined)
    const enough = counts[first] as number
    expect(enough).toBeGreaterThanOrEqual(calibratorDefaults.minOutcomes / (2 / 3))
    expect(enough).toBeLessThanOrEqual(calibratorDefaults.minOutcomes / (2 / 3) + 3 * (horizonBars + 1))
    expect(found.slice(first).map((one) => one?.outcomes)).toEqual(counts.slice(first))
    expect(await of(0)).toBeUndefined()
  })

  it("is none where scores are no numbers", async () => {
    const answers = answersOf(clairvoyant(rows), drifted(rows), rows)
    answers.score[3] = Number.NaN
    expect(await run(recalibration(answers, rows))).toBeUndefined()
  })

  it("makes another artefact of the same network, and none of what is no model", async () => {
    const artefact = artefactOf()
    const random = keyedRandom("recalibrated")
    const calibrator = randomCalibrator(random)
    const changed = recalibrated(artefact, calibrator) as Uint8Array
    const asked = randomRows(random, 20, 5)
    const [before, after] = [await askOnnx(artefact, asked), await askOnnx(changed, asked)]
    expect(after.map(({ score }) => score)).toEqual(before.map(({ score }) => score))
    expectClose(
      after,
      before.map(({ score }, i) => evaluateScore(calibrator, score, asked[i] as (typeof asked)[number]))
    )
    expect(after).not.toEqual(before)
    expect(recalibrated(artefact.slice(0, 100), calibrator)).toBeUndefined()
    expect(recalibrated(new Uint8Array(), calibrator)).toBeUndefined()
  })
})

describe("what votes beside what voted before", () => {
  const good = () => {
    const scores = clairvoyant(rows)
    return answersOf(scores, fitted(scores, rows), rows)
  }
  const poor = () => {
    const random = keyedRandom("poor", rows.rows)
    const scores = rows.z.map(() => random.normal())
    return answersOf(scores, fitted(scores, rows), rows)
  }
  const compare = (serving: ModelAnswers, before: ModelAnswers, of = rows) =>
    run(compareMatured(serving, before, of, { horizonBars, seed: 7 }))

  it("is worse where it is shown to be, and says by how much", async () => {
    const found = await compare(poor(), good())
    expect(found?.isWorse).toBe(true)
    expect(found?.outcomes).toBe(rows.rows)
    const lossOf = ({ probabilities }: ModelAnswers) =>
      [...rows.label].reduce(
        (sum, label, i) => sum - Math.log(probabilities[3 * i + label] as number) / rows.rows,
        0
      )
    expect(found?.serving).toBeCloseTo(lossOf(poor()), 12)
    expect(found?.before).toBeCloseTo(lossOf(good()), 12)
    const counts = [1, 1, 1]
    for (const label of rows.label) counts[label] = (counts[label] as number) + 1
    const base = [...rows.label].reduce(
      (sum, label) => sum - Math.log((counts[label] as number) / (rows.rows + 3)) / rows.rows,
      0
    )
    expect(found?.baseRate).toBeCloseTo(base, 12)
  })

  it("is not worse where it is better, or the same", async () => {
    for (const found of [await compare(good(), poor()), await compare(good(), good())]) {
      expect(found?.isWorse).toBe(false)
    }
  })

  it("is not worse where that is not shown", async () => {
    const some = part(rows, 0, 120)
    const random = keyedRandom("twin")
    const scores = some.z.map(() => random.normal())
    const near = answersOf(scores, fitted(scores, some), some)
    const other = answersOf(
      scores.map((one) => one + 0.05 * random.normal()),
      fitted(scores, some),
      some
    )
    for (const found of [await compare(near, other, some), await compare(other, near, some)]) {
      expect(found?.isWorse).toBe(false)
    }
  })

  it("comes to the same whenever it is made", async () => {
    expect(await compare(poor(), good())).toEqual(await compare(poor(), good()))
  })

  it("is not judged on too few outcomes", async () => {
    const of = async (count: number) => {
      const some = part(rows, 0, count)
      const scores = clairvoyant(some)
      const one = answersOf(scores, drifted(rows), some)
      return compare(one, one, some)
    }
    // Two thirds have to be enough for a calibrator, without those whose horizon reaches into the last third.
    const counts = Array.from({ length: 40 }, (_, i) => 80 + i)
    const found = await Promise.all(counts.map(of))
    const first = found.findIndex((one) => one !== undefined)
    const enough = counts[first] as number
    expect(enough).toBeGreaterThanOrEqual(calibratorDefaults.minOutcomes / (2 / 3))
    expect(enough).toBeLessThanOrEqual(calibratorDefaults.minOutcomes / (2 / 3) + 3 * (horizonBars + 1))
    expect(found.slice(first).map((one) => one?.outcomes)).toEqual(counts.slice(first))
  })

  it("is not judged by what is no distribution", async () => {
    const broken = good()
    broken.probabilities[0] = Number.NaN
    expect(await compare(broken, good())).toBeUndefined()
    expect(await compare(good(), broken)).toBeUndefined()
  })

  it("is judged on one instrument as on several", async () => {
    const alone = await run(maturedRows([alpha], 0, options))
    const scores = clairvoyant(alone)
    const random = keyedRandom("alone")
    const noise = alone.z.map(() => random.normal())
    const found = await compare(
      answersOf(noise, fitted(noise, alone), alone),
      answersOf(scores, fitted(scores, alone), alone),
      alone
    )
    expect(found?.isWorse).toBe(true)
  })
})
