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
import { makeLastValues } from "../indicators/LastValues.ts"
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

export interface SignalQuality {
  readonly push: (outcome: MaturedOutcome) => void
  readonly value: () => FeatureValue
}

export const makeSignalQuality = ({ outcomes, outcomesMin }: SignalQualityOptions): SignalQuality => {
  const skills = makeLastValues(outcomes)
  const seen: Record<Side, number> = { sell: 1, hold: 1, buy: 1 }
  let total = 3
  return {
    push: ({ label, probability }) => {
      if (!(probability >= 0 && probability <= 1)) throw new RangeError(`${probability} is no probability`)
      skills.push(Math.log(Math.max(probability, probabilityMin)) - Math.log(seen[label] / total))
      seen[label]++
      total++
    },
    value: () => {
      const count = Math.min(skills.count(), outcomes)
      if (count < Math.min(outcomesMin, outcomes)) return "warming-up"
      let sum = 0
      for (let lag = 0; lag < count; lag++) sum += skills.at(lag)
      return Math.max(-1, Math.min(1, sum / count))
    }
  }
}
