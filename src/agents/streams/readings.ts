/**
 * Each stream, read from what is kept and from its sources. The as-of is taken when a reading begins; what comes while it
 * waits for a source or a fit is not looked at. It is that of the latest bars; in a live run, where their time is that of
 * the clock, a stream with a source outside is read as of now, since such a source does not wait for bars.
 */
import { Clock, Effect } from "effect"
import {
  consensusDefinition,
  consensusOf,
  opinionRecord,
  scoredSurveys,
  surveyColumns,
  surveyLabels
} from "../../market/streams/consensusWrong.ts"
import { contrarianAt, contrarianDefinition } from "../../market/streams/contrarian.ts"
import {
  inequalityAt,
  inequalityColumns,
  inequalityDefinition
} from "../../market/streams/inequalityMomentum.ts"
import { featuresDefinition, marketFeaturesAt } from "../../market/streams/marketFeatures.ts"
import { halfLivesMax, sentimentAt, sentimentDefinition } from "../../market/streams/pooledSentiment.ts"
import { pricesAt, pricesDefinition } from "../../market/streams/prices.ts"
import { realWagesAt, wagesColumns, wagesDefinition } from "../../market/streams/realWages.ts"
import { type RegimeModel, regimeAt, regimeDefinition, regimeModel } from "../../market/streams/regime.ts"
import { impliedColumns, volatilityAt, volatilityDefinition } from "../../market/streams/volatilitySurface.ts"
import { dayMs } from "../../market/time/Calendar.ts"
import { type PublicationOf, type ReadingOf, type StreamName, unavailable } from "../../protocols/Streams.ts"
import { toMs } from "../../protocols/TimeFrame.ts"
import { stepwise } from "../../runtime/breathe.ts"
import type { Settings } from "../Settings.ts"
import { type BarsSeen, followedBy } from "./BarsSeen.ts"
import { featureSources } from "./featureSources.ts"
import type { RoundsSeen } from "./RoundsSeen.ts"
import type { makeSentimentTexts } from "./SentimentTexts.ts"
import { seriesSource } from "./SeriesSource.ts"

const ofDecisions = "decisions and their outcomes"

export type Readings = { readonly [Name in StreamName]: Effect.Effect<PublicationOf<Name>> }

