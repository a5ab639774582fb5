/**
 * How good the committee has been lately: by how much its pooled probabilities have beaten the base rate on the outcomes
 * that have matured last, in nats an outcome.
 *
 * With p the pooled probability of the side that turned out right, and b its base rate (the share of that side among the
 * outcomes before this one, one of each added), the skill of an outcome is log p - log b. Signal quality is the mean skill
 * of the last `outcomes` outcomes, clipped to [-1, 1]: above 0 the committee knew more than how often each side is right.
 * The logarithmic score is Good's (1952); the added ones are Laplace's.
 *
 * There is none before `outcomesMin` outcomes.
 * Invariant: it follows from outcomes alone that had matured when it was asked for.
 */
import type { Side } from "../../protocols/Opinion.ts"
import type { FeatureValue } from "./FeatureValue.ts"

export interface MaturedOutcome {
  /** When its horizon was over. */
  readonly maturedAt: number
  /** The side that turned out right. */
  readonly label: Side
  /** What the committee gave it, pooled and calibrated. */
  readonly probability: number
}

export interface SignalQualityOptions {
  /** Outcomes that count, the last ones. */
  readonly outcomes: number
  readonly outcomesMin: number
}

export const signalQualityDefaults: SignalQualityOptions = { outcomes: 250, outcomesMin: 50 }

/** A probability of 0 counts as this: one outcome must not sink the mean without end. */
const probabilityMin = 1e-6

/** Skills of the last outcomes, oldest first, and how often each side was right, one of each added. Changed in place. */
export interface CommitteeSkill {
  readonly skills: Array<number>
  readonly right: Record<Side, number>
}

export const emptySkill = (): CommitteeSkill => ({ skills: [], right: { sell: 1, hold: 1, buy: 1 } })

/** Takes in an outcome that has matured. */
export const takeOutcome = (
  { right, skills }: CommitteeSkill,
  { label, probability }: Omit<MaturedOutcome, "maturedAt">,
  { outcomes }: SignalQualityOptions = signalQualityDefaults
): void => {
  if (!(probability >= 0 && probability <= 1)) throw new RangeError(`${probability} is no probability`)
  const total = right.sell + right.hold + right.buy
  skills.push(Math.log(Math.max(probability, probabilityMin)) - Math.log(right[label] / total))
  right[label]++
  if (skills.length > outcomes) skills.shift()
}

export const signalQualityOf = (
  { skills }: CommitteeSkill,
  { outcomes, outcomesMin }: SignalQualityOptions = signalQualityDefaults
): FeatureValue => {
  if (skills.length < Math.min(outcomesMin, outcomes)) return "warming-up"
  // From the newest to the oldest.
  const sum = skills.reduceRight((total, skill) => total + skill, 0)
  return Math.max(-1, Math.min(1, sum / skills.length))
}
