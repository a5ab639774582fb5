/** Inputs of decisions: one that passes every guard, and any at all. */
import fc from "fast-check"
import { exponents } from "../../../src/agents/orchestrator/pooling.ts"
import type { AccountView, DecisionInputs, Policy } from "../../../src/protocols/Decision.ts"
import type { Abstention, Answer, Opinion, Probabilities, Question } from "../../../src/protocols/Opinion.ts"
import { asOfAt, instrumentOf, timeFrame } from "../feedEvents.ts"

export const alpha = instrumentOf("ALPHA")
export const voters = ["deep-learning", "reinforcement-learning"] as const
export const members = [...voters, "baseline"] as const

export const question: Question = {
  instrument: alpha.id,
  timeFrame,
  asOf: asOfAt(100),
  horizonBars: 4,
  band: 0.005,
  roundTripCost: 0.0014,
  sigma: 0.02
}

export const policy: Policy = {
  quorum: 2,
  confidenceMin: 0.4,
  winProbabilityMin: 0.55,
  edgeCostMultipleMin: 1,
  skillAlpha: 0.01,
  kellyFraction: 0.25,
  exposureMax: 0.5,
  allowShort: true,
  stalenessMaxMs: 90_000
}

export const bullish: Probabilities = { sell: 0.1, hold: 0.2, buy: 0.7 }
export const bearish: Probabilities = { sell: 0.7, hold: 0.2, buy: 0.1 }
export const digest = (digit: string): string => digit.repeat(64)

export const opinion = (voter: string, changes: Partial<Opinion> = {}): Opinion => ({
  _tag: "Opinion",
  voter,
  instrument: alpha.id,
  probabilities: bullish,
  expectedReturn: 0.01,
  spread: 0.02,
  reason: "it says so",
  modelVersion: digest("a"),
  standIn: "none",
  ...changes
})

export const abstention = (voter: string, reason = "no model has been made yet"): Abstention => ({
  _tag: "Abstention",
  voter,
  instrument: alpha.id,
  reason
})

export const account: AccountView = { equity: 100_000, exposure: 0, stopped: false }

/** The pool is taken as it is: all weight on the exponent 1. */
export const asItIs: ReadonlyArray<number> = exponents.map((exponent) => (exponent === 1 ? 1 : 0))

/** Everybody is there and of one mind, the evidence is overwhelming: a buy that nothing speaks against. */
export const convinced: DecisionInputs = {
  question,
  answers: voters.map((voter) => opinion(voter)),
  weights: members.map((member) => ({ member, weight: member === "baseline" ? 0.02 : 0.49 })),
  baseRate: { probabilities: { sell: 0.3, hold: 0.4, buy: 0.3 }, outcomes: 500 },
  calibration: asItIs,
  evidence: { logOdds: 6, outcomes: 100 },
  account,
  warmUp: false,
  ageMs: 0,
  policy
}

/** Evenly spread: doubles drawn by their bits are almost all next to zero. */
const evenly = (min: number, max: number) =>
  fc.integer({ min: 0, max: 10_000 }).map((step) => min + ((max - min) * step) / 10_000)
const part = evenly(0, 1)

/** Distributions, those with zeros in them too. */
export const probabilities: fc.Arbitrary<Probabilities> = fc
  .tuple(part, part, part)
  .filter(([sell, hold, buy]) => sell + hold + buy > 1e-9)
  .map(([sell, hold, buy]) => {
    const sum = sell + hold + buy
    return { sell: sell / sum, hold: hold / sum, buy: buy / sum }
  })

export const weightsOf = (count: number): fc.Arbitrary<ReadonlyArray<number>> =>
  fc
    .array(part, { minLength: count, maxLength: count })
    .filter((weights) => weights.reduce((sum, weight) => sum + weight, 0) > 1e-9)
    .map((weights) => {
      const sum = weights.reduce((total, weight) => total + weight, 0)
      return weights.map((weight) => weight / sum)
    })

const answerOf = (voter: string): fc.Arbitrary<Answer> =>
  fc.oneof(
    fc.constant(abstention(voter)),
    fc
      .record({
        probabilities,
        expectedReturn: evenly(-0.1, 0.1),
        spread: evenly(0, 0.3),
        standIn: fc.constantFrom("none" as const, "previous" as const, "baseline" as const)
      })
      .map((said) => opinion(voter, said))
  )

/** Any inputs that a record may hold. */
export const anyInputs: fc.Arbitrary<DecisionInputs> = fc.record({
  question: fc.constant(question),
  answers: fc.tuple(...voters.map(answerOf)),
  weights: weightsOf(members.length).map((weights) =>
    members.map((member, i) => ({ member, weight: weights[i] as number }))
  ),
  baseRate: fc.record({ probabilities, outcomes: fc.nat(1_000) }),
  calibration: weightsOf(exponents.length),
  evidence: fc.record({ logOdds: fc.double({ min: -8, max: 8, noNaN: true }), outcomes: fc.nat(1_000) }),
  account: fc.option(
    fc.record({
      equity: fc.double({ min: -10, max: 1e6, noNaN: true }),
      exposure: fc.double({ min: -1, max: 1, noNaN: true }),
      stopped: fc.boolean()
    }),
    { freq: 8 }
  ),
  warmUp: fc.boolean(),
  ageMs: fc.nat(200_000),
  policy: fc.record({
    quorum: fc.nat(2),
    confidenceMin: fc.double({ min: 0, max: 0.6, noNaN: true }),
    winProbabilityMin: fc.double({ min: 0, max: 0.7, noNaN: true }),
    edgeCostMultipleMin: fc.double({ min: 0, max: 3, noNaN: true }),
    skillAlpha: fc.double({ min: 0.001, max: 1, noNaN: true }),
    kellyFraction: part,
    exposureMax: part,
    allowShort: fc.boolean(),
    stalenessMaxMs: fc.nat(200_000)
  })
})
