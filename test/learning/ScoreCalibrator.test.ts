import { Either, Schema } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { logLoss } from "../../src/learning/evaluation/Scoring.ts"
import {
  type Calibrator,
  type CalibratorOptions,
  Calibrator as CalibratorSchema,
  calibrate,
  calibratorDefaults,
  fitCalibrator,
  type OutcomeColumns,
  type SideProbabilities
} from "../../src/learning/ScoreCalibrator.ts"
import { runThrough } from "../../src/learning/steps.ts"
import { keyedRandom } from "../../src/protocols/wire/KeyedRandom.ts"

interface World {
  /** Expected z per unit of score. */
  readonly slope: number
  readonly scoreDeviation?: number
}

/** Outcomes z = slope * score + noise, labelled by a band between a half and one sigma. */
const outcomes = (key: string, count: number, world: World): OutcomeColumns => {
  const random = keyedRandom("outcomes", key)
  const columns = {
    score: new Float64Array(count),
    logBandRatio: new Float64Array(count),
    label: new Uint8Array(count),
    z: new Float64Array(count)
  }
  for (let i = 0; i < count; i++) {
    const score = (world.scoreDeviation ?? 1) * random.normal()
    const band = 0.5 + 0.5 * random.next()
    const z = world.slope * score + random.normal()
    columns.score[i] = score
    columns.logBandRatio[i] = Math.log(band)
    columns.z[i] = z
    columns.label[i] = z > band ? 2 : z < -band ? 0 : 1
  }
  return columns
}

const fitted = (rows: OutcomeColumns, options: Partial<CalibratorOptions> = {}): Calibrator =>
  Either.getOrThrow(runThrough(fitCalibrator(rows, options)))

const toArray = (p: SideProbabilities) => [p.sell, p.hold, p.buy]

const ratesOf = (label: Uint8Array) =>
  [0, 1, 2].map((side) => label.filter((one) => one === side).length / label.length)

const meanLoss = (rows: OutcomeColumns, predict: (i: number) => ReadonlyArray<number>) => {
  let sum = 0
  for (let i = 0; i < rows.label.length; i++) sum += logLoss(predict(i), rows.label[i] as number)
  return sum / rows.label.length
}

const baseLossOf = (rows: OutcomeColumns) => {
  const rates = ratesOf(rows.label)
  return meanLoss(rows, () => rates)
}

const lossOf = (calibrator: Calibrator, rows: OutcomeColumns) =>
  meanLoss(rows, (i) =>
    toArray(calibrate(calibrator, rows.score[i] as number, rows.logBandRatio[i] as number))
  )

const anyOutcomes = fc
  .array(
    fc.tuple(
      fc.double({ noNaN: true, min: -1e6, max: 1e6 }),
      fc.double({ noNaN: true, min: -20, max: 20 }),
      fc.integer({ min: 0, max: 2 }),
      fc.double({ noNaN: true, min: -100, max: 100 })
    ),
    { minLength: 1, maxLength: 40 }
  )
  .map(
    (rows): OutcomeColumns => ({
      score: Float64Array.from(rows, (row) => row[0]),
      logBandRatio: Float64Array.from(rows, (row) => row[1]),
      label: Uint8Array.from(rows, (row) => row[2]),
      z: Float64Array.from(rows, (row) => row[3])
    })
  )

