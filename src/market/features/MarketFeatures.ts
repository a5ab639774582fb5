/**
 * The ten features of the US equity market at the close of a session.
 *
 * | feature | what it is | unit |
 * |---|---|---|
 * | vix_level | close of the volatility index | index points |
 * | spy_returns_5d, spy_returns_20d | close of the S&P 500 over its close 5 (20) sessions before, less 1 | share |
 * | volume_ratio | shares traded in the panel over their mean of the last 20 sessions, this one among them | ratio |
 * | market_breadth | winners over winners and losers of the panel, by adjusted close against the session before | 0 to 1 |
 * | correlation | mean pairwise correlation of the panel's daily log returns over 20 sessions, adjusted closes | -1 to 1 |
 * | put_call_ratio | puts over calls traded, all options of the exchange | ratio |
 * | gini_coefficient | Gini of the panel's dollar volume (close times volume) of the day | 0 to 1 |
 * | sector_dispersion | standard deviation of the equally weighted sectors' mean returns of the day | share |
 * | signal_quality | what the committee's probabilities have lately been worth (SignalQuality.ts) | nats, -1 to 1 |
 *
 * The panel is there at a session if at least half of its tickers have a number; those that have none are left out. A
 * source that is null at a session leaves what is made of it absent with `no-source`, as long as the session is in the
 * window; nothing else suffers.
 *
 * What can go wrong: sessions out of order, outcomes of after the as-of, columns of another width are thrown.
 * Invariants: the vector of a session follows from it and those before; windows hold 20 sessions, so that older ones do
 * not count (but for the base rate of signal_quality).
 */
import type { FeatureSchema } from "../../protocols/Model.ts"
import { makeLastValues } from "../indicators/LastValues.ts"
import { giniOf, groupDispersion } from "./crossSection.ts"
import { AsOfNotRising, FromTheFuture, WidthUnfit } from "./errors.ts"
import type { FeatureValue, FeatureVector } from "./FeatureValue.ts"
import { makePanelCorrelation } from "./PanelCorrelation.ts"
import {
  emptySkill,
  type MaturedOutcome,
  type SignalQualityOptions,
  signalQualityDefaults,
  signalQualityOf,
  takeOutcome
} from "./SignalQuality.ts"

/** Their units, in the order of the schema. */
export const marketFeatureUnits = {
  vix_level: "index points",
  spy_returns_5d: "share",
  spy_returns_20d: "share",
  volume_ratio: "ratio",
  market_breadth: "share, 0 to 1",
  correlation: "-1 to 1",
  put_call_ratio: "ratio",
  gini_coefficient: "0 to 1",
  sector_dispersion: "share",
  signal_quality: "nats an outcome, -1 to 1"
} as const
export type MarketFeatureName = keyof typeof marketFeatureUnits

export const marketFeatureNames = Object.keys(marketFeatureUnits) as ReadonlyArray<MarketFeatureName>
export const marketFeatureSchema: FeatureSchema = { version: 1, names: marketFeatureNames }

/** One number a ticker, in the order of the panel; NaN where there is none. */
export interface PanelSession {
  /** Adjusted for splits and dividends: only ratios of it are used. */
  readonly adjustedClose: ArrayLike<number>
  /** Adjusted for splits. */
  readonly close: ArrayLike<number>
  /** Shares. */
  readonly volume: ArrayLike<number>
}

export interface MarketSession {
  /** The close of the session. */
  readonly asOf: number
  readonly vix: number | null
  readonly index: number | null
  readonly putCallRatio: number | null
  readonly panel: PanelSession | null
  /** That have matured since the session before; null where there is no committee. */
  readonly outcomes: ReadonlyArray<MaturedOutcome> | null
}

export interface MarketFeaturesOptions {
  /** The sector of each ticker of the panel; null for one that is in none, and has no part in the dispersion. */
  readonly sectors: ReadonlyArray<string | null>
  readonly signalQuality?: SignalQualityOptions
}

export interface MarketFeatures {
  readonly push: (session: MarketSession) => FeatureVector
}

const window = 20
const panelShareMin = 0.5

/** A level or a ratio, which is a positive number wherever there is one. */
const levelOf = (value: number | null): number =>
  value !== null && Number.isFinite(value) && value > 0 ? value : Number.NaN

const presentOr = (value: number): FeatureValue => (Number.isNaN(value) ? "no-source" : value)

