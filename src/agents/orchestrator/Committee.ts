/**
 * What the committee has earned: a fold over the rounds that were closed. By instrument: the weights of the
 * members, the weights of the calibrator's exponents, the evidence that the pool knows more than the base rate,
 * and the decisions whose outcomes are still to come. Only matured outcomes move anything.
 */
import { Schema } from "effect"
import type { Decision, DecisionInputs, MaturedOutcome, RoundClosed } from "../../protocols/Decision.ts"
import { InstrumentId } from "../../protocols/Instrument.ts"
import { Probabilities } from "../../protocols/Opinion.ts"
import { EpochMs, Identifier } from "../../protocols/wire/Ids.ts"
import { baselineMember } from "./decide.ts"
import { evenWeights, exponents, logScore, reweigh, temper } from "./pooling.ts"

/** A decision waiting for its outcome: what each member said. */
const Pending = Schema.Struct({
  asOf: EpochMs,
  band: Schema.Finite,
  members: Schema.Array(Schema.Struct({ member: Identifier, probabilities: Probabilities })),
  baseRate: Probabilities,
  pooled: Probabilities,
  calibrated: Probabilities,
  /** Whether its outcome counts as evidence: horizons of those that do must not overlap. */
  isEvidence: Schema.Boolean
})

export const Standing = Schema.Struct({
  instrument: InstrumentId,
  weights: Schema.Array(Schema.Finite),
  calibration: Schema.Array(Schema.Finite),
  evidence: Schema.Struct({ logOdds: Schema.Finite, outcomes: Schema.NonNegativeInt }),
  decisions: Schema.NonNegativeInt,
  outcomes: Schema.NonNegativeInt,
  /** Sums over the outcomes. */
  logLoss: Schema.Finite,
  baseLogLoss: Schema.Finite,
  latest: Schema.NullOr(Schema.String),
  latestAsOf: EpochMs,
  pending: Schema.Array(Pending)
})
export type Standing = typeof Standing.Type

export const Committee = Schema.Struct({
  /** Position of the bars of the last round that was settled; rounds come in the order of their bars. */
  barsSequence: Schema.NonNegativeInt,
  /** Decisions made at the bars after it: the parts of a round that has not been settled yet. */
  unsettled: Schema.Array(InstrumentId),
  rounds: Schema.NonNegativeInt,
  decisions: Schema.NonNegativeInt,
  abstentions: Schema.NonNegativeInt,
  degraded: Schema.NonNegativeInt,
  standings: Schema.Array(Standing)
})
export type Committee = typeof Committee.Type

export const empty: Committee = {
  barsSequence: 0,
  unsettled: [],
  rounds: 0,
  decisions: 0,
  abstentions: 0,
  degraded: 0,
  standings: []
}

export interface CommitteeOptions {
  /** Voters in their order, then the baseline. */
  readonly members: ReadonlyArray<string>
  readonly horizonBars: number
  readonly hedgeRate: number
  readonly hedgeShare: number
  /** Evidence is not piled up beyond this either way, so that it can be lost again, and gathered again. */
  readonly evidenceMax: number
}

export const membersOf = (voters: ReadonlyArray<string>): ReadonlyArray<string> => [...voters, baselineMember]

const newcomer = (instrument: InstrumentId, options: CommitteeOptions): Standing => ({
  instrument,
  weights: evenWeights(options.members.length),
  calibration: evenWeights(exponents.length),
  evidence: { logOdds: 0, outcomes: 0 },
  decisions: 0,
  outcomes: 0,
  logLoss: 0,
  baseLogLoss: 0,
  latest: null,
  latestAsOf: 0,
  pending: []
})

export const standingOf = (
  committee: Committee,
  instrument: InstrumentId,
  options: CommitteeOptions
): Standing =>
  committee.standings.find((standing) => standing.instrument === instrument) ?? newcomer(instrument, options)

/** What a decision may know of the committee. */
export const committeeInputs = (
  standing: Standing,
  options: CommitteeOptions
): Pick<DecisionInputs, "weights" | "calibration" | "evidence"> => ({
  weights: options.members.map((member, i) => ({ member, weight: standing.weights[i] ?? 0 })),
  calibration: standing.calibration,
  evidence: standing.evidence
})

