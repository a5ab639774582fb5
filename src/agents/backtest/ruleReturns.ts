/**
 * The returns of many rules over the same bars: which of them was best on some of the samples, and what an account makes
 * that follows one after the other. Samples are walked in slices of a millisecond or so.
 *
 * An account that goes from one rule to another has to trade the difference of what the two hold, and pays for that what
 * going in or out costs; the first it enters from nothing. What a rule trades itself is in its own returns.
 */
import { sharpeOfSums } from "../../learning/evaluation/SharpeStatistics.ts"
import type { Steps } from "../../learning/steps.ts"

export interface RuleReturns {
  readonly rules: number
  /** [samples, rules], row-major: simple returns from one close to the next. */
  readonly returns: Float64Array
  /** As the returns: what is held when a sample begins, -1 short, 0 nothing, 1 long. */
  readonly held: Int8Array
  /** Share of what is traded that going in or out once costs. */
  readonly oneWay: number
}

/** Samples that one rule is followed over, rising. */
export interface Stretch {
  readonly rule: number
  readonly samples: Uint32Array
}

const samplesPerSlice = 50_000

/** Sharpe ratio a bar of some samples of a rule; 0 where nothing moved. */
export function* sharpeOn(of: RuleReturns, rule: number, samples: Uint32Array): Steps<number> {
  const { returns, rules } = of
  const count = samples.length
  const offset = count === 0 ? 0 : (returns[(samples[0] as number) * rules + rule] as number)
  let sum = 0
  let squares = 0
  for (let from = 0; from < count; from += samplesPerSlice) {
    if (from > 0) yield
    for (const sample of samples.subarray(from, from + samplesPerSlice)) {
      const value = (returns[sample * rules + rule] as number) - offset
      sum += value
      squares += value * value
    }
  }
  return sharpeOfSums({ count, sum, squares, offset })
}

/** Of rules that are equally good the first. */
export function* bestOn(of: RuleReturns, samples: Uint32Array): Steps<number> {
  let best = 0
  let highest = Number.NEGATIVE_INFINITY
  for (let rule = 0; rule < of.rules; rule++) {
    yield
    const sharpe = yield* sharpeOn(of, rule, samples)
    if (sharpe > highest) {
      highest = sharpe
      best = rule
    }
  }
  return best
}

/** Returns of what was followed, stretch by stretch, each change paid in the first sample of its stretch. */
export function* followed(of: RuleReturns, stretches: ReadonlyArray<Stretch>): Steps<Float64Array> {
  const { held, oneWay, returns, rules } = of
  const all = new Float64Array(stretches.reduce((sum, { samples }) => sum + samples.length, 0))
  let at = 0
  let before: number | undefined
  for (const { rule, samples } of stretches) {
    const [first] = samples
    if (first === undefined) continue
    const begin = at
    for (let from = 0; from < samples.length; from += samplesPerSlice) {
      yield
      for (const sample of samples.subarray(from, from + samplesPerSlice))
        all[at++] = returns[sample * rules + rule] as number
    }
    const holding = held[first * rules + rule] as number
    const leaving = before === undefined ? 0 : (held[first * rules + before] as number)
    const cost = Math.abs(holding - leaving) * oneWay
    if (cost > 0) all[begin] = (1 + (all[begin] as number)) * (1 - cost) - 1
    before = rule
  }
  return all
}
