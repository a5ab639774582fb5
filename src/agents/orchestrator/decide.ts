/**
 * The decision, as a function of its inputs and of nothing else: what is recorded is recomputed by this.
 *
 * The opinions are pooled with the weights (the base rate is always a member), calibrated, and turned into a
 * candidate. Every guard gives its verdict, in order; a candidate that passes all of them becomes a target
 * exposure by a share of the Kelly criterion. Otherwise the decision is hold, which keeps what is held as long
 * as nothing speaks against it.
 */
import type {
  AccountView,
  DecisionInputs,
  DecisionOutcome,
  GuardName,
  Policy,
  Strategy,
  Verdict
} from "../../protocols/Decision.ts"
import type { Opinion, Probabilities, Side } from "../../protocols/Opinion.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import { calibrate, pool } from "./pooling.ts"

export const baselineMember = "baseline"

interface Pooled {
  readonly probabilities: Probabilities
  readonly expectedReturn: number
  readonly spread: number
}

/** The mixture of the members that are there, with its mean and standard deviation. */
const poolOpinions = (inputs: DecisionInputs): Pooled => {
  const opinions = new Map(
    inputs.answers.flatMap((answer) => (answer._tag === "Opinion" ? [[answer.voter, answer] as const] : []))
  )
  const { question } = inputs
  const baseline = {
    probabilities: inputs.baseRate.probabilities,
    expectedReturn: 0,
    spread: question.sigma
  }
  const members = inputs.weights.flatMap(({ member, weight }) => {
    const opinion = member === baselineMember ? baseline : opinions.get(member)
    return opinion === undefined ? [] : [{ weight, ...opinion }]
  })
  const total = members.reduce((sum, { weight }) => sum + weight, 0)
  let mean = 0
  let square = 0
  for (const { expectedReturn, spread, weight } of members) {
    mean += (weight / total) * expectedReturn
    square += (weight / total) * (spread ** 2 + expectedReturn ** 2)
  }
  return {
    probabilities: pool(members),
    expectedReturn: total > 0 ? mean : 0,
    spread: total > 0 ? Math.sqrt(Math.max(square - mean ** 2, 0)) : question.sigma
  }
}

/** Own answers: those no baseline stood in for. */
export const ownAnswers = (inputs: Pick<DecisionInputs, "answers">): ReadonlyArray<Opinion> =>
  inputs.answers.filter(
    (answer): answer is Opinion => answer._tag === "Opinion" && answer.standIn !== "baseline"
  )

const candidateOf = (probabilities: Probabilities, expectedReturn: number): Side => {
  if (expectedReturn > 0 && probabilities.buy > probabilities.sell) return "buy"
  if (expectedReturn < 0 && probabilities.sell > probabilities.buy) return "sell"
  return "hold"
}

/** Of the sides that win or lose, the share of the one taken. */
const winProbability = (probabilities: Probabilities, side: Side): number => {
  const decided = probabilities.buy + probabilities.sell
  return side === "hold" || decided <= 0 ? 0 : probabilities[side] / decided
}

/** Kelly: the growth-optimal exposure is mean / variance; a fraction of it, within the limit. */
const kellyExposure = (expectedReturn: number, cost: number, spread: number, policy: Policy): number => {
  const net = Math.max(Math.abs(expectedReturn) - cost, 0)
  if (net === 0 || spread <= 0) return 0
  return Math.sign(expectedReturn) * Math.min((policy.kellyFraction * net) / spread ** 2, policy.exposureMax)
}

interface Candidate {
  readonly side: Side
  readonly calibrated: Probabilities
  readonly expectedReturn: number
  readonly target: number
}

