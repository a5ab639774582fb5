/**
 * Ten features of instruments that are followed together and have none of those of the equity market: what each one has
 * done, how the others moved with it, and the time. All bars of an as-of arrive together, as `BarsClosed` brings them.
 *
 * | feature | what it is | unit |
 * |---|---|---|
 * | ret_1, ret_24 | log return over 1 and 24 bars | log |
 * | volatility_24 | root mean square of the last 24 log returns | log a bar |
 * | range | high less low, over the close | share |
 * | volume_ratio_24 | volume over its mean of the last 24 bars, this one among them | ratio |
 * | momentum_12 | log return over 12 bars, over volatility_24 times the root of 12; 0 where nothing has moved | deviations |
 * | breadth | share of instruments that rose since the as-of before, those that stood still counting half | 0 to 1 |
 * | correlation_24 | mean pairwise correlation of the log returns of the last 24 as-ofs | -1 to 1 |
 * | day_phase | cosine of the time of the day, 1 at 16:00 UTC and -1 at 04:00 | -1 to 1 |
 * | week_phase | cosine of the time of the week, 1 on Wednesday noon (UTC) and -1 on the border of Saturday and Sunday | -1 to 1 |
 *
 * The circles of day and week have one number each, and it is turned to where markets that never close are busiest: times
 * that lie symmetric about that look the same.
 *
 * Bars are counted in those that the instrument has; one that is absent at an as-of has no vector there, and takes part in
 * breadth and correlation only with returns from one as-of to the next. Absent are: volume_ratio_24 where there is no
 * volume (`no-source`) or none was traded (`undefined`), range in a close-only series (`no-source`), breadth where no
 * instrument was there at the as-of before too, and correlation_24 where fewer than two instruments were there throughout
 * the window and have moved in it (both `undefined`).
 *
 * What can go wrong: as-ofs out of order, bars of after the as-of, of an instrument that is not followed, or two of one
 * are thrown, before anything is taken.
 * Invariant: a vector follows from the last 25 bars of the instrument and the last 25 as-ofs, and from nothing later.
 */
import type { Bar } from "../../protocols/Bar.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import type { FeatureSchema } from "../../protocols/Model.ts"
import { type LastValues, makeLastValues } from "../indicators/LastValues.ts"
import { visibleAt } from "../time/BarBook.ts"
import { AsOfNotRising, FromTheFuture, InstrumentUnexpected } from "./errors.ts"
import type { FeatureValue, FeatureVector } from "./FeatureValue.ts"
import { makePanelCorrelation } from "./PanelCorrelation.ts"

export const instrumentFeatureSchema: FeatureSchema = {
  version: 1,
  names: [
    ...["ret_1", "ret_24", "volatility_24", "range", "volume_ratio_24"],
    ...["momentum_12", "breadth", "correlation_24", "day_phase", "week_phase"]
  ]
}

export interface InstrumentFeatures {
  /** The vectors of the bars of an as-of, in their order. */
  readonly push: (asOf: number, bars: ReadonlyArray<Bar>) => ReadonlyArray<FeatureVector>
}

const window = 24
/** Bars before the first at which nothing is warming up. */
export const instrumentLookBack = window
const momentumBars = 12
const dayMs = 86_400_000
const weekMs = 7 * dayMs
const busiestOfDayMs = 16 * 3_600_000
/** Of the week from Thursday on, the day on which the epoch begins: Wednesday noon. */
const busiestOfWeekMs = 6.5 * dayMs

const phase = (asOf: number, circleMs: number, busiestMs: number): number =>
  Math.cos((2 * Math.PI * ((asOf - busiestMs) % circleMs)) / circleMs)

interface Past {
  readonly closes: LastValues
  readonly returns: LastValues
  /** NaN where the bar has none. */
  readonly volumes: LastValues
  /** Number of the as-of at which it was last there. */
  seenAt: number
}

const volatilityOf = ({ returns }: Past): number => {
  let squares = 0
  for (let lag = 0; lag < window; lag++) squares += returns.at(lag) ** 2
  return Math.sqrt(squares / window)
}

