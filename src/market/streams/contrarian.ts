/**
 * The contrarian stream: instruments of which everybody says the same after a move that has gone far.
 *
 * - lean l = P(buy) - P(sell) of the latest pool; extremity e: the share of the earlier leans of the instrument whose size
 *   was smaller (ties count half).
 * - move m: log return of the last 5 bars; stretch z = m / (s sqrt(5)), s the root mean square return of the 64 bars before
 *   them, within +-100.
 * - score = e u(z) where lean and move have one sign, else 0; the side is the one against both. In [0, 1).
 */
import {
  type ContrarianReading,
  type Opportunity,
  opportunitiesMax,
  unavailable
} from "../../protocols/Streams.ts"
import { toMs } from "../../protocols/TimeFrame.ts"
import { type FollowedInstrument, logReturns, visibleBars } from "./RecentBars.ts"
import { unusualness } from "./unusualness.ts"

export const contrarianDefinition = 1

const [moveBars, yardstickBars] = [5, 64] as const
const stretchMax = 100
/** Earlier leans that one is compared with, at most; with so few nothing is extreme. */
export const leansMax = 64
const leansMin = 16
/** A pool that is older by so many bars is no consensus of now. */
const leanAgeMaxBars = 8
/** What is said of so little is noise. */
const scoreMin = 0.01

/** What the pool of a decision said of one instrument. */
export interface Lean {
  readonly asOf: number
  /** P(buy) - P(sell). */
  readonly lean: number
}

interface Examined {
  readonly opportunity: Opportunity | undefined
}

/** Where a size stands among others: the share of them that is smaller, ties counting half. */
const rankOf = (size: number, others: ReadonlyArray<number>): number => {
  let below = 0
  for (const other of others) below += other < size ? 1 : other === size ? 0.5 : 0
  return below / others.length
}

/** Undefined where there is too little to go by. */
const examine = (
  { bars, instrument }: FollowedInstrument,
  leans: ReadonlyArray<Lean>,
  asOf: number
): Examined | undefined => {
  const seen = visibleBars(bars, asOf, moveBars + yardstickBars + 1)
  const [last] = seen.slice(-1)
  const said = leans.filter((one) => one.asOf <= asOf).slice(-leansMax - 1)
  const latest = said.at(-1)
  if (last === undefined || latest === undefined) return undefined
  if (seen.length <= moveBars + yardstickBars || said.length <= leansMin) return undefined
  if (asOf - latest.asOf > leanAgeMaxBars * toMs(last.timeFrame)) return undefined

  const returns = logReturns(seen)
  let move = 0
  for (const one of returns.slice(yardstickBars)) move += one
  let squares = 0
  for (const one of returns.slice(0, yardstickBars)) squares += one * one
  const deviation = Math.sqrt((squares / yardstickBars) * moveBars)
  const raw = deviation > 0 ? move / deviation : 0
  const stretch = Math.min(stretchMax, Math.max(-stretchMax, raw))
  const extremity = rankOf(
    Math.abs(latest.lean),
    said.slice(0, -1).map(({ lean }) => Math.abs(lean))
  )
  const score = latest.lean * stretch > 0 ? extremity * unusualness(stretch) : 0
  if (score < scoreMin) return { opportunity: undefined }
  const [crowd, side] = latest.lean > 0 ? (["buying", "sell"] as const) : (["selling", "buy"] as const)
  const percent = (share: number) => `${Math.round(100 * share)}%`
  return {
    opportunity: {
      instrument: instrument.id,
      side,
      score,
      lean: latest.lean,
      extremity,
      move,
      stretch,
      reasons: [
        `the pool leans to ${crowd} by ${latest.lean.toFixed(3)}, more than in ${percent(extremity)} of its ${said.length - 1} earlier leans`,
        `the last ${moveBars} bars moved ${stretch.toFixed(1)} deviations the same way`
      ]
    }
  }
}

/** @param leansOf of an instrument, in the order of their as-ofs */
export const contrarianAt = (
  followed: ReadonlyArray<FollowedInstrument>,
  leansOf: (instrument: string) => ReadonlyArray<Lean>,
  asOf: number
): ContrarianReading => {
  const examined = followed.flatMap((one) => examine(one, leansOf(one.instrument.id), asOf) ?? [])
  if (examined.length === 0) {
    return unavailable(
      `no instrument has ${moveBars + yardstickBars + 1} bars and ${leansMin + 1} decisions, the last of them recent`
    )
  }
  return {
    status: "available",
    opportunities: examined
      .flatMap(({ opportunity }) => opportunity ?? [])
      .sort((a, b) => b.score - a.score || (a.instrument < b.instrument ? -1 : 1))
      .slice(0, opportunitiesMax),
    examined: examined.length,
    passedOver: followed.length - examined.length
  }
}
