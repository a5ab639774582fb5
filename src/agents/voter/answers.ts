/** What a model said of a question, checked, as the voter's answer to it. */
import type { Abstention, Answer, Question } from "../../protocols/Opinion.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"

export const abstaining =
  (voter: string) =>
  ({ instrument }: Pick<Question, "instrument">, reason: string): Abstention => ({
    _tag: "Abstention",
    voter,
    instrument,
    reason: truncateReason(reason)
  })

export interface ModelNamed {
  readonly voter: string
  readonly kind: string
  readonly version: string
}

/** One row of what a model gives out. */
export interface Said {
  /** sell, hold, buy */
  readonly probabilities: ArrayLike<number>
  readonly expectedReturn: number
  readonly spread: number
}

export const answerOf = ({ kind, version, voter }: ModelNamed, question: Question, said: Said): Answer => {
  const abstain = abstaining(voter)
  const [sell, hold, buy] = [0, 1, 2].map((side) => said.probabilities[side] ?? Number.NaN) as [
    number,
    number,
    number
  ]
  const { expectedReturn, spread } = said
  const total = sell + hold + buy
  if (![sell, hold, buy, expectedReturn, spread].every(Number.isFinite) || !(total > 0) || spread < 0) {
    return abstain(question, "the model's output is not finite")
  }
  if (Math.min(sell, hold, buy) < 0) return abstain(question, "the model's output is no distribution")
  return {
    _tag: "Opinion",
    voter,
    instrument: question.instrument,
    // float32 sums to one within 1e-7; made exact, so that what is recorded is a distribution.
    probabilities: { sell: sell / total, hold: hold / total, buy: buy / total },
    expectedReturn,
    spread,
    reason: `${kind}: expected ${(expectedReturn * 1e4).toFixed(1)} bp over ${question.horizonBars} bars`,
    modelVersion: version,
    standIn: "none"
  }
}