const volumeRatioOf = ({ volumes }: Past): FeatureValue => {
  if (Number.isNaN(volumes.at(0))) return "no-source"
  if (!volumes.isFull()) return "warming-up"
  let total = 0
  for (let lag = 0; lag < window; lag++) total += volumes.at(lag)
  if (Number.isNaN(total)) return "no-source"
  return total > 0 ? volumes.at(0) / (total / window) : "undefined"
}

const returnOver = ({ closes }: Past, bars: number): number => Math.log(closes.at(0) / closes.at(bars))

export const makeInstrumentFeatures = (instruments: ReadonlyArray<InstrumentId>): InstrumentFeatures => {
  const indexOf = new Map(instruments.map((instrument, i) => [instrument, i]))
  const pasts = instruments.map(
    (): Past => ({
      closes: makeLastValues(window + 1),
      returns: makeLastValues(window),
      volumes: makeLastValues(window),
      seenAt: Number.NEGATIVE_INFINITY
    })
  )
  const correlation = makePanelCorrelation(instruments.length, window)
  /** From the as-of before to this one; NaN where an instrument was not there at both. */
  const moves = new Float64Array(instruments.length)
  let asOfs = 0
  let last = Number.NEGATIVE_INFINITY

  const placesOf = (asOf: number, bars: ReadonlyArray<Bar>): ReadonlyArray<number> => {
    const seen = new Set<number>()
    return bars.map((bar) => {
      const { instrument } = bar
      if (visibleAt(bar) > asOf) {
        throw new FromTheFuture({ what: `A bar of ${instrument}`, knownAt: visibleAt(bar), asOf })
      }
      const place = indexOf.get(instrument)
      if (place === undefined) throw new InstrumentUnexpected({ instrument, reason: "it is not followed" })
      if (seen.has(place)) {
        throw new InstrumentUnexpected({ instrument, reason: `it has two bars at ${asOf}` })
      }
      seen.add(place)
      return place
    })
  }

  const take = (place: number, { close, volume }: Bar) => {
    const past = pasts[place] as Past
    if (past.closes.count() > 0) {
      const move = Math.log(close / past.closes.at(0))
      past.returns.push(move)
      if (past.seenAt === asOfs - 1) moves[place] = move
    }
    past.closes.push(close)
    past.volumes.push(volume ?? Number.NaN)
    past.seenAt = asOfs
  }

  const breadth = (): FeatureValue => {
    let rose = 0
    let there = 0
    for (const move of moves) {
      if (Number.isNaN(move)) continue
      there++
      rose += move > 0 ? 1 : move < 0 ? 0 : 0.5
    }
    if (there > 0) return rose / there
    return asOfs > 1 ? "undefined" : "warming-up"
  }

  /** The six that are the instrument's own. */
  const ownOf = (past: Past, { close, closeOnly, high, low }: Bar): ReadonlyArray<FeatureValue> => {
    const range = closeOnly ? "no-source" : (high - low) / close
    const first = past.returns.count() > 0 ? past.returns.at(0) : "warming-up"
    if (!past.returns.isFull()) {
      return [first, "warming-up", "warming-up", range, volumeRatioOf(past), "warming-up"]
    }
    const volatility = volatilityOf(past)
    const momentum =
      volatility > 0 ? returnOver(past, momentumBars) / (volatility * Math.sqrt(momentumBars)) : 0
    return [first, returnOver(past, window), volatility, range, volumeRatioOf(past), momentum]
  }

  return {
    push: (asOf, bars) => {
      if (!(asOf > last)) throw new AsOfNotRising({ asOf, last })
      const places = placesOf(asOf, bars)
      last = asOf
      asOfs++
      moves.fill(Number.NaN)
      bars.forEach((bar, i) => {
        take(places[i] as number, bar)
      })
      // The first as-of has no moves: the window is full of them one later.
      const correlated = correlation.push(moves)
      const ofAll = [
        breadth(),
        asOfs > window ? correlated : "warming-up",
        phase(asOf, dayMs, busiestOfDayMs),
        phase(asOf, weekMs, busiestOfWeekMs)
      ] as const
      return bars.map((bar, i) => ({
        asOf,
        values: [...ownOf(pasts[places[i] as number] as Past, bar), ...ofAll]
      }))
    }
  }
}
