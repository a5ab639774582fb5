/**
 * What the streams keep of the committee's rounds: the latest leans of each instrument, what was said about questions whose
 * outcomes are still to come, what opinions cost once they had come, and what the committee's probabilities have lately been
 * worth. A fold over the decisions' stream, changed in place. A degraded decision is nobody's opinion and is passed over.
 */
import { Schema } from "effect"
import { type CommitteeSkill, emptySkill, takeOutcome } from "../../market/features/SignalQuality.ts"
import { lossesOf, type ScoredOutcomes } from "../../market/streams/consensusWrong.ts"
import { type Lean, leansMax } from "../../market/streams/contrarian.ts"
import type { Probabilities } from "../../protocols/Opinion.ts"
import { instrumentsPerReadingMax } from "../../protocols/Streams.ts"
import { decodeRows, encodeRows } from "./floatRows.ts"
import type { RoundForStreams } from "./RoundForStreams.ts"

/** Rows of scored outcomes: one an as-of, unless its outcomes mature one after the other. */
export const scoredMax = 1_024
/** Decisions whose outcomes are waited for; beyond that the oldest are let go. */
export const pendingMax = 8_192

interface Said {
  readonly pooled: Probabilities
  readonly calibrated: Probabilities
  readonly baseRate: Probabilities
}

export interface RoundsSeen {
  /** Position of the bars of the last round that was seen whole. */
  barsSequence: number
  readonly leans: Map<string, Array<Lean>>
  /** By instrument and as-of, oldest first. */
  readonly pending: Map<string, Said>
  readonly scored: Array<ScoredOutcomes>
  readonly skill: CommitteeSkill
}

export const emptyRoundsSeen = (): RoundsSeen => ({
  barsSequence: 0,
  leans: new Map(),
  pending: new Map(),
  scored: [],
  skill: emptySkill()
})

const keyOf = ({ asOf, instrument }: { readonly instrument: string; readonly asOf: number }) =>
  `${instrument}@${asOf}`

type Round = RoundForStreams["payload"]

const score = ({ pending, scored, skill }: RoundsSeen, outcomes: Round["outcomes"]): void => {
  const rows = new Map<string, ScoredOutcomes>()
  for (const outcome of outcomes) {
    const said = pending.get(keyOf(outcome))
    if (said === undefined) continue
    pending.delete(keyOf(outcome))
    const { asOf, label, maturedAt } = outcome
    takeOutcome(skill, { label, probability: said.calibrated[label] })
    const [own, base] = [lossesOf(said.pooled, label), lossesOf(said.baseRate, label)]
    const row = rows.get(`${asOf}/${maturedAt}`)
    rows.set(`${asOf}/${maturedAt}`, {
      asOf,
      maturedAt,
      outcomes: (row?.outcomes ?? 0) + 1,
      brier: (row?.brier ?? 0) + own.brier,
      baseBrier: (row?.baseBrier ?? 0) + base.brier,
      logLoss: (row?.logLoss ?? 0) + own.logLoss,
      baseLogLoss: (row?.baseLogLoss ?? 0) + base.logLoss
    })
  }
  scored.push(...rows.values())
  if (scored.length > scoredMax) scored.splice(0, scored.length - scoredMax)
}

const record = (
  { leans, pending }: RoundsSeen,
  { calibrated, inputs, key, pooled }: Round["decisions"][number]
): void => {
  const { asOf, instrument } = key
  const own = leans.get(instrument) ?? []
  // Decided before: the round was cut off, and closed by a later life.
  if (asOf <= (own.at(-1)?.asOf ?? Number.NEGATIVE_INFINITY)) return
  if (own.length > 0 || leans.size < instrumentsPerReadingMax) leans.set(instrument, own)
  own.push({ asOf, lean: Math.max(-1, Math.min(1, pooled.buy - pooled.sell)) })
  // The latest, and as many before it as it is compared with.
  if (own.length > leansMax + 1) own.shift()
  pending.set(keyOf(key), { pooled, calibrated, baseRate: inputs.baseRate.probabilities })
}

