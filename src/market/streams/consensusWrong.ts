/**
 * The consensus-wrong stream: how far opinion has lately missed what came true, beside somebody who knows the base rate
 * alone.
 *
 * Outcomes of one as-of share the market of that day: their losses are averaged, and an as-of counts once. Over the last
 * as-ofs
 *
 *   score = B / (B + B0)
 *
 * with B the mean Brier score of opinion and B0 that of the base rate: 0 for never wrong, 0.5 for no better than the base
 * rate, towards 1 the worse. Horizons overlap, so that neighbouring differences hang together: the standard error is that
 * of Newey and West (1987) with Bartlett's weights over the as-ofs that a horizon spans.
 */
import type { Probabilities, Side } from "../../protocols/Opinion.ts"
import { type ConsensusReading, type OpinionRecord, unavailable } from "../../protocols/Streams.ts"
import { type DatedSeries, rowsKnownAt } from "./DatedSeries.ts"

export const consensusDefinition = 1

/** As-ofs that a record looks back on, and with how few it says nothing. */
export const scoredAsOfsMax = 250
const scoredAsOfsMin = 30

/** A probability below this is scored as this. */
const probabilityMin = 1e-4

/** What a distribution over the sides costs once the label is known: Brier (1950), in [0, 2], and Good (1952), in nats. */
export const lossesOf = (p: Probabilities, label: Side) => ({
  brier: (["sell", "hold", "buy"] as const).reduce(
    (sum, side) => sum + (p[side] - (side === label ? 1 : 0)) ** 2,
    0
  ),
  logLoss: Math.log(1 / Math.max(p[label], probabilityMin))
})

/** Losses of the outcomes of one as-of that matured together: sums over `outcomes` of them. */
export interface ScoredOutcomes {
  readonly asOf: number
  readonly maturedAt: number
  readonly outcomes: number
  readonly brier: number
  readonly baseBrier: number
  readonly logLoss: number
  readonly baseLogLoss: number
}

/** Standard error of the mean of values that hang together over `lags` neighbours. */
export const neweyWestError = (values: ReadonlyArray<number>, lags: number): number => {
  const count = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  const centred = values.map((value) => value - mean)
  let variance = 0
  for (let lag = 0; lag <= Math.min(lags, count - 1); lag++) {
    let sum = 0
    for (let i = lag; i < count; i++) sum += (centred[i] as number) * (centred[i - lag] as number)
    variance += (lag === 0 ? 1 : 2 * (1 - lag / (lags + 1))) * (sum / count)
  }
  // Bartlett's weights keep it from falling below 0 but for rounding.
  return Math.sqrt(Math.max(0, variance) / count)
}

const byAsOf = (scored: ReadonlyArray<ScoredOutcomes>, asOf: number): ReadonlyArray<ScoredOutcomes> => {
  const sums = new Map<number, ScoredOutcomes>()
  for (const one of scored) {
    if (one.maturedAt > asOf) continue
    const sum = sums.get(one.asOf)
    sums.set(one.asOf, {
      asOf: one.asOf,
      maturedAt: Math.max(one.maturedAt, sum?.maturedAt ?? 0),
      outcomes: one.outcomes + (sum?.outcomes ?? 0),
      brier: one.brier + (sum?.brier ?? 0),
      baseBrier: one.baseBrier + (sum?.baseBrier ?? 0),
      logLoss: one.logLoss + (sum?.logLoss ?? 0),
      baseLogLoss: one.baseLogLoss + (sum?.baseLogLoss ?? 0)
    })
  }
  return [...sums.values()].sort((a, b) => a.asOf - b.asOf).slice(-scoredAsOfsMax)
}

/** How many as-ofs one horizon reaches over, at most: those before it whose outcomes had not matured at an as-of. */
const overlapOf = (days: ReadonlyArray<ScoredOutcomes>): number => {
  let overlap = 0
  let first = 0
  days.forEach(({ asOf }, i) => {
    while ((days[first]?.maturedAt ?? asOf) <= asOf && first < i) first++
    overlap = Math.max(overlap, i - first)
  })
  return overlap
}

