/**
 * The market-intelligence streams: nine readings of the market, each published at an interval of its own. What cannot
 * be read is said to be unavailable, with the reason. The formulas are in docs/streams.md.
 */
import { Schema } from "effect"
import { InstrumentId } from "./Instrument.ts"
import * as EventType from "./wire/EventType.ts"
import { EpochMs, Reason } from "./wire/Ids.ts"

/** In the order in which they are listed. */
export const StreamName = Schema.Literal(
  "prices",
  "volatility",
  "sentiment",
  "inequality-momentum",
  "contrarian",
  "consensus-wrong",
  "real-wages",
  "regime",
  "market-features"
)
export type StreamName = typeof StreamName.Type

/** Instruments that one reading covers; a run with more has the first of them. */
export const instrumentsPerReadingMax = 100
/** Opportunities that one reading names. */
export const opportunitiesMax = 32

const Share = Schema.Finite.pipe(Schema.between(0, 1))
const Signed = Schema.Finite.pipe(Schema.between(-1, 1))
const Positive = Schema.Finite.pipe(Schema.nonNegative())
const Count = Schema.NonNegativeInt
const ofInstruments = <A, I>(item: Schema.Schema<A, I>) =>
  Schema.Array(item).pipe(Schema.maxItems(instrumentsPerReadingMax))

export const Unavailable = Schema.Struct({ status: Schema.Literal("unavailable"), reason: Reason })
export type Unavailable = typeof Unavailable.Type

export const unavailable = (reason: string): Unavailable => ({ status: "unavailable", reason })

const reading = <Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.Union(Schema.Struct({ status: Schema.Literal("available"), ...fields }), Unavailable)

/** The latest closed bar of each instrument. */
export const PricesReading = reading({
  prices: ofInstruments(
    Schema.Struct({
      instrument: InstrumentId,
      /** The close, in quote units. */
      price: Positive,
      openTime: EpochMs,
      closeTime: EpochMs,
      /** The feed that the bar came from, its place in it, and how often it has been corrected. */
      source: Schema.String,
      barSequence: Count,
      revision: Count,
      knownAt: EpochMs,
      /** From the end of the bar to the as-of. */
      ageMs: Count
    })
  )
})
export type PricesReading = typeof PricesReading.Type

/** Standard deviations of log returns a year, as shares: 0.5 is 50% a year. */
export const RealisedVolatility = Schema.Struct({
  /** Returns that it was estimated from. */
  windowBars: Count,
  /** Of returns over so many bars, brought to a year. */
  closeToClose: Schema.Array(Schema.Struct({ horizonBars: Count, volatility: Positive })),
  /** Estimators of the range; null where only closes are known. */
  parkinson: Schema.NullOr(Positive),
  garmanKlass: Schema.NullOr(Positive),
  yangZhang: Schema.NullOr(Positive)
})
export type RealisedVolatility = typeof RealisedVolatility.Type

/** What options are priced at, for one life of the option. */
export const ImpliedVolatility = Schema.Struct({
  tenorDays: Positive,
  volatility: Positive,
  /** The date that it was quoted for. */
  at: EpochMs
})
export type ImpliedVolatility = typeof ImpliedVolatility.Type

export const VolatilityReading = reading({
  instruments: ofInstruments(
    Schema.Struct({
      instrument: InstrumentId,
      barsPerYear: Positive,
      realised: Schema.Array(RealisedVolatility),
      implied: reading({ points: Schema.Array(ImpliedVolatility) })
    })
  )
})
export type VolatilityReading = typeof VolatilityReading.Type

/** Sentences of texts, pooled. */
export const PooledSentiment = Schema.Struct({
  /** Weighted mean of P(positive) - P(negative). */
  score: Signed,
  negative: Share,
  neutral: Share,
  positive: Share,
  texts: Count,
  sentences: Count,
  /** Sentences of equal weight that would say as much: Kish's effective number. */
  sentencesEffective: Positive,
  latestAt: EpochMs
})
export type PooledSentiment = typeof PooledSentiment.Type

export const SentimentReading = reading({
  /** What scored the sentences. */
  scorer: Schema.String,
  halfLifeMs: Positive,
  /** Of all texts. */
  market: PooledSentiment,
  /** Of the texts about one instrument. */
  instruments: ofInstruments(Schema.Struct({ instrument: InstrumentId, ...PooledSentiment.fields }))
})
export type SentimentReading = typeof SentimentReading.Type

