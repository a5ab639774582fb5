/**
 * Every set of numbers that something decides on, as columns over the bars of some series: what a check for peeking
 * computes twice, over a whole history and over one that was cut off.
 */
import { Either } from "effect"
import type { Steps } from "../../learning/steps.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import { candlePatternColumns, candlePatterns } from "../../market/candles/CandlePatterns.ts"
import { featureSchema, featuresAt, windowCloses } from "../../market/Features.ts"
import { featureMatrix } from "../../market/features/FeatureMatrix.ts"
import { instrumentFeatureSchema } from "../../market/features/InstrumentFeatures.ts"
import { indicatorColumns, indicatorNames } from "../../market/indicators/IndicatorColumns.ts"
import { type SequenceFeaturesName, sequenceFeatures } from "../../market/SequenceFeatures.ts"

/** A column has a value for each bar of a series; NaN where there is none. */
export type Column = ArrayLike<number>

export interface FeatureSet {
  readonly name: string
  readonly columns: ReadonlyArray<string>
  /** Of each series its columns, in the order of their names. All the series may be looked at. */
  readonly of: (series: ReadonlyArray<BarSeries>) => Steps<ReadonlyArray<ReadonlyArray<Column>>>
}

/** A set that looks at one instrument at a time. */
const ofEach = (
  name: string,
  columns: ReadonlyArray<string>,
  columnsOf: (series: BarSeries) => ReadonlyArray<Column>
): FeatureSet => ({
  name,
  columns,
  *of(series) {
    const found: Array<ReadonlyArray<Column>> = []
    for (const one of series) {
      yield
      found.push(columnsOf(one))
    }
    return found
  }
})

/** Columns of what is written bar by bar into a row. */
const byRows = (
  bars: number,
  first: number,
  width: number,
  fill: (bar: number, out: Float64Array) => boolean
): ReadonlyArray<Float64Array> => {
  const columns = Array.from({ length: width }, () => new Float64Array(bars).fill(Number.NaN))
  const row = new Float64Array(width)
  for (let bar = first; bar < bars; bar++) {
    if (!fill(bar, row)) continue
    for (const [i, column] of columns.entries()) column[bar] = row[i] as number
  }
  return columns
}

const voterLags = 8

const voters = ofEach("baseline voters", [...featureSchema(voterLags).names, "sigma"], ({ close }) => {
  const width = featureSchema(voterLags).names.length
  return byRows(close.length, windowCloses - 1, width + 1, (bar, out) => {
    const sigma = featuresAt(close, bar, voterLags, out)
    out[width] = sigma
    return sigma > 0
  })
})

const sequences = (Object.keys(sequenceFeatures) as ReadonlyArray<SequenceFeaturesName>).map((name) => {
  const { fill, lookBack, names } = sequenceFeatures[name]
  return ofEach(`network sequence ${name}`, names, (series) =>
    byRows(series.close.length, lookBack, names.length, (bar, out) => {
      fill(series, bar, out, 0)
      return true
    })
  )
})

const indicators = ofEach("indicators", indicatorNames, (series) => {
  const columns = indicatorColumns(series)
  return indicatorNames.map((name) => columns[name])
})

const candles = ofEach(
  "candle patterns",
  candlePatterns.map(({ name }) => name),
  candlePatternColumns
)

/** What instruments do together; series that cannot be followed together are a mistake of the program, and thrown. */
const together: FeatureSet = {
  name: "instruments together",
  columns: instrumentFeatureSchema.names,
  *of([first, ...others]) {
    if (first === undefined) return []
    const matrices = Either.getOrThrow(yield* featureMatrix([first, ...others]))
    return matrices.map(({ asOf, matrix, names }) =>
      names.map((_, k) => Float64Array.from(asOf, (_asOf, bar) => matrix[bar * names.length + k] as number))
    )
  }
}

export const featureSets: ReadonlyArray<FeatureSet> = [voters, ...sequences, indicators, candles, together]