/** The record of scored opinions, of the outcomes that had matured at an as-of. */
export const opinionRecord = (scored: ReadonlyArray<ScoredOutcomes>, asOf: number): OpinionRecord => {
  const days = byAsOf(scored, asOf)
  const [first, last] = [days[0], days.at(-1)]
  const overlap = overlapOf(days)
  const least = Math.max(scoredAsOfsMin, 2 * (overlap + 1))
  if (first === undefined || last === undefined || days.length < least) {
    return unavailable(`outcomes of ${days.length} as-ofs have matured, and ${least} are needed`)
  }
  const mean = (pick: (losses: ScoredOutcomes) => number) =>
    days.reduce((sum, losses) => sum + pick(losses) / losses.outcomes, 0) / days.length
  const [brier, baseBrier] = [mean((losses) => losses.brier), mean((losses) => losses.baseBrier)]
  const error = (pick: (losses: ScoredOutcomes) => number) =>
    neweyWestError(
      days.map((losses) => pick(losses) / losses.outcomes),
      overlap
    )
  return {
    status: "available",
    score: brier + baseBrier > 0 ? brier / (brier + baseBrier) : 0.5,
    excessBrier: brier - baseBrier,
    excessBrierError: error((losses) => losses.brier - losses.baseBrier),
    excessLogLoss: mean((losses) => losses.logLoss - losses.baseLogLoss),
    excessLogLossError: error((losses) => losses.logLoss - losses.baseLogLoss),
    outcomes: days.reduce((sum, { outcomes }) => sum + outcomes, 0),
    asOfs: days.length,
    from: first.asOf,
    to: last.asOf
  }
}

export const consensusOf = (pooled: OpinionRecord, surveyed: OpinionRecord): ConsensusReading =>
  pooled.status === "unavailable" && surveyed.status === "unavailable"
    ? unavailable(`of the pool, ${pooled.reason}; of surveys, ${surveyed.reason}`)
    : { status: "available", pooled, surveyed }

/** Columns of a series of surveys: what was answered, and which side came true. */
export const surveyColumns = {
  sell: { min: 0, max: 100 },
  hold: { min: 0, max: 100 },
  buy: { min: 0, max: 100 }
} as const
export const surveyLabels: ReadonlyArray<Side> = ["sell", "hold", "buy"]
export type SurveySeries = DatedSeries<Side>

/**
 * Surveys, scored beside the base rate of the outcomes that were known when they were taken (each side counted once in
 * advance). A row becomes known with its outcome.
 */
export const scoredSurveys = (series: SurveySeries, asOf: number): ReadonlyArray<ScoredOutcomes> => {
  const rows = rowsKnownAt(series, 0, asOf)
  const byOutcome = [...rows].sort((a, b) => a.knownAt - b.knownAt)
  const counts = { sell: 1, hold: 1, buy: 1 }
  let counted = 0
  return rows.flatMap(({ at, knownAt, label, values }) => {
    for (let one = byOutcome[counted]; one !== undefined && one.knownAt <= at; one = byOutcome[counted]) {
      counts[one.label as Side]++
      counted++
    }
    const total = values.sell + values.hold + values.buy
    if (!(total > 0)) return []
    const share = (amounts: Readonly<Record<Side, number>>, of: number): Probabilities => ({
      sell: amounts.sell / of,
      hold: amounts.hold / of,
      buy: amounts.buy / of
    })
    const said = lossesOf(share(values, total), label as Side)
    const base = lossesOf(share(counts, counts.sell + counts.hold + counts.buy), label as Side)
    return [
      {
        asOf: at,
        maturedAt: knownAt,
        outcomes: 1,
        brier: said.brier,
        baseBrier: base.brier,
        logLoss: said.logLoss,
        baseLogLoss: base.logLoss
      }
    ]
  })
}