export const makeReadings = (parts: {
  readonly settings: Settings
  readonly bars: () => BarsSeen
  readonly rounds: () => RoundsSeen
  /** Or why nothing scores sentences. */
  readonly texts: ReturnType<typeof makeSentimentTexts> | string
}): Readings => {
  const { bars, rounds, texts } = parts
  const { run, streams } = parts.settings
  /** In lock-step a source is read once: a run does not depend on when it changes. */
  const isPaced = () => bars().paceMs !== null
  const implied = seriesSource(streams.impliedSource, "streams.impliedSource", {
    columns: impliedColumns,
    labelColumn: "instrument",
    keyColumns: ["tenor_days"],
    lagMs: streams.seriesLagDays * dayMs
  })
  const inequality = seriesSource(streams.inequalitySource, "streams.inequalitySource", {
    columns: inequalityColumns,
    labelColumn: null,
    lagMs: streams.seriesLagDays * dayMs
  })
  const surveys = seriesSource(streams.surveySource, "streams.surveySource", {
    columns: surveyColumns,
    labelColumn: "outcome",
    labels: surveyLabels,
    lagMs: null
  })
  const wages = seriesSource(streams.wagesSource, "streams.wagesSource", {
    columns: wagesColumns,
    labelColumn: null,
    lagMs: streams.wagesLagDays * dayMs
  })
  const features = featureSources(streams)
  const regimeOptions = {
    states: streams.regimeStates,
    fitBars: streams.regimeFitBars,
    refitEveryBars: streams.regimeRefitEveryBars,
    seed: run.seed
  }
  let model: RegimeModel | undefined

  const ofBars = () => `bars: ${bars().source}`.slice(0, 250)
  const named = (name: string) => (name === "" ? [] : [name])

  /** Of the latest publication of each stream. */
  const publishedAt = new Map<StreamName, number>()
  /** In a paced run later than the last one, even where the clock of the day was set back. */
  const publishing = (stream: StreamName, asOf: number) =>
    Effect.map(Clock.currentTimeMillis, (nowMs) => {
      const at = isPaced() ? Math.max(nowMs, (publishedAt.get(stream) ?? 0) + 1) : asOf
      publishedAt.set(stream, at)
      return at
    })

  /** @param read what is read at the as-of, by what is kept when it begins */
  const publication = <Name extends StreamName>(
    stream: Name,
    definition: number,
    hasSource: boolean,
    read: (
      asOf: number
    ) => Effect.Effect<{ readonly sources: ReadonlyArray<string>; readonly reading: ReadingOf<Name> }>
  ): Effect.Effect<PublicationOf<Name>> =>
    Effect.gen(function* () {
      const { asOf: barsAsOf, index: sequence, isLive } = bars()
      const asOf = isLive && hasSource ? Math.max(barsAsOf, yield* Clock.currentTimeMillis) : barsAsOf
      const { reading, sources } = yield* read(asOf)
      const at = yield* publishing(stream, asOf)
      const made = { stream, definition, asOf, sequence, publishedAt: at, sources, reading }
      return made as unknown as PublicationOf<Name>
    })

  return {
    prices: publication("prices", pricesDefinition, false, (asOf) =>
      Effect.sync(() => ({ sources: [ofBars()], reading: pricesAt(followedBy(bars()), asOf) }))
    ),
    volatility: publication("volatility", volatilityDefinition, implied.name !== "", (asOf) =>
      Effect.map(implied.read(isPaced()), (series) => ({
        sources: [ofBars(), ...named(implied.name)],
        reading: volatilityAt(followedBy(bars()), series, asOf)
      }))
    ),
    sentiment: publication("sentiment", sentimentDefinition, typeof texts !== "string", (asOf) => {
      if (typeof texts === "string") {
        return Effect.succeed({ sources: [], reading: unavailable(texts) })
      }
      const { sentimentHalfLifeMs: halfLifeMs } = streams
      return Effect.map(texts.textsAt(asOf, halfLivesMax * halfLifeMs), (found) => ({
        sources: ["texts of the context", texts.name],
        reading:
          typeof found === "string"
            ? unavailable(found)
            : sentimentAt(found, { scorer: texts.name, halfLifeMs }, asOf)
      }))
    }),
    "inequality-momentum": publication(
      "inequality-momentum",
      inequalityDefinition,
      inequality.name !== "",
      (asOf) =>
        Effect.map(inequality.name === "" ? Effect.succeed(null) : inequality.read(isPaced()), (outside) => ({
          sources: [ofBars(), ...named(inequality.name)],
          reading: inequalityAt(followedBy(bars()), bars().market, outside, asOf)
        }))
    ),
    contrarian: publication("contrarian", contrarianDefinition, false, (asOf) =>
      Effect.sync(() => ({
        sources: [ofBars(), ofDecisions],
        reading: contrarianAt(followedBy(bars()), (instrument) => rounds().leans.get(instrument) ?? [], asOf)
      }))
    ),
    "consensus-wrong": publication("consensus-wrong", consensusDefinition, surveys.name !== "", (asOf) =>
      Effect.map(surveys.read(isPaced()), (series) => ({
        sources: [ofDecisions, ...named(surveys.name)],
        reading: consensusOf(
          opinionRecord(rounds().scored, asOf),
          typeof series === "string" ? unavailable(series) : opinionRecord(scoredSurveys(series, asOf), asOf)
        )
      }))
    ),
    "real-wages": publication("real-wages", wagesDefinition, wages.name !== "", (asOf) =>
      Effect.map(wages.read(isPaced()), (series) => ({
        sources: named(wages.name),
        reading: realWagesAt(series, asOf)
      }))
    ),
    regime: publication("regime", regimeDefinition, false, (asOf) =>
      Effect.gen(function* () {
        const { market } = bars()
        model = yield* stepwise(regimeModel(market, regimeOptions, asOf, model))
        return { sources: [ofBars()], reading: regimeAt(market, regimeOptions, asOf, model) }
      })
    ),
    "market-features": publication("market-features", featuresDefinition, features.names.length > 0, (asOf) =>
      Effect.gen(function* () {
        const { asOf: barsAsOf, instruments, sessions, timeFrame } = bars()
        // Both are changed in place while sources are waited for.
        const inside = structuredClone({ days: sessions, skill: rounds().skill })
        const frameMs = timeFrame === null ? 0 : toMs(timeFrame)
        const about = { instruments, barsAsOf, barsSource: ofBars(), frameMs }
        const outside = yield* features.read(isPaced())
        return {
          sources: [ofBars(), ofDecisions, ...features.names],
          reading: yield* stepwise(marketFeaturesAt({ ...outside, ...inside, ...about }, asOf))
        }
      })
    )
  }
}
