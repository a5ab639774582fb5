import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  calibrate,
  evenWeights,
  exponents,
  logScore,
  pool,
  reweigh,
  temper,
  uniform
} from "../../../src/agents/orchestrator/pooling.ts"
import type { Probabilities, Side } from "../../../src/protocols/Opinion.ts"
import { bearish, bullish, probabilities, weightsOf } from "./inputs.ts"

const sides: ReadonlyArray<Side> = ["sell", "hold", "buy"]
const side = fc.constantFrom(...sides)
const sumOf = (numbers: ReadonlyArray<number>) => numbers.reduce((sum, number) => sum + number, 0)

const expectDistribution = (p: Probabilities) => {
  for (const name of sides) {
    expect(p[name]).toBeGreaterThanOrEqual(0)
    expect(p[name]).toBeLessThanOrEqual(1)
  }
  expect(Math.abs(p.sell + p.hold + p.buy - 1)).toBeLessThan(1e-9)
}

const expectSame = (actual: Probabilities, expected: Probabilities) => {
  for (const name of sides) expect(actual[name]).toBeCloseTo(expected[name], 12)
}

const share = fc.double({ min: 0, max: 1, noNaN: true })
const members = fc.integer({ min: 1, max: 6 }).chain((count) =>
  fc.record({
    weights: weightsOf(count),
    opinions: fc.array(probabilities, { minLength: count, maxLength: count })
  })
)

describe("pooling opinions", () => {
  it("makes a distribution of any opinions under any weights", () => {
    const weight = fc.double({ min: 0, max: 1e6, noNaN: true })
    const any = fc.array(fc.record({ weight, probabilities }), { maxLength: 8 })
    fc.assert(fc.property(any, (opinions) => expectDistribution(pool(opinions))))
  })

  it("is the weighted mean, and nobody at all is uniform", () => {
    expectSame(
      pool([
        { weight: 0.75, probabilities: bullish },
        { weight: 0.25, probabilities: bearish }
      ]),
      { sell: 0.25, hold: 0.2, buy: 0.55 }
    )
    expect(pool([])).toEqual(uniform)
    expect(pool([{ weight: 0, probabilities: bullish }])).toEqual(uniform)
  })

  it("stays between the lowest and the highest opinion on each side", () => {
    fc.assert(
      fc.property(members, ({ opinions, weights }) => {
        const pooled = pool(opinions.map((p, i) => ({ weight: weights[i] as number, probabilities: p })))
        for (const name of sides) {
          const said = opinions.map((p) => p[name])
          expect(pooled[name]).toBeGreaterThanOrEqual(Math.min(...said) - 1e-9)
          expect(pooled[name]).toBeLessThanOrEqual(Math.max(...said) + 1e-9)
        }
      })
    )
  })

  it("does not depend on the order of the members, nor on the scale of their weights", () => {
    fc.assert(
      fc.property(
        members,
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        ({ opinions, weights }, scale) => {
          const said = opinions.map((p, i) => ({ weight: weights[i] as number, probabilities: p }))
          const turned = [...said].reverse().map((one) => ({ ...one, weight: one.weight * scale }))
          expectSame(pool(turned), pool(said))
        }
      )
    )
  })
})

describe("tempering and calibrating", () => {
  it("is the base rate at the exponent 0 and the pool at 1, for distributions without extremes", () => {
    expectSame(temper(bullish, bearish, 0), bearish)
    expectSame(temper(bullish, bearish, 1), bullish)
  })

  it("moves the odds on from the base rate through the pool with the exponent", () => {
    const base = { sell: 0.3, hold: 0.4, buy: 0.3 }
    const chances = exponents.map((exponent) => temper(bullish, base, exponent).buy)
    expect([...chances].sort((a, b) => a - b)).toEqual(chances)
  })

  it("makes a distribution of any pool, base rate, exponent and mixture, certain ones among them", () => {
    fc.assert(
      fc.property(
        probabilities,
        probabilities,
        fc.double({ min: -1, max: 3, noNaN: true }),
        weightsOf(exponents.length),
        (p, base, exponent, weights) => {
          expectDistribution(temper(p, base, exponent))
          expectDistribution(calibrate(p, base, weights))
        }
      )
    )
  })

  it("treats no mixture at all as knowing nothing", () => {
    expect(calibrate(bullish, bearish, [])).toEqual(uniform)
  })
})