export const InequalityReading = reading({
  /** 0 where all have the same, 1 where one has everything. */
  gini: Share,
  /** Of what: the dollar volume of the instruments followed, or a series from outside. */
  giniOf: Schema.Literal("dollar-volume", "series"),
  /** Of the Gini coefficient, in deviations of its own steps. */
  trend: Schema.Finite,
  /** Of the market's log return, in deviations of its own bars. */
  momentum: Schema.Finite,
  signal: Signed,
  /** A strong signal: inequality and prices rise together, or fall together. */
  moment: Schema.Literal("rising", "falling", "none"),
  /** Each with the same trend of inequality and a momentum of its own. */
  instruments: ofInstruments(
    Schema.Struct({ instrument: InstrumentId, momentum: Schema.Finite, signal: Signed })
  )
})
export type InequalityReading = typeof InequalityReading.Type

export const Opportunity = Schema.Struct({
  instrument: InstrumentId,
  /** Against the consensus. */
  side: Schema.Literal("buy", "sell"),
  score: Share,
  /** P(buy) - P(sell) of the latest pool. */
  lean: Signed,
  /** Share of the earlier leans that were weaker. */
  extremity: Share,
  /** Log return of the latest bars, and the same in deviations. */
  move: Schema.Finite,
  stretch: Schema.Finite,
  reasons: Schema.Array(Reason)
})
export type Opportunity = typeof Opportunity.Type

export const ContrarianReading = reading({
  /** The highest scores first. */
  opportunities: Schema.Array(Opportunity).pipe(Schema.maxItems(opportunitiesMax)),
  examined: Count,
  /** Instruments with too few bars, or about which too little was said, or too long ago. */
  passedOver: Count
})
export type ContrarianReading = typeof ContrarianReading.Type

/** How opinion did beside the base rate, on outcomes that had matured. */
export const OpinionRecord = reading({
  /** 0 for never wrong, 0.5 for no better than the base rate, towards 1 the worse it is. */
  score: Share,
  /** Mean Brier score less that of the base rate, with its standard error; above 0 opinion was worse. */
  excessBrier: Schema.Finite,
  excessBrierError: Positive,
  /** The same of the log loss, in nats. */
  excessLogLoss: Schema.Finite,
  excessLogLossError: Positive,
  outcomes: Count,
  /** As-ofs that the outcomes belong to: the size of the sample. */
  asOfs: Count,
  from: EpochMs,
  to: EpochMs
})
export type OpinionRecord = typeof OpinionRecord.Type

export const ConsensusReading = reading({
  /** The opinions that the committee pooled, and surveys from outside. */
  pooled: OpinionRecord,
  surveyed: OpinionRecord
})
export type ConsensusReading = typeof ConsensusReading.Type

export const WagesReading = reading({
  /** The date of the latest figures, and when they could be known. */
  observedAt: EpochMs,
  publishedAt: EpochMs,
  /** Log changes over twelve months. */
  realGrowth: Schema.Finite,
  wageGrowth: Schema.Finite,
  priceGrowth: Schema.Finite
})
export type WagesReading = typeof WagesReading.Type

export const RegimeName = Schema.Literal("calm", "normal", "restless", "turbulent")
export type RegimeName = typeof RegimeName.Type

export const RegimeReading = reading({
  /** The most probable state. */
  regime: RegimeName,
  /** In the order of their volatility. Probabilities are filtered: nothing after the as-of goes into them. */
  states: Schema.Array(
    Schema.Struct({
      name: RegimeName,
      probability: Share,
      /** At the next bar. */
      nextProbability: Share,
      /** Of the market's log return over one bar. */
      meanReturn: Schema.Finite,
      returnDeviation: Positive,
      /** What the root mean square return is like in it. */
      volatility: Positive,
      /** How long it lasts in the mean once it is there; null where it was never seen to end. */
      expectedBars: Schema.NullOr(Positive)
    })
  ),
  /** The model was fitted on so many bars up to then. */
  fittedAsOf: EpochMs,
  fittedBars: Count,
  /** Mean log likelihood of an observation, in nats. */
  logLikelihood: Schema.Finite
})
export type RegimeReading = typeof RegimeReading.Type

