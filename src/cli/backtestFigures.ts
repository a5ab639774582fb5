/** The performance of a backtest in words and tables, for people. */
import type { Estimate, Performance } from "../protocols/Performance.ts"
import { instant, money, percent, signedPercent } from "./format.ts"

const dash = "-"

const ratio = (value: number | null): string =>
  value === null ? dash : Math.abs(value) >= 1e6 ? value.toExponential(1) : value.toFixed(2)
const share = (value: number | null): string => (value === null ? dash : percent(value, 2))
/** A year's return of a few hours has more digits than anybody reads. */
const signed = (value: number | null): string =>
  value === null ? dash : Math.abs(value) >= 1e4 ? `${(100 * value).toExponential(1)}%` : signedPercent(value)

const row = (
  name: string,
  { high, low, value }: Estimate,
  show: (value: number | null) => string
): ReadonlyArray<string> => [
  name,
  show(value),
  low === null || high === null ? dash : `${show(low)} to ${show(high)}`
]

const plain = (name: string, text: string): ReadonlyArray<string> => [name, text, dash]

/** Measures of the committee and their intervals; the first row has the names of the columns. */
export const measureRows = (performance: Performance): ReadonlyArray<ReadonlyArray<string>> => {
  const { annualTurnover, drawdown, evidence, exposure, intervals, trades } = performance
  return [
    ["measure", "committee", `${percent(intervals.confidence, 0)} interval`],
    row("return", performance.totalReturn, signed),
    row("return a year", performance.annualisedReturn, signed),
    row("volatility a year", performance.volatility, share),
    row("Sharpe ratio", performance.sharpe, ratio),
    row("Sortino ratio", performance.sortino, ratio),
    row("Calmar ratio", performance.calmar, ratio),
    row("maximum drawdown", performance.maximumDrawdown, share),
    plain(
      "its length",
      drawdown === null
        ? "none"
        : `${drawdown.fallBars} bars down, ${drawdown.recoveryBars === null ? "not recovered" : `${drawdown.recoveryBars} up again`}`
    ),
    plain("longest below a peak", `${performance.underwaterBarsMax} bars`),
    plain(
      "turnover a year",
      annualTurnover === null ? dash : `${annualTurnover.toFixed(1)} times the equity`
    ),
    plain(
      "exposure",
      exposure === null
        ? dash
        : `${percent(exposure.gross)} gross, ${signedPercent(exposure.net, 1)} net, ${percent(exposure.timeInMarket)} of the bars`
    ),
    plain("closed trades", `${trades.count}, profit ${money(trades.profit)}`),
    row("hit rate", trades.hitRate, share),
    row("profit factor", trades.profitFactor, ratio),
    row("skewness", performance.skewness, ratio),
    row("kurtosis", performance.kurtosis, ratio),
    plain("Sharpe above zero", evidence === null ? dash : `probability ${evidence.probability.toFixed(4)}`),
    plain(
      "deflated for trials",
      evidence?.deflated == null
        ? dash
        : `probability ${evidence.deflated.probability.toFixed(4)} over the best of ${evidence.deflated.trials} (${evidence.deflated.expectedMaximum.toFixed(2)} by luck)`
    ),
    plain(
      "track record needed",
      evidence === null
        ? dash
        : evidence.minimumTrackRecordBars === null
          ? "no number of bars would do"
          : `${Math.ceil(evidence.minimumTrackRecordBars)} bars`
    )
  ]
}

const difference = ({ high, low, value }: Estimate, show: (value: number | null) => string): string =>
  low === null || high === null ? show(value) : `${show(value)} (${show(low)} to ${show(high)})`

/** The committee at multiples of the costs, then the baselines, side by side. */
export const curveRows = ({ baselines, costs }: Performance): ReadonlyArray<ReadonlyArray<string>> => [
  ["", "return", "a year", "volatility", "Sharpe", "drawdown", "committee's Sharpe less its"],
  ...costs.map((curve) => [
    `committee, costs ${curve.multiple}x`,
    signed(curve.totalReturn),
    signed(curve.annualisedReturn),
    share(curve.volatility),
    ratio(curve.sharpe),
    share(curve.maximumDrawdown),
    dash
  ]),
  ...baselines.map((curve) => [
    curve.name,
    signed(curve.totalReturn),
    signed(curve.annualisedReturn),
    share(curve.volatility),
    ratio(curve.sharpe),
    share(curve.maximumDrawdown),
    difference(curve.sharpeDifference, ratio)
  ])
]

const besideBaseline = ({
  name,
  sharpeDifference: { high, low, value }
}: Performance["baselines"][number]): string => {
  if (value === null || low === null || high === null)
    return `Beside ${name} nothing can be said: there are too few bars.`
  const interval = `${ratio(value)}, ${ratio(low)} to ${ratio(high)}`
  if (low > 0) return `Its Sharpe ratio is above that of ${name} (${interval}).`
  if (high < 0) return `Its Sharpe ratio is BELOW that of ${name} (${interval}).`
  return `Its Sharpe ratio is not to be told apart from that of ${name} (${interval}).`
}

/** What it comes to, honestly: a sentence each. */
export const verdictsOf = (performance: Performance): ReadonlyArray<string> => {
  const { baselines, evidence, from, intervals, to, trades } = performance
  const where = `${instant(from)} to ${instant(to)}, ${performance.bars} bars`
  if (trades.count === 0 && performance.exposure?.gross === 0) {
    return [`The committee claimed no edge from ${where}: it held nothing and traded nothing.`]
  }
  const { high, low } = performance.sharpe
  const edge =
    low === null || high === null
      ? `There are too few bars for intervals: ${intervals.reason}`
      : low > 0
        ? "Its Sharpe ratio is above zero."
        : high < 0
          ? "Its Sharpe ratio is BELOW zero."
          : "There is NO edge to be told from chance: the interval of its Sharpe ratio holds zero."
  const deflated = evidence?.deflated
  return [
    `The committee made ${signed(performance.totalReturn.value)} from ${where}.`,
    edge,
    ...(deflated == null || deflated.trials < 2
      ? []
      : [
          deflated.probability >= intervals.confidence
            ? `It stands above what the best of ${deflated.trials} trials shows by luck.`
            : `It does not stand above what the best of ${deflated.trials} trials shows by luck (probability ${deflated.probability.toFixed(2)}).`
        ]),
    ...baselines.map(besideBaseline)
  ]
}