describe("ScoreCalibrator", () => {
  it("is not fitted on fewer outcomes than it was told", () => {
    const few = runThrough(fitCalibrator(outcomes("few", 59, { slope: 1 })))
    expect(Either.getLeft(few)).toMatchObject({
      value: { _tag: "TooFewOutcomes", outcomes: 59, outcomesMin: 60 }
    })
    expect(Either.isRight(runThrough(fitCalibrator(outcomes("few", 60, { slope: 1 }))))).toBe(true)
    expect(
      Either.isLeft(runThrough(fitCalibrator(outcomes("none", 0, { slope: 1 }), { minOutcomes: 0 })))
    ).toBe(true)
  })

  it("costs next to nothing against the base rate where scores are noise, and less the more it saw", () => {
    const excess = (count: number) => {
      let sum = 0
      for (let world = 0; world < 8; world++) {
        const test = outcomes(`noise test ${world}`, 4_000, { slope: 0 })
        // The band tells something about the label whatever the score does: take that away.
        const flat = (rows: OutcomeColumns) => ({ ...rows, logBandRatio: rows.logBandRatio.fill(0) })
        const calibrator = fitted(flat(outcomes(`noise ${world} ${count}`, count, { slope: 0 })))
        sum += lossOf(calibrator, flat(test)) - baseLossOf(test)
      }
      return sum / 8
    }
    const [early, late] = [excess(100), excess(5_000)]
    expect(early).toBeLessThan(0.05)
    expect(late).toBeLessThan(0.001)
    expect(late).toBeLessThan(early)
  })

  it("beats the base rate where scores are informative, and nears the best that can be", () => {
    const world = { slope: 0.8 }
    const calibrator = fitted(outcomes("signal", 4_000, world))
    const test = outcomes("signal test", 4_000, world)
    const base = baseLossOf(test)
    expect(lossOf(calibrator, test)).toBeLessThan(base - 0.1)

    const below = (x: number) => 1 / (1 + Math.exp(-1.702 * x))
    const best = meanLoss(test, (i) => {
      const expected = world.slope * (test.score[i] as number)
      const band = Math.exp(test.logBandRatio[i] as number)
      const [sell, buy] = [below(-band - expected), 1 - below(band - expected)]
      return [sell, 1 - sell - buy, buy]
    })
    expect(lossOf(calibrator, test)).toBeLessThan(best + 0.01)
  })

  it("says less often hold where the band is narrow", () => {
    const calibrator = fitted(outcomes("bands", 4_000, { slope: 0.2 }))
    expect(calibrate(calibrator, 0, Math.log(0.5)).hold).toBeLessThan(
      calibrate(calibrator, 0, Math.log(1)).hold - 0.1
    )
  })

  it("gives nearly the base rates after few outcomes, however well they fit", () => {
    const rows = outcomes("lucky", 60, { slope: 30 })
    const baseRates = { sell: 0.3, hold: 0.4, buy: 0.3 }
    const probabilities = calibrate(
      fitted(rows, { baseRates, ridge: 1_000, priorOutcomes: 10_000 }),
      1,
      Math.log(0.7)
    )
    expect(probabilities.sell).toBeCloseTo(baseRates.sell, 1)
    expect(probabilities.buy).toBeCloseTo(baseRates.buy, 1)
    expect(Math.max(...toArray(calibrate(fitted(rows), 1, Math.log(0.7))))).toBeLessThan(0.97)
  })

  it("always gives a distribution", () => {
    const anything = fc.double({ noNaN: true })
    fc.assert(
      fc.property(anyOutcomes, anything, anything, (rows, score, logBandRatio) => {
        const calibrator = fitted(rows, { minOutcomes: 1 })
        const p = toArray(calibrate(calibrator, score, logBandRatio))
        for (const one of p) {
          expect(one).toBeGreaterThanOrEqual(0)
          expect(one).toBeLessThanOrEqual(1)
        }
        expect(Math.abs(p.reduce((sum, one) => sum + one, 0) - 1)).toBeLessThan(1e-12)
      })
    )
  })

  it("goes through JSON without a trace", () => {
    fc.assert(
      fc.property(anyOutcomes, (rows) => {
        const calibrator = fitted(rows, { minOutcomes: 1 })
        const json: unknown = JSON.parse(JSON.stringify(calibrator))
        expect(Schema.decodeUnknownSync(CalibratorSchema)(json)).toEqual(calibrator)
      })
    )
    // Two of its slopes are held at zero, from either side.
    const perverse = fitted(outcomes("perverse", 200, { slope: -2 }))
    expect(JSON.parse(JSON.stringify(perverse))).toEqual(perverse)
  })

  it("never says less buy or more sell to a higher score", () => {
    const score = fc.double({ noNaN: true, min: -2e6, max: 2e6 })
    fc.assert(
      fc.property(
        anyOutcomes,
        score,
        score,
        fc.double({ noNaN: true, min: -30, max: 30 }),
        (rows, a, b, band) => {
          const calibrator = fitted(rows, { minOutcomes: 1 })
          const low = calibrate(calibrator, Math.min(a, b), band)
          const high = calibrate(calibrator, Math.max(a, b), band)
          expect(high.buy).toBeGreaterThanOrEqual(low.buy - 1e-12)
          expect(high.sell).toBeLessThanOrEqual(low.sell + 1e-12)
        }
      )
    )
  })

  it("says strictly more buy to a higher score where scores are informative", () => {
    const calibrator = fitted(outcomes("monotone", 500, { slope: 0.5 }))
    const buys = [-2, -1, 0, 1, 2].map((score) => calibrate(calibrator, score, Math.log(0.7)).buy)
    for (let i = 1; i < buys.length; i++) expect(buys[i]).toBeGreaterThan((buys[i - 1] as number) + 0.01)
  })

  it("does not believe a score that points the wrong way", () => {
    const calibrator = fitted(outcomes("perverse", 2_000, { slope: -0.8 }))
    expect([calibrator.slope, calibrator.sell.score, calibrator.buy.score].map(Math.abs)).toEqual([0, 0, 0])
    expect(calibrator.residualDeviation).toBeGreaterThan(1.1)
  })

  it("holds the slopes that violate their sign at zero, and refits the others", () => {
    // Large scores mean large moves either way, a little more often up: both slopes would be positive.
    const random = keyedRandom("one-sided")
    const rows = outcomes("one-sided", 3_000, { slope: 0 })
    for (let i = 0; i < rows.label.length; i++) {
      const moved = random.next() < 1 / (1 + Math.exp(-2 * (rows.score[i] as number)))
      rows.label[i] = moved ? (random.next() < 0.55 ? 2 : 0) : 1
    }
    const calibrator = fitted(rows)
    expect(Math.abs(calibrator.sell.score)).toBe(0)
    expect(calibrator.buy.score).toBeGreaterThan(0.3)
  })

  it("is at a stationary point of its penalised likelihood", () => {
    const rows = outcomes("stationary", 300, { slope: 0.6 })
    const { ridge, priorOutcomes } = calibratorDefaults
    const calibrator = fitted(rows)
    const n = rows.label.length
    const moments = (values: Float64Array) => {
      const mean = values.reduce((sum, value) => sum + value / n, 0)
      return { mean, deviation: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2 / n, 0)) }
    }
    const [s, l] = [moments(rows.score), moments(rows.logBandRatio)]
    const rates = ratesOf(rows.label).map((rate) => (rate * n + 1) / (n + 3))
    const objective = (c: Calibrator) => {
      const at = toArray(calibrate(c, s.mean, l.mean))
      let loss = lossOf(c, rows) * n
      at.forEach((p, side) => {
        loss -= priorOutcomes * (rates[side] as number) * Math.log(p)
      })
      for (const logit of [c.sell, c.buy]) {
        loss += (ridge / 2) * ((logit.score * s.deviation) ** 2 + (logit.band * l.deviation) ** 2)
      }
      return loss
    }
    const best = objective(calibrator)
    for (const side of ["sell", "buy"] as const) {
      for (const part of ["intercept", "score", "band"] as const) {
        for (const step of [-1e-3, 1e-3]) {
          const moved = {
            ...calibrator,
            [side]: { ...calibrator[side], [part]: calibrator[side][part] + step }
          }
          expect(objective(moved)).toBeGreaterThan(best)
        }
      }
    }
  })

  it("finds the slope and the spread of returns, shrinks what little data says, and clips", () => {
    const large = fitted(outcomes("slope", 5_000, { slope: 0.6 }))
    expect(large.slope).toBeCloseTo(0.6, 1)
    expect(large.residualDeviation).toBeCloseTo(1, 1)
    expect(fitted(outcomes("steep", 1_000, { slope: 3 })).slope).toBe(1.5)
    // Scores this faint say next to nothing in 100 outcomes.
    const faint = outcomes("faint", 100, { slope: 1, scoreDeviation: 0.01 })
    expect(fitted(faint).slope).toBeLessThan(0.1)
  })

  it("does not extrapolate beyond the scores and bands it has seen", () => {
    const calibrator = fitted(outcomes("range", 500, { slope: 0.8 }))
    expect(calibrate(calibrator, 1e9, 0)).toEqual(calibrate(calibrator, calibrator.scoreMax, 0))
    expect(calibrate(calibrator, 0.5, 99)).toEqual(calibrate(calibrator, 0.5, calibrator.logBandMax))
    expect(calibrate(calibrator, 0.5, Number.NEGATIVE_INFINITY)).toEqual(
      calibrate(calibrator, 0.5, calibrator.logBandMin)
    )
  })

  it("refuses columns that hold no number or differ in length", () => {
    const rows = outcomes("refused", 100, { slope: 1 })
    const refusal = (changed: Partial<OutcomeColumns>) =>
      Either.match(runThrough(fitCalibrator({ ...rows, ...changed })), {
        onLeft: (error) => error.message,
        onRight: () => expect.fail("it was fitted")
      })
    expect(refusal({ z: rows.z.map((value, i) => (i === 3 ? Number.NaN : value)) })).toBe(
      "Row 4 is refused: z is NaN."
    )
    expect(refusal({ score: rows.score.map(() => Number.POSITIVE_INFINITY) })).toContain(
      "Row 1 is refused: score"
    )
    expect(refusal({ label: rows.label.map(() => 3) })).toContain("label is 3")
    expect(refusal({ logBandRatio: rows.logBandRatio.slice(1) })).toContain(
      "logBandRatio ends after 99 of 100"
    )
  })
})
