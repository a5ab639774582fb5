import { describe, expect, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import fc from "fast-check"
import {
  consensusOf,
  lossesOf,
  neweyWestError,
  opinionRecord,
  type ScoredOutcomes,
  scoredSurveys,
  surveyColumns,
  surveyLabels
} from "../../../src/market/streams/consensusWrong.ts"
import { parseDatedSeries } from "../../../src/market/streams/DatedSeries.ts"
import type { Probabilities, Side } from "../../../src/protocols/Opinion.ts"
import { OpinionRecord, unavailable } from "../../../src/protocols/Streams.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { drained } from "./series.ts"

const uniform: Probabilities = { sell: 1 / 3, hold: 1 / 3, buy: 1 / 3 }
const sides = ["sell", "hold", "buy"] as const
const scoredOf = (
  asOf: number,
  maturedAt: number,
  said: Probabilities,
  base: Probabilities,
  label: Side
): ScoredOutcomes => ({
  asOf,
  maturedAt,
  outcomes: 1,
  brier: lossesOf(said, label).brier,
  baseBrier: lossesOf(base, label).brier,
  logLoss: lossesOf(said, label).logLoss,
  baseLogLoss: lossesOf(base, label).logLoss
})
const available = (record: OpinionRecord) => {
  if (record.status === "unavailable") throw new Error(record.reason)
  return record
}
/** Outcomes that are even, and an opinion that gives what comes true so much. */
const opinionated = (count: number, right: number) => {
  const random = keyedRandom("opinionated", right)
  return Array.from({ length: count }, (_, i) => {
    const label = sides[random.int(3)] as Side
    const rest = (1 - right) / 2
    return scoredOf(i, i + 4, { sell: rest, hold: rest, buy: rest, [label]: right }, uniform, label)
  })
}

describe("the losses of a distribution", () => {
  it("are those of Brier and Good", () => {
    expect(lossesOf({ sell: 0, hold: 0, buy: 1 }, "buy")).toEqual({ brier: 0, logLoss: 0 })
    expect(lossesOf({ sell: 0, hold: 0, buy: 1 }, "sell").brier).toBe(2)
    expect(lossesOf({ sell: 0, hold: 0, buy: 1 }, "sell").logLoss).toBeCloseTo(-Math.log(1e-4), 12)
    expect(lossesOf(uniform, "hold").brier).toBeCloseTo(2 / 3, 12)
    expect(lossesOf(uniform, "hold").logLoss).toBeCloseTo(Math.log(3), 12)
  })
})

describe("the standard error of values that hang together", () => {
  it("without lags is the usual one, by the number", () => {
    const values = [1, 2, 4, 8]
    const mean = 15 / 4
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 4
    expect(neweyWestError(values, 0)).toBeCloseTo(Math.sqrt(variance / 4), 12)
  })

  it("finds how much wider the mean of a moving average scatters", () => {
    const random = keyedRandom("moving")
    const noise = Array.from({ length: 20_004 }, () => random.normal())
    const moving = Array.from({ length: 20_000 }, (_, i) =>
      noise.slice(i, i + 4).reduce((sum, value) => sum + value, 0)
    )
    // A sum of four overlapping steps scatters by 4 / sqrt(n), where independent ones of that size would by 2 / sqrt(n).
    expect(neweyWestError(moving, 0) * Math.sqrt(20_000)).toBeCloseTo(2, 1)
    expect(neweyWestError(moving, 30) * Math.sqrt(20_000)).toBeGreaterThan(3.6)
    expect(neweyWestError(moving, 30) * Math.sqrt(20_000)).toBeLessThan(4.2)
  })

  it("is a number whatever the values", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 1, maxLength: 40 }),
        fc.nat(60),
        (values, lags) => {
          expect(neweyWestError(values, lags)).toBeGreaterThanOrEqual(0)
        }
      )
    )
  })
})

