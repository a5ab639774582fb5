/**
 * The report of a backtest as one HTML file: equity and drawdown beside the baselines, the decisions on the price
 * chart, the weights of the pool over time, the figures with their intervals, and all that it takes to run it again.
 * The charting library is put into the file; nothing is fetched.
 *
 * Invariant: equal backtests give equal reports, to the byte.
 */
import type { BacktestResult, InstrumentCourse, TargetChange } from "../../agents/backtest/BacktestResult.ts"
import { symbolOf } from "../../protocols/Instrument.ts"
import { type Candle, candleAt, candlesOf, drawdownOf, lineOf, scriptJson, strideFor } from "./chartData.ts"
import { cell, facts, page } from "./page.ts"
import { escapeText } from "./svg.ts"

export interface BacktestReport {
  readonly title: string
  /** What it comes to, a sentence each. */
  readonly verdicts: ReadonlyArray<string>
  /** Each with the names of its columns first, then a row for each figure. */
  readonly tables: ReadonlyArray<ReadonlyArray<ReadonlyArray<string>>>
  readonly result: BacktestResult
  readonly card: ReadonlyArray<readonly [name: string, value: string]>
  /** The charting library's own file. */
  readonly chartLibrary: string
}

/** Marks on one price chart. */
const marksMax = 2_000

const ownStyle = `
.chart{height:320px;margin:.5rem 0}.price{height:420px}.small{height:200px}
.legend span{margin-right:1rem;font-weight:600}
select{font:inherit;margin:.5rem 0}`

const colours = ["#1f77b4", "#2ca02c", "#d62728", "#ff7f0e", "#9467bd", "#8c564b", "#17becf", "#7f7f7f"]

const legend = (names: ReadonlyArray<string>): string =>
  `<p class="legend">${names
    .map((name, i) => `<span style="color:${colours[i % colours.length]}">${escapeText(name)}</span>`)
    .join("")}</p>`

const markOf = (change: TargetChange, before: number, time: number) => {
  const isUp = change.targetExposure > before
  const target = `${(change.targetExposure * 100).toFixed(0)}%`
  return {
    time,
    position: isUp ? "belowBar" : "aboveBar",
    shape: isUp ? "arrowUp" : "arrowDown",
    color: isUp ? "#2ca02c" : "#d62728",
    text: target
  }
}

const marksOf = ({ changes }: InstrumentCourse, candles: ReadonlyArray<Candle>) => {
  const marks = changes.flatMap((change, i) => {
    const time = candleAt(candles, change.asOf)
    return time === undefined ? [] : [markOf(change, changes[i - 1]?.targetExposure ?? 0, time)]
  })
  return marks.slice(-marksMax)
}

const chartData = ({ curves, instruments, times }: BacktestResult) => ({
  colours,
  equity: curves.map(({ equity, name }) => ({ name, points: lineOf(times, equity) })),
  drawdown: curves.map(({ equity, name }) => ({ name, points: lineOf(times, drawdownOf(equity), 4) })),
  instruments: instruments.map((course) => {
    const candles = candlesOf(course)
    return {
      name: course.instrument,
      candles,
      marks: marksOf(course, candles),
      weights: course.weights.map(({ member, values }) => ({
        name: member,
        points: lineOf(course.decidedAt, values, 4)
      }))
    }
  })
})

/** Runs in the reader's browser. */
const script = `
const data = JSON.parse(document.getElementById("data").textContent)
const L = LightweightCharts
const dark = matchMedia("(prefers-color-scheme: dark)").matches
const options = {
  autoSize: true,
  layout: { background: { color: "transparent" }, textColor: dark ? "#ddd" : "#222" },
  grid: { vertLines: { color: "#8883" }, horzLines: { color: "#8883" } },
  timeScale: { timeVisible: true, secondsVisible: false }
}
const chartIn = (id) => L.createChart(document.getElementById(id), options)
const lines = (chart, all, extra) => all.map(({ points }, i) => {
  const series = chart.addSeries(L.LineSeries, { color: data.colours[i % data.colours.length], lineWidth: i === 0 ? 2 : 1, priceLineVisible: false, lastValueVisible: false, ...extra })
  series.setData(points)
  return series
})
const percent = { priceFormat: { type: "custom", minMove: 0.0001, formatter: (value) => (value * 100).toFixed(1) + "%" } }
const equity = chartIn("equity")
lines(equity, data.equity, {})
const drawdown = chartIn("drawdown")
lines(drawdown, data.drawdown, percent)
const price = chartIn("price")
const candles = price.addSeries(L.CandlestickSeries, {})
const marks = L.createSeriesMarkers(candles, [])
const weights = chartIn("weights")
let drawn = []
const show = (index) => {
  const chosen = data.instruments[index]
  candles.setData(chosen.candles)
  marks.setMarkers(chosen.marks)
  for (const series of drawn) weights.removeSeries(series)
  drawn = lines(weights, chosen.weights, percent)
  price.timeScale().fitContent()
  weights.timeScale().fitContent()
}
const choice = document.getElementById("instrument")
choice.addEventListener("change", () => show(Number(choice.value)))
show(0)
equity.timeScale().fitContent()
drawdown.timeScale().fitContent()
`

const figuresTable = ([header = [], ...rows]: ReadonlyArray<ReadonlyArray<string>>): string => {
  const head = header.map((text) => `<th>${escapeText(text)}</th>`).join("")
  const lines = rows.map((row) => `<tr>${row.map((text, i) => cell(text, i > 0)).join("")}</tr>`)
  return `<table><tr>${head}</tr>${lines.join("")}</table>`
}

export const renderBacktestReport = (report: BacktestReport): string => {
  const { card, chartLibrary, result, tables, title, verdicts } = report
  const { curves, instruments, times } = result
  const names = curves.map(({ name }) => name)
  const members = [...new Set(instruments.flatMap(({ weights }) => weights.map(({ member }) => member)))]
  const longest = Math.max(times.length, ...instruments.map((course) => course.times.length))
  const stride = strideFor(longest)
  const choices = instruments.map(
    ({ instrument }, i) => `<option value="${i}">${escapeText(symbolOf(instrument))}</option>`
  )
  return page(
    title,
    [
      `<ul>${verdicts.map((line) => `<li>${escapeText(line)}</li>`).join("")}</ul>`,
      ...(stride === 1
        ? []
        : [`<p>The charts put up to ${stride} bars together; the figures are of every bar.</p>`]),
      `<h2>Equity</h2>${legend(names)}<div id="equity" class="chart"></div>`,
      `<h2>Drawdown</h2>${legend(names)}<div id="drawdown" class="chart small"></div>`,
      `<h2>Decisions</h2><label>Instrument <select id="instrument">${choices.join("")}</select></label>`,
      `<p>A mark is a decision that changed the target exposure; it says what the target became.</p>`,
      `<div id="price" class="chart price"></div>`,
      `<h2>Weights of the pool</h2>${legend(members)}<div id="weights" class="chart small"></div>`,
      `<h2>Figures</h2>${tables.map(figuresTable).join("")}`,
      `<h2>How to run it again</h2>${facts(card)}`,
      `<script id="data" type="application/json">${scriptJson(chartData(result))}</script>`,
      `<script>${chartLibrary}</script>`,
      `<script>${script}</script>`
    ],
    ownStyle
  )
}