describe("moving the weights by an outcome", () => {
  const asked = members.chain(({ opinions, weights }) =>
    fc.record({
      weights: fc.constant(weights),
      opinions: fc.constant(opinions),
      present: fc.array(fc.boolean(), { minLength: weights.length, maxLength: weights.length }),
      outcome: side
    })
  )
  const scoresOf = (
    opinions: ReadonlyArray<Probabilities>,
    present: ReadonlyArray<boolean>,
    outcome: Side
  ): ReadonlyArray<number | undefined> =>
    opinions.map((p, i) => (present[i] === true ? logScore(p, outcome) : undefined))

  it("keeps them a distribution, whoever was there and whatever came", () => {
    fc.assert(
      fc.property(
        asked,
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        share,
        ({ opinions, outcome, present, weights }, rate, spread) => {
          const moved = reweigh(weights, scoresOf(opinions, present, outcome), rate, spread)
          expect(moved.length).toBe(weights.length)
          for (const weight of moved) {
            expect(weight).toBeGreaterThanOrEqual(0)
            expect(weight).toBeLessThanOrEqual(1)
          }
          expect(Math.abs(sumOf(moved) - 1)).toBeLessThan(1e-9)
        }
      )
    )
  })

  it("keeps them a distribution over a long row of outcomes", () => {
    fc.assert(
      fc.property(fc.array(side, { maxLength: 400 }), (outcomes) => {
        let weights = evenWeights(3)
        for (const outcome of outcomes) {
          weights = reweigh(
            weights,
            [logScore(bullish, outcome), logScore(bearish, outcome), undefined],
            1,
            0.01
          )
        }
        expect(Math.abs(sumOf(weights) - 1)).toBeLessThan(1e-9)
      }),
      { numRuns: 30 }
    )
  })

  it("is the Bayesian mixture at a rate of one without sharing", () => {
    const [first, second] = reweigh([0.5, 0.5], [Math.log(0.6), Math.log(0.2)], 1, 0)
    expect(first).toBeCloseTo(0.75, 12)
    expect(second).toBeCloseTo(0.25, 12)
  })

  it("leaves the weight of who abstained as it was, at a rate of one without sharing", () => {
    fc.assert(
      fc.property(asked, ({ opinions, outcome, present, weights }) => {
        const moved = reweigh(weights, scoresOf(opinions, present, outcome), 1, 0)
        weights.forEach((weight, i) => {
          if (present[i] !== true) expect(moved[i]).toBeCloseTo(weight, 9)
        })
      })
    )
  })

  it("changes nothing when nobody said anything", () => {
    const weights = [0.2, 0.3, 0.5]
    expect(reweigh(weights, [undefined, undefined, undefined], 1, 0.01)).toEqual(weights)
  })

  it("costs the mixture at most ln(members) more than the best member, over any row of outcomes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(probabilities, probabilities, probabilities, side), { maxLength: 120 }),
        (rounds) => {
          let weights = evenWeights(3)
          let mixture = 0
          const losses = [0, 0, 0]
          for (const [a, b, c, outcome] of rounds) {
            const scores = [a, b, c].map((p) => logScore(p, outcome))
            mixture -= Math.log(sumOf(weights.map((weight, i) => weight * Math.exp(scores[i] as number))))
            scores.forEach((score, i) => {
              losses[i] = (losses[i] as number) - score
            })
            weights = reweigh(weights, scores, 1, 0)
          }
          expect(mixture).toBeLessThanOrEqual(Math.min(...losses) + Math.log(3) + 1e-6)
        }
      ),
      { numRuns: 60 }
    )
  })

  it("lets a member that was certain and wrong come back, through the share that is spread evenly", () => {
    const certain = { sell: 1, hold: 0, buy: 0 }
    let weights = evenWeights(2)
    const play = (outcome: Side, times: number) => {
      for (let i = 0; i < times; i++) {
        weights = reweigh(weights, [logScore(certain, outcome), logScore(uniform, outcome)], 1, 0.01)
      }
    }
    play("buy", 50)
    expect(weights[0]).toBeLessThan(0.01)
    expect(weights[0]).toBeGreaterThanOrEqual(0.005)
    play("sell", 20)
    expect(weights[0]).toBeGreaterThan(0.9)
  })
})