describe("how wrong opinion was", () => {
  it("is half where it is the base rate, less where it knows more, more where it is misled", () => {
    const same = available(opinionRecord(opinionated(100, 1 / 3), 1_000))
    expect(same.score).toBeCloseTo(0.5, 9)
    expect(same.excessBrier).toBeCloseTo(0, 9)
    const better = available(opinionRecord(opinionated(100, 0.6), 1_000))
    expect(better.score).toBeLessThan(0.35)
    expect(better.excessLogLoss).toBeCloseTo(Math.log(1 / 3) - Math.log(0.6), 9)
    const misled = available(opinionRecord(opinionated(100, 0.05), 1_000))
    expect(misled.score).toBeGreaterThan(0.6)
    expect(misled.excessBrier).toBeGreaterThan(0)
    const oracle = opinionated(100, 1).map((one) => ({ ...one, baseBrier: 0 }))
    expect(available(opinionRecord(oracle, 1_000)).score).toBe(0.5)
  })

  it("counts an as-of once, however many instruments it has", () => {
    const single = opinionated(60, 0.5)
    const many = single.map((one, i) => {
      const times = 1 + (i % 7)
      return {
        ...one,
        outcomes: times,
        brier: times * one.brier,
        baseBrier: times * one.baseBrier,
        logLoss: times * one.logLoss,
        baseLogLoss: times * one.baseLogLoss
      }
    })
    const [one, other] = [available(opinionRecord(single, 1_000)), available(opinionRecord(many, 1_000))]
    expect(other.excessBrier).toBeCloseTo(one.excessBrier, 12)
    expect(other.excessBrierError).toBeCloseTo(one.excessBrierError, 12)
    expect(other.asOfs).toBe(60)
    expect(other.outcomes).toBeGreaterThan(60)
  })

  it("looks back on the latest 250 as-ofs, and says nothing on few, or on few beside their horizon", () => {
    expect(available(opinionRecord(opinionated(600, 0.5), 10_000))).toMatchObject({
      asOfs: 250,
      from: 350,
      to: 599
    })
    expect(opinionRecord(opinionated(29, 0.5), 1_000)).toMatchObject({ status: "unavailable" })
    const long = opinionated(100, 0.5).map((one) => ({ ...one, maturedAt: one.asOf + 80 }))
    expect(opinionRecord(long, 1_000)).toMatchObject({ status: "unavailable" })
  })

  it("by what had matured is the same as by what came later too", () => {
    const scored = fc.array(
      fc.record({
        asOf: fc.nat(60),
        horizon: fc.integer({ min: 1, max: 9 }),
        label: fc.constantFrom(...sides),
        buy: fc.nat(9)
      }),
      { minLength: 40, maxLength: 200 }
    )
    fc.assert(
      fc.property(scored, fc.nat(70), (all, asOf) => {
        const outcomes = all.map(({ asOf: at, buy, horizon, label }) =>
          scoredOf(at, at + horizon, { sell: (9 - buy) / 10, hold: 0.1, buy: buy / 10 }, uniform, label)
        )
        const record = opinionRecord(outcomes, asOf)
        const known = outcomes.filter(({ maturedAt }) => maturedAt <= asOf)
        expect(record).toEqual(opinionRecord(known, asOf))
        expect(Schema.is(OpinionRecord)(record)).toBe(true)
      })
    )
  })

  it("is available where either the pool or surveys can be judged", () => {
    const record = opinionRecord(opinionated(60, 0.5), 1_000)
    const nothing = unavailable("nobody asked")
    expect(consensusOf(record, nothing)).toMatchObject({ status: "available", surveyed: nothing })
    expect(consensusOf(nothing, nothing)).toMatchObject({ status: "unavailable" })
  })
})

describe("surveys", () => {
  const day = 86_400_000
  const text = (rows: ReadonlyArray<string>) => ["date,sell,hold,buy,outcome,known_at", ...rows].join("\n")
  const seriesOf = (rows: ReadonlyArray<string>) =>
    Either.getOrThrow(
      drained(
        parseDatedSeries(text(rows), {
          name: "survey.csv",
          columns: surveyColumns,
          labelColumn: "outcome",
          labels: surveyLabels,
          lagMs: 0
        })
      )
    )

  it("are scored as shares beside the outcomes that were known when they were taken", () => {
    const series = seriesOf([
      "2024-01-01,20,30,50,buy,2024-01-08",
      "2024-01-05,20,30,50,sell,2024-01-12",
      "2024-01-10,0.2,0.3,0.5,buy,2024-01-17"
    ])
    const [first, second, third] = scoredSurveys(series, Date.UTC(2025, 0, 1))
    expect(first?.brier).toBeCloseTo(lossesOf({ sell: 0.2, hold: 0.3, buy: 0.5 }, "buy").brier, 12)
    expect(first?.baseBrier).toBeCloseTo(lossesOf(uniform, "buy").brier, 12)
    // On the fifth nothing was known; on the tenth the first outcome was.
    expect(second?.baseBrier).toBeCloseTo(lossesOf(uniform, "sell").brier, 12)
    expect(third?.baseBrier).toBeCloseTo(lossesOf({ sell: 1 / 4, hold: 1 / 4, buy: 1 / 2 }, "buy").brier, 12)
    expect(third?.maturedAt).toBe(Date.UTC(2024, 0, 17))
    expect(scoredSurveys(series, Date.UTC(2024, 0, 12))).toHaveLength(2)
  })

  it("say the same of an as-of whatever comes later", () => {
    const random = keyedRandom("surveys")
    const rows = Array.from({ length: 80 }, (_, i) => {
      const at = new Date(Date.UTC(2024, 0, 1) + i * 7 * day).toISOString().slice(0, 10)
      const known = new Date(Date.UTC(2024, 0, 1) + (i * 7 + random.int(40)) * day).toISOString().slice(0, 10)
      return `${at},${random.int(50)},${random.int(50)},${1 + random.int(50)},${sides[random.int(3)]},${known}`
    })
    const series = seriesOf(rows)
    fc.assert(
      fc.property(fc.nat(600), (days) => {
        const asOf = Date.UTC(2024, 0, 1) + days * day
        const cut = { ...series, rows: series.rows.filter(({ knownAt }) => knownAt <= asOf) }
        expect(scoredSurveys(series, asOf)).toEqual(scoredSurveys(cut, asOf + 10_000 * day))
      })
    )
  })
})
