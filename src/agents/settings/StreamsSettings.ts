/** How often the market-intelligence streams come, and what they are read from beside the bars. */
import { Schema } from "effect"
import { described, Ms, Positive } from "./fields.ts"

/** Where a series from outside is read from. */
const seriesLocation = (series: string) =>
  Schema.String.pipe(
    Schema.filter(
      (location) =>
        !/^https?:\/\/[^/]*@/i.test(location) ||
        "an address with a user or a password in it is kept and shown"
    ),
    described(`${series}: a CSV file or an http(s) address; none when empty`)
  )
const LagDays = Schema.Int.pipe(Schema.between(0, 3_650))
const EveryMs = Ms.pipe(Schema.greaterThanOrEqualTo(1_000))

export const StreamsSettings = Schema.Struct({
  pricesEveryMs: EveryMs,
  volatilityEveryMs: EveryMs,
  sentimentEveryMs: EveryMs,
  inequalityEveryMs: EveryMs,
  contrarianEveryMs: EveryMs,
  consensusEveryMs: EveryMs,
  wagesEveryMs: EveryMs,
  regimeEveryMs: EveryMs,
  featuresEveryMs: EveryMs,
  lockStepEveryBars: Positive.pipe(
    Schema.lessThanOrEqualTo(1_000_000),
    described("in lock-step, bars between two publications of a stream at least")
  ),
  historyMax: Positive.pipe(
    Schema.lessThanOrEqualTo(1_000),
    described("publications of each stream held for those who ask")
  ),
  impliedSource: seriesLocation("implied volatilities (date, instrument, tenor_days, implied_volatility)"),
  inequalitySource: seriesLocation("inequality in the place of the Gini coefficient of volumes (date, gini)"),
  surveySource: seriesLocation("surveys and what came true (date, sell, hold, buy, outcome, known_at)"),
  wagesSource: seriesLocation("wages and prices (date, wage_index, price_index)"),
  vixSource: seriesLocation("closes of the volatility index (date, close)"),
  putCallSource: seriesLocation("puts over calls traded (date, put_call_ratio)"),
  indexSource: seriesLocation("closes of the share index in the place of the bars of SPY (date, close)"),
  sectorsSource: seriesLocation("sectors of the instruments (ticker, sector)"),
  seriesLagDays: LagDays.pipe(described("from a date until its figures can be known, where they do not say")),
  wagesLagDays: LagDays.pipe(described("the same of wages and prices")),
  sentimentModel: Schema.String.pipe(
    described(
      "what scores sentences: a file of `conclave train --model sentiment`, or a folder; none when empty"
    )
  ),
  sentimentHalfLifeMs: Ms.pipe(
    Schema.greaterThanOrEqualTo(1_000),
    described("of a text's weight in the sentiment stream")
  ),
  regimeStates: Schema.Int.pipe(Schema.between(2, 4)),
  regimeFitBars: Schema.Int.pipe(
    Schema.between(200, 1_000),
    described("latest bars that the regimes are fitted on")
  ),
  regimeRefitEveryBars: Schema.Int.pipe(Schema.between(10, 500))
})