export const evolveRoundsSeen = (
  state: RoundsSeen,
  { payload }: Pick<RoundForStreams, "payload">
): RoundsSeen => {
  if (payload.barsSequence <= state.barsSequence) return state
  score(state, payload.outcomes)
  for (const decision of payload.decisions) if (decision.degraded === null) record(state, decision)
  for (const oldest of state.pending.keys()) {
    if (state.pending.size <= pendingMax) break
    state.pending.delete(oldest)
  }
  if (payload.part === payload.parts - 1) state.barsSequence = payload.barsSequence
  return state
}

const EncodedRoundsSeen = Schema.Struct({
  barsSequence: Schema.NonNegativeInt,
  leans: Schema.Array(Schema.Struct({ instrument: Schema.String, rows: Schema.String })),
  pending: Schema.Struct({ keys: Schema.Array(Schema.String), rows: Schema.String }),
  scored: Schema.String,
  skill: Schema.Struct({
    skills: Schema.String,
    right: Schema.Struct({
      sell: Schema.NonNegativeInt,
      hold: Schema.NonNegativeInt,
      buy: Schema.NonNegativeInt
    })
  })
})
type EncodedRoundsSeen = typeof EncodedRoundsSeen.Type

const encode = ({ barsSequence, leans, pending, scored, skill }: RoundsSeen): EncodedRoundsSeen => ({
  barsSequence,
  leans: [...leans].map(([instrument, own]) => ({
    instrument,
    rows: encodeRows(own, ({ asOf, lean }) => [asOf, lean])
  })),
  pending: {
    keys: [...pending.keys()],
    rows: encodeRows([...pending.values()], ({ baseRate, calibrated, pooled }) => [
      ...[pooled.sell, pooled.hold, pooled.buy],
      ...[calibrated.sell, calibrated.hold, calibrated.buy],
      ...[baseRate.sell, baseRate.hold, baseRate.buy]
    ])
  },
  scored: encodeRows(scored, (row) => [
    ...[row.asOf, row.maturedAt, row.outcomes],
    ...[row.brier, row.baseBrier, row.logLoss, row.baseLogLoss]
  ]),
  skill: { skills: encodeRows(skill.skills, (one) => [one]), right: { ...skill.right } }
})

const [leanWidth, saidWidth, scoredWidth] = [2, 9, 7] as const

const decode = ({ barsSequence, leans, pending, scored, skill }: EncodedRoundsSeen): RoundsSeen => {
  const said = decodeRows(pending.rows, saidWidth, (at) => ({
    pooled: { sell: at(0), hold: at(1), buy: at(2) },
    calibrated: { sell: at(3), hold: at(4), buy: at(5) },
    baseRate: { sell: at(6), hold: at(7), buy: at(8) }
  }))
  return {
    barsSequence,
    leans: new Map(
      leans.map(({ instrument, rows }) => [
        instrument,
        decodeRows(rows, leanWidth, (at) => ({ asOf: at(0), lean: at(1) }))
      ])
    ),
    pending: new Map(pending.keys.map((key, i) => [key, said[i] as Said])),
    scored: decodeRows(scored, scoredWidth, (at) => ({
      asOf: at(0),
      maturedAt: at(1),
      outcomes: at(2),
      brier: at(3),
      baseBrier: at(4),
      logLoss: at(5),
      baseLogLoss: at(6)
    })),
    skill: { skills: decodeRows(skill.skills, 1, (at) => at(0)), right: { ...skill.right } }
  }
}

export const RoundsSeenSnapshot: Schema.Schema<RoundsSeen, typeof EncodedRoundsSeen.Encoded> =
  Schema.transform(
    EncodedRoundsSeen,
    Schema.declare(
      (input): input is RoundsSeen => typeof input === "object" && input !== null && "pending" in input
    ),
    { strict: true, decode, encode }
  )
