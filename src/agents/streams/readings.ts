/**
 * Each stream, read as of the latest bars from what is kept and from its sources. The as-of is taken when a reading begins;
 * what comes while it waits for a source or a fit is not looked at.
 */
import { Effect } from "effect"
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
import { halfLivesMax, sentimentAt, sentimentDefinition } from "../../market/streams/pooledSentiment.ts"
import { pricesAt, pricesDefinition } from "../../market/streams/prices.ts"
import { realWagesAt, wagesColumns, wagesDefinition } from "../../market/streams/realWages.ts"
import { type RegimeModel, regimeAt, regimeDefinition, regimeModel } from "../../market/streams/regime.ts"
import { impliedColumns, volatilityAt, volatilityDefinition } from "../../market/streams/volatilitySurface.ts"
import { dayMs } from "../../market/time/Calendar.ts"
import { type PublicationOf, type ReadingOf, type StreamName, unavailable } from "../../protocols/Streams.ts"
import { stepwise } from "../../runtime/breathe.ts"
import type { Settings } from "../Settings.ts"
import { type BarsSeen, followedBy } from "./BarsSeen.ts"
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
  const regimeOptions = {
    states: streams.regimeStates,
    fitBars: streams.regimeFitBars,
    refitEveryBars: streams.regimeRefitEveryBars,
    seed: run.seed
  }
  let model: RegimeModel | undefined

  const ofBars = () => `bars: ${bars().source}`.slice(0, 250)
  const named = (name: string) => (name === "" ? [] : [name])

  /** @param read what is read at the as-of, by what is kept when it begins */
  const publication = <Name extends StreamName>(
    stream: Name,
    definition: number,
    read: (
      asOf: number
    ) => Effect.Effect<{ readonly sources: ReadonlyArray<string>; readonly reading: ReadingOf<Name> }>
  ): Effect.Effect<PublicationOf<Name>> =>
    Effect.suspend(() => {
      const { asOf, index } = bars()
      return Effect.map(read(asOf), ({ reading, sources }) => {
        const made = { stream, definition, asOf, sequence: index, sources, reading }
        return made as unknown as PublicationOf<Name>
      })
    })

  return {
    prices: publication("prices", pricesDefinition, (asOf) =>
      Effect.sync(() => ({ sources: [ofBars()], reading: pricesAt(followedBy(bars()), asOf) }))
    ),
    volatility: publication("volatility", volatilityDefinition, (asOf) =>
      Effect.map(implied.read(isPaced()), (series) => ({
        sources: [ofBars(), ...named(implied.name)],
        reading: volatilityAt(followedBy(bars()), series, asOf)
      }))
    ),
    sentiment: publication("sentiment", sentimentDefinition, (asOf) => {
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
    "inequality-momentum": publication("inequality-momentum", inequalityDefinition, (asOf) =>
      Effect.map(inequality.name === "" ? Effect.succeed(null) : inequality.read(isPaced()), (outside) => ({
        sources: [ofBars(), ...named(inequality.name)],
        reading: inequalityAt(followedBy(bars()), bars().market, outside, asOf)
      }))
    ),
    contrarian: publication("contrarian", contrarianDefinition, (asOf) =>
      Effect.sync(() => ({
        sources: [ofBars(), ofDecisions],
        reading: contrarianAt(followedBy(bars()), (instrument) => rounds().leans.get(instrument) ?? [], asOf)
      }))
    ),
    "consensus-wrong": publication("consensus-wrong", consensusDefinition, (asOf) =>
      Effect.map(surveys.read(isPaced()), (series) => ({
        sources: [ofDecisions, ...named(surveys.name)],
        reading: consensusOf(
          opinionRecord(rounds().scored, asOf),
          typeof series === "string" ? unavailable(series) : opinionRecord(scoredSurveys(series, asOf), asOf)
        )
      }))
    ),
    "real-wages": publication("real-wages", wagesDefinition, (asOf) =>
      Effect.map(wages.read(isPaced()), (series) => ({
        sources: named(wages.name),
        reading: realWagesAt(series, asOf)
      }))
    ),
    regime: publication("regime", regimeDefinition, (asOf) =>
      Effect.gen(function* () {
        const { market } = bars()
        model = yield* stepwise(regimeModel(market, regimeOptions, asOf, model))
        return { sources: [ofBars()], reading: regimeAt(market, regimeOptions, asOf, model) }
      })
    )
  }
}