const verdicts = (inputs: DecisionInputs, candidate: Candidate): ReadonlyArray<Verdict> => {
  const { account, ageMs, evidence, policy, question } = inputs
  const { calibrated, side } = candidate
  const verdict = (
    guard: GuardName,
    passed: boolean,
    value: number | null,
    limit: number | null,
    reason: string
  ) => ({
    guard,
    passed,
    value,
    limit,
    reason: truncateReason(reason)
  })
  const atLeast = (guard: GuardName, value: number, limit: number, what: string) =>
    verdict(guard, value >= limit, value, limit, `${what} is ${value >= limit ? "enough" : "too little"}`)
  const own = ownAnswers(inputs).length
  const skillLimit = -Math.log(policy.skillAlpha)
  const edge =
    (Math.abs(candidate.expectedReturn) - question.roundTripCost) / Math.max(question.roundTripCost, 1e-9)
  const isShort = candidate.target < 0 && !policy.allowShort
  return [
    verdict(
      "quorum",
      own >= policy.quorum,
      own,
      policy.quorum,
      `${own} of ${inputs.answers.length} voters answered`
    ),
    verdict("warm-up", !inputs.warmUp, null, null, inputs.warmUp ? "warming up: no orders" : "warmed up"),
    verdict(
      "staleness",
      ageMs <= policy.stalenessMaxMs,
      ageMs,
      policy.stalenessMaxMs,
      ageMs <= policy.stalenessMaxMs ? "the bars are fresh" : "the bars are too old"
    ),
    verdict(
      "kill-switch",
      account !== null && !account.stopped,
      null,
      null,
      account === null
        ? "the broker does not answer"
        : account.stopped
          ? "trading is stopped"
          : "trading is on"
    ),
    atLeast("skill", evidence.logOdds, skillLimit, "the evidence against mere base rates"),
    atLeast("confidence", side === "hold" ? 0 : calibrated[side], policy.confidenceMin, "the confidence"),
    atLeast(
      "win-probability",
      winProbability(calibrated, side),
      policy.winProbabilityMin,
      "the chance of winning"
    ),
    atLeast("edge", edge, policy.edgeCostMultipleMin, "the edge beyond costs"),
    verdict(
      "risk",
      !isShort && Math.abs(candidate.target) <= policy.exposureMax && (account?.equity ?? 0) > 0,
      Math.abs(candidate.target),
      policy.exposureMax,
      isShort
        ? "short positions are not allowed"
        : (account?.equity ?? 0) > 0
          ? "within the limits"
          : "no equity"
    )
  ]
}

/** What hold means for what is held. */
const holdStrategy = (
  account: AccountView | null,
  expectedReturn: number,
  failed: ReadonlySet<GuardName>
): { readonly strategy: Strategy; readonly targetExposure: number } => {
  // What is held is not known, and a target of zero would sell it.
  if (account === null) return { strategy: "degraded", targetExposure: 0 }
  const { exposure } = account
  if (account.stopped) return { strategy: "flatten", targetExposure: 0 }
  if (failed.has("quorum")) return { strategy: "degraded", targetExposure: exposure }
  if (exposure === 0) return { strategy: "stand-aside", targetExposure: 0 }
  if (failed.has("staleness")) return { strategy: "keep", targetExposure: exposure }
  const hasTurned = Math.sign(expectedReturn) === -Math.sign(exposure)
  return hasTurned || failed.has("skill")
    ? { strategy: "exit", targetExposure: 0 }
    : { strategy: "keep", targetExposure: exposure }
}

const degradedReason = (inputs: DecisionInputs, failed: ReadonlySet<GuardName>): string | null => {
  const reasons: Array<string> = []
  if (failed.has("quorum")) {
    const why = inputs.answers.flatMap((answer) =>
      answer._tag === "Abstention"
        ? [`${answer.voter} abstains: ${answer.reason}`]
        : answer.standIn === "baseline"
          ? [`the baseline stands in for ${answer.voter}: ${answer.reason}`]
          : []
    )
    reasons.push(
      `no quorum: ${ownAnswers(inputs).length} of ${inputs.policy.quorum} own answers (${why.join("; ")})`
    )
  }
  if (inputs.account === null) reasons.push("the broker does not answer")
  return reasons.length === 0 ? null : truncateReason(reasons.join("; "))
}

export const decide = (inputs: DecisionInputs): DecisionOutcome => {
  const { policy, question } = inputs
  const pooled = poolOpinions(inputs)
  const calibrated = calibrate(pooled.probabilities, inputs.baseRate.probabilities, inputs.calibration)
  const { expectedReturn, spread } = pooled
  const side = candidateOf(calibrated, expectedReturn)
  const target = side === "hold" ? 0 : kellyExposure(expectedReturn, question.roundTripCost, spread, policy)
  const given = verdicts(inputs, { side, calibrated, expectedReturn, target })
  const failed = new Set(given.filter(({ passed }) => !passed).map(({ guard }) => guard))
  const isTaken = side !== "hold" && failed.size === 0
  const action = isTaken ? side : "hold"
  const held = isTaken
    ? { strategy: "directional" as const, targetExposure: target }
    : holdStrategy(inputs.account, expectedReturn, failed)
  return {
    action,
    ...held,
    confidence: calibrated[action],
    pooled: pooled.probabilities,
    calibrated,
    expectedReturn,
    spread,
    verdicts: given,
    degraded: degradedReason(inputs, failed)
  }
}