const clamp = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high)

const score = (standing: Standing, outcome: MaturedOutcome, options: CommitteeOptions): Standing => {
  const question = standing.pending.find(({ asOf }) => asOf === outcome.asOf)
  if (question === undefined) return standing
  const said = new Map(question.members.map(({ member, probabilities }) => [member, probabilities]))
  const scores = options.members.map((member) => {
    const probabilities = said.get(member)
    return probabilities === undefined ? undefined : logScore(probabilities, outcome.label)
  })
  const tempered = exponents.map((exponent) =>
    logScore(temper(question.pooled, question.baseRate, exponent), outcome.label)
  )
  const own = logScore(question.calibrated, outcome.label)
  const base = logScore(question.baseRate, outcome.label)
  const evidence = question.isEvidence
    ? {
        logOdds: clamp(standing.evidence.logOdds + own - base, -options.evidenceMax, options.evidenceMax),
        outcomes: standing.evidence.outcomes + 1
      }
    : standing.evidence
  return {
    ...standing,
    weights: reweigh(standing.weights, scores, options.hedgeRate, options.hedgeShare),
    calibration: reweigh(standing.calibration, tempered, options.hedgeRate, options.hedgeShare),
    evidence,
    outcomes: standing.outcomes + 1,
    logLoss: standing.logLoss - own,
    baseLogLoss: standing.baseLogLoss - base,
    pending: standing.pending.filter(({ asOf }) => asOf !== outcome.asOf)
  }
}

const record = (standing: Standing, decision: Decision, options: CommitteeOptions): Standing => {
  const { answers, baseRate, question } = decision.inputs
  // The stand-in of an absent voter is the baseline, which is scored for itself.
  const members = answers.flatMap((answer) =>
    answer._tag === "Opinion" && answer.standIn !== "baseline"
      ? [{ member: answer.voter, probabilities: answer.probabilities }]
      : []
  )
  const pending: typeof Pending.Type = {
    asOf: question.asOf,
    band: question.band,
    members: [...members, { member: baselineMember, probabilities: baseRate.probabilities }],
    baseRate: baseRate.probabilities,
    pooled: decision.pooled,
    calibrated: decision.calibrated,
    isEvidence: members.length > 0 && standing.decisions % options.horizonBars === 0
  }
  return {
    ...standing,
    decisions: standing.decisions + 1,
    latest: decision.id,
    latestAsOf: question.asOf,
    pending: [...standing.pending, pending]
  }
}

export const evolve =
  (options: CommitteeOptions) =>
  (committee: Committee, { payload }: Pick<RoundClosed, "payload">): Committee => {
    // What was settled, and decisions of a round that is not, change nothing when they come again.
    if (payload.barsSequence <= committee.barsSequence) return committee
    const known = new Set(committee.unsettled)
    const decisions = payload.decisions.filter(({ key }) => !known.has(key.instrument))
    const standings = new Map(committee.standings.map((standing) => [standing.instrument, standing]))
    const at = (instrument: InstrumentId) => standings.get(instrument) ?? newcomer(instrument, options)
    for (const outcome of payload.outcomes) {
      standings.set(outcome.instrument, score(at(outcome.instrument), outcome, options))
    }
    let abstentions = 0
    let degraded = 0
    for (const decision of decisions) {
      const { instrument } = decision.key
      standings.set(instrument, record(at(instrument), decision, options))
      abstentions += decision.inputs.answers.filter(({ _tag }) => _tag === "Abstention").length
      if (decision.degraded !== null) degraded++
    }
    const isSettled = payload.part === payload.parts - 1
    const decided = decisions.map(({ key }) => key.instrument)
    return {
      barsSequence: isSettled ? payload.barsSequence : committee.barsSequence,
      unsettled: isSettled ? [] : [...committee.unsettled, ...decided],
      rounds: committee.rounds + (isSettled ? 1 : 0),
      decisions: committee.decisions + decisions.length,
      abstentions: committee.abstentions + abstentions,
      degraded: committee.degraded + degraded,
      standings: [...standings.values()]
    }
  }