/**
 * Why a feature has no number:
 * - `warming-up`: the history is not yet long enough;
 * - `no-source`: a source that it is made of has nothing at the as-of, or within the window;
 * - `undefined`: the definition has no value there, as the share of winners where nothing has moved.
 */
export const Absence = Schema.Literal("warming-up", "no-source", "undefined")
export type Absence = typeof Absence.Type

const featureFields = {
  name: Schema.String.pipe(Schema.maxLength(64)),
  unit: Schema.String.pipe(Schema.maxLength(64)),
  /** What it is made of, in words. */
  source: Schema.String.pipe(Schema.maxLength(300))
}

/** One of the ten features of the market: a number, or the reason why there is none. */
export const MarketFeature = Schema.Union(
  Schema.Struct({
    ...featureFields,
    status: Schema.Literal("available"),
    value: Schema.Finite,
    /** What it is of: the close of a session, the date of a figure, or the as-of itself. */
    at: EpochMs
  }),
  Schema.Struct({ ...featureFields, status: Schema.Literal("absent"), absence: Absence, reason: Reason })
)
export type MarketFeature = typeof MarketFeature.Type

export const FeaturesReading = reading({
  /** Version of the feature schema. */
  version: Count,
  /** In the order of the schema. */
  features: Schema.Array(MarketFeature).pipe(Schema.maxItems(32))
})
export type FeaturesReading = typeof FeaturesReading.Type

const published = <const Name extends StreamName, const Type extends string, Reading, Encoded>(
  name: Name,
  type: Type,
  readingOf: Schema.Schema<Reading, Encoded>
) => ({
  name,
  eventType: EventType.make({
    type,
    version: 1,
    schema: Schema.Struct({
      stream: Schema.Literal(name),
      /** Of the formula. */
      definition: Schema.Int.pipe(Schema.between(1, 10_000)),
      asOf: EpochMs,
      /** Counts the bars' as-ofs of the run; never falls from one publication to the next, and is not dense. */
      sequence: Count,
      /** By the clock of the day, later than that of the publication before; where it is absent the as-of, as in lock-step. */
      publishedAt: Schema.optionalWith(EpochMs, { exact: true }),
      /** What it was read from. */
      sources: Schema.Array(Schema.String.pipe(Schema.maxLength(300))).pipe(Schema.maxItems(8)),
      reading: readingOf
    })
  })
})

/** The streams, each with the event that brings it. */
export const streams = {
  prices: published("prices", "PricesPublished", PricesReading),
  volatility: published("volatility", "VolatilityPublished", VolatilityReading),
  sentiment: published("sentiment", "SentimentPublished", SentimentReading),
  "inequality-momentum": published("inequality-momentum", "InequalityPublished", InequalityReading),
  contrarian: published("contrarian", "ContrarianPublished", ContrarianReading),
  "consensus-wrong": published("consensus-wrong", "ConsensusPublished", ConsensusReading),
  "real-wages": published("real-wages", "WagesPublished", WagesReading),
  regime: published("regime", "RegimePublished", RegimeReading),
  "market-features": published("market-features", "FeaturesPublished", FeaturesReading)
} as const

export type PublicationOf<Name extends StreamName> = EventType.EventOf<
  (typeof streams)[Name]["eventType"]
>["payload"]
export type ReadingOf<Name extends StreamName> = Extract<Publication, { readonly stream: Name }>["reading"]

export const Publication = Schema.Union(
  ...(Object.values(streams).map(({ eventType }) => eventType.schema) as unknown as [
    Schema.Schema<Publication>,
    ...Array<Schema.Schema<Publication>>
  ])
)
export type Publication = { [Name in StreamName]: PublicationOf<Name> }[StreamName]

/** When it was published. */
export const publishedAtOf = ({ asOf, publishedAt = asOf }: Publication): EpochMs => publishedAt

/** A text about the market, as anybody may put it into the context: an item of this type with this payload. */
export const textItem = "text"
export const TextPayload = Schema.Struct({ text: Schema.String.pipe(Schema.maxLength(20_000)) })
/** A publication in the context: an item of this type, followed by the stream's name. */
export const streamItem = (stream: StreamName): string => `stream-${stream}`