export const makeMarketFeatures = ({
  sectors,
  signalQuality = signalQualityDefaults
}: MarketFeaturesOptions): MarketFeatures => {
  const tickers = sectors.length
  const sectorNames = [...new Set(sectors.filter((sector) => sector !== null))]
  /** -1 for none. */
  const sectorOf = Int32Array.from(sectors, (sector) => (sector === null ? -1 : sectorNames.indexOf(sector)))
  const index = makeLastValues(window + 1)
  const volumes = makeLastValues(window)
  const correlation = makePanelCorrelation(tickers, window)
  const skill = emptySkill()
  const closesBefore = new Float64Array(tickers).fill(Number.NaN)
  const returns = new Float64Array(tickers)
  const logReturns = new Float64Array(tickers)
  const dollars = new Float64Array(tickers)
  const nothing = new Float64Array(tickers).fill(Number.NaN)
  let sessions = 0
  /** Sessions in a row, this one the last, at which the panel was there. */
  let panelSessions = 0
  let last = Number.NEGATIVE_INFINITY

  const indexReturn = (lag: number): FeatureValue => {
    if (Number.isNaN(index.at(0))) return "no-source"
    return sessions > lag ? presentOr(index.at(0) / index.at(lag) - 1) : "warming-up"
  }

  /** What takes the panel of so many sessions in a row. */
  const ofPanel = (sessionsMin: number, value: () => FeatureValue): FeatureValue => {
    if (panelSessions >= sessionsMin) return value()
    return panelSessions > 0 && sessions < sessionsMin ? "warming-up" : "no-source"
  }

  const volumeRatio = (): FeatureValue => {
    let total = 0
    for (let lag = window - 1; lag >= 0; lag--) total += volumes.at(lag)
    return total > 0 ? volumes.at(0) / (total / window) : "undefined"
  }

  const breadth = (): FeatureValue => {
    let winners = 0
    let losers = 0
    for (const change of returns) {
      if (change > 0) winners++
      else if (change < 0) losers++
    }
    return winners + losers > 0 ? winners / (winners + losers) : "undefined"
  }

  const check = (panel: PanelSession) => {
    for (const [what, column] of Object.entries(panel)) {
      if (column.length !== tickers) {
        throw new WidthUnfit({ what: `The panel's ${what}`, width: column.length, expected: tickers })
      }
    }
  }

  /** Fills the day's columns; gives the shares traded, or NaN where too few tickers have numbers. */
  const take = (panel: PanelSession): number => {
    let shares = 0
    let present = 0
    for (let i = 0; i < tickers; i++) {
      const volume = panel.volume[i] as number
      const adjustedClose = levelOf(panel.adjustedClose[i] as number)
      const value = levelOf(panel.close[i] as number) * volume
      const isThere = value >= 0 && Number.isFinite(value) && !Number.isNaN(adjustedClose)
      const ratio = isThere ? adjustedClose / (closesBefore[i] as number) : Number.NaN
      returns[i] = ratio - 1
      logReturns[i] = Math.log(ratio)
      dollars[i] = isThere ? value : Number.NaN
      closesBefore[i] = isThere ? adjustedClose : Number.NaN
      if (!isThere) continue
      present++
      shares += volume
    }
    return present >= panelShareMin * tickers && tickers > 0 ? shares : Number.NaN
  }

  return {
    push: (session) => {
      const { asOf, outcomes, panel } = session
      if (!(asOf > last)) throw new AsOfNotRising({ asOf, last })
      const early = outcomes?.find(({ maturedAt }) => maturedAt > asOf)
      if (early !== undefined) throw new FromTheFuture({ what: "An outcome", knownAt: early.maturedAt, asOf })
      if (panel !== null) check(panel)
      last = asOf
      sessions++
      outcomes?.forEach((outcome) => {
        takeOutcome(skill, outcome, signalQuality)
      })
      index.push(levelOf(session.index))
      if (panel === null) closesBefore.fill(Number.NaN)
      const shares = panel === null ? Number.NaN : take(panel)
      const isThere = !Number.isNaN(shares)
      panelSessions = isThere ? panelSessions + 1 : 0
      volumes.push(shares)
      const correlated = correlation.push(isThere ? logReturns : nothing)
      return {
        asOf,
        values: [
          presentOr(levelOf(session.vix)),
          indexReturn(5),
          indexReturn(20),
          ofPanel(window, volumeRatio),
          ofPanel(2, breadth),
          ofPanel(window + 1, () => correlated),
          presentOr(levelOf(session.putCallRatio)),
          ofPanel(1, () => giniOf(dollars)),
          sectorNames.length === 0
            ? "no-source"
            : ofPanel(2, () => groupDispersion(returns, sectorOf, sectorNames.length)),
          outcomes === null ? "no-source" : signalQualityOf(skill, signalQuality)
        ]
      }
    }
  }
}
