/**
 * The ten features of the market (`../features/MarketFeatures.ts`) in a running system, as of the latest bars: sessions are
 * made of the bars of the instruments followed, which are the panel; what they cannot say comes from figures by date. The
 * same fold makes them as over files.
 *
 * While a session goes on, what is made of prices is of the closes so far, once most of the panel has one, and what is made of
 * volumes of the latest session that is over: a part of a day's volume says nothing of the day. A level is the latest figure that was known; a return of the
 * index is of closes of the sessions it names. A figure is known from the close of New York on its date, or else from the
 * end of the day.
 *
 * Invariant: of a history that was cut off at the as-of, the reading is the same.
 */
import type { Instrument } from "../../protocols/Instrument.ts"
import {
  type Absence,
  type FeaturesReading,
  type MarketFeature,
  unavailable
} from "../../protocols/Streams.ts"
import type { FeatureValue, FeatureVector } from "../features/FeatureValue.ts"
import {
  type MarketFeatureName,
  type MarketSession,
  makeMarketFeatures,
  marketFeatureNames,
  marketFeatureSchema,
  marketFeatureUnits
} from "../features/MarketFeatures.ts"
import { type PanelDay, sessionsMax, sessionsOf } from "../features/SessionPanel.ts"
import { type CommitteeSkill, signalQualityDefaults, signalQualityOf } from "../features/SignalQuality.ts"
import { dayMs, dayOf } from "../time/Calendar.ts"
import { nyseSessionOn } from "../time/NyseSessions.ts"

export const featuresDefinition = 1

/** Whose closes are those of the index where no source has them. It is no part of the panel. */
export const indexSymbol = "SPY"
/** A level that became known longer ago than this is none any more. */
const levelAgeDaysMax = 7

/** Numbers by date, from outside. */
export interface Figures {
  readonly name: string
  /** On a day since 1970-01-01; null for none. */
  readonly on: (day: number) => number | null
  /** The first day with a number. */
  readonly first: number
}

/** Sectors by symbol or id, from outside. */
export interface Sectors {
  readonly name: string
  readonly of: ReadonlyMap<string, string>
}

/** A text says why something is not there. */
export interface FeatureInputs {
  readonly vix: Figures | string
  readonly putCall: Figures | string
  /** Null where the bars of the index instrument are to be taken. */
  readonly index: Figures | string | null
  readonly sectors: Sectors | string
  readonly instruments: ReadonlyArray<Instrument>
  /** Of these instruments, in their order. */
  readonly days: ReadonlyArray<PanelDay>
  /** The instant up to which bars are known, and where they come from. */
  readonly barsAsOf: number
  readonly barsSource: string
  readonly frameMs: number
  /** Of the outcomes that had matured then. */
  readonly skill: CommitteeSkill
}

/** When the figure of a day is known. */
const knownAt = (day: number): number => nyseSessionOn(day)?.closesAt ?? (day + 1) * dayMs

interface Level {
  readonly day: number
  readonly value: number
  readonly at: number
}

/** The latest figure that was known. */
const levelAt = (figures: Figures | string, asOf: number): Level | null => {
  if (typeof figures === "string") return null
  const today = dayOf(asOf)
  for (let day = today; day >= today - levelAgeDaysMax - 1; day--) {
    const at = knownAt(day)
    const value = at <= asOf && asOf - at <= levelAgeDaysMax * dayMs ? figures.on(day) : null
    if (value !== null && value > 0) return { day, value, at }
  }
  return null
}

/** What a feature is told by. */
interface Told {
  /** That it is taken from. */
  readonly vector: FeatureVector
  /** What it is of, where that is not the vector's as-of. */
  readonly at?: number
  readonly source: string
  /** Why it is not there, where a source is missing. */
  readonly missing: string
}

const ofDecisions = "decisions and their outcomes"
const ofVolumes = "fewer than half of the instruments have a close and a volume in each session of its window"
const ofNobody = "no instrument is followed but the one that stands for the index"
const warming: Partial<Record<MarketFeatureName, string>> = {
  signal_quality: `fewer than ${signalQualityDefaults.outcomesMin} outcomes have matured`
}

const reasonOf = (name: MarketFeatureName, absence: Absence, missing: string): string => {
  if (absence === "no-source") return missing
  return absence === "undefined"
    ? "its definition has no value here"
    : (warming[name] ?? "its window reaches over more sessions than have been seen")
}

const featureOf = (
  name: MarketFeatureName,
  place: number,
  { at, missing, source, vector }: Told
): MarketFeature => {
  const value = vector.values[place] as FeatureValue
  const about = { name, unit: marketFeatureUnits[name], source }
  return typeof value === "number"
    ? { ...about, status: "available", value, at: at ?? vector.asOf }
    : { ...about, status: "absent", absence: value, reason: reasonOf(name, value, missing) }
}

/** The session of a market of which nothing is known. */
const emptySession = (asOf: number): MarketSession => ({
  asOf,
  vix: null,
  index: null,
  putCallRatio: null,
  panel: null,
  outcomes: null
})

const placeOfIndex = (instruments: ReadonlyArray<Instrument>): number =>
  instruments.findIndex(({ symbol }) => symbol === indexSymbol)

/** Closes of the index at the sessions up to the latest that has one, oldest first. */
function* indexCloses({ barsAsOf, days, index, instruments }: FeatureInputs, asOf: number) {
  if (index !== null) {
    const last = levelAt(index, asOf)
    if (typeof index === "string" || last === null) return
    // So many days hold the sessions of the longest window, holidays among them.
    const from = Math.max(index.first, last.day - 2 * sessionsMax)
    for (let day = from; day <= last.day; day++) {
      const session = nyseSessionOn(day)
      if (session !== undefined) yield { asOf: session.closesAt, close: index.on(day) }
    }
    return
  }
  const place = placeOfIndex(instruments)
  const followed = instruments[place]
  if (followed === undefined) return
  const own = days.filter(({ closes }) => !Number.isNaN(closes[place]))
  for (const { closesAt, columns } of sessionsOf(own, [followed.calendar])) {
    yield { asOf: Math.min(closesAt, barsAsOf), close: columns?.closes[place] ?? null }
  }
}

/** The latest vector of the index alone. */
const indexVectorOf = (inputs: FeatureInputs, asOf: number): FeatureVector | undefined => {
  const features = makeMarketFeatures({ sectors: [] })
  let vector: FeatureVector | undefined
  for (const session of indexCloses(inputs, asOf)) {
    vector = features.push({ ...emptySession(session.asOf), index: session.close })
  }
  return vector
}

/** The vectors of the panel's latest session and of its latest that is over; there may be none that is. */
function* panelVectorsOf({ barsAsOf, days, instruments, sectors }: FeatureInputs) {
  const indexPlace = placeOfIndex(instruments)
  const places = instruments.flatMap((_, place) => (place === indexPlace ? [] : [place]))
  const panel = places.map((place) => instruments[place] as Instrument)
  const features = makeMarketFeatures({
    sectors: panel.map(({ id, symbol }) =>
      typeof sectors === "string" ? null : (sectors.of.get(id) ?? sectors.of.get(symbol) ?? null)
    )
  })
  const columnsOf = ({ closes, volumes }: PanelDay): MarketSession["panel"] => {
    const close = places.map((place) => closes[place] as number)
    return { adjustedClose: close, close, volume: places.map((place) => volumes[place] as number) }
  }
  /** Whether most of the panel has a close in it. */
  const hasBegun = (columns: PanelDay | null): boolean => {
    const present = places.filter((place) => !Number.isNaN(columns?.closes[place] ?? Number.NaN))
    return present.length > places.length / 2
  }
  let latest: FeatureVector | undefined
  let over: FeatureVector | undefined
  const calendars = panel.map(({ calendar }) => calendar)
  for (const { closesAt, columns } of sessionsOf(days, calendars)) {
    // Calendars that open early do not begin it alone.
    if (closesAt > barsAsOf && !hasBegun(columns)) continue
    latest = features.push({
      ...emptySession(Math.min(closesAt, barsAsOf)),
      panel: columns === null ? null : columnsOf(columns)
    })
    if (closesAt <= barsAsOf) over = latest
    yield
  }
  return { latest, over }
}

/** In steps of one session; the inputs may not change between them. */
export function* marketFeaturesAt(inputs: FeatureInputs, asOf: number): Generator<void, FeaturesReading> {
  const { barsAsOf, barsSource, days, frameMs, index, instruments, putCall, sectors, skill, vix } = inputs
  if (frameMs > dayMs) return unavailable("bars of more than a day have no sessions, which features are of")
  if (days.length === 0) return unavailable("no bars are known")
  const { latest, over } = yield* panelVectorsOf(inputs)
  const ofIndex = indexVectorOf(inputs, asOf)
  const levels = { vix: levelAt(vix, asOf), putCall: levelAt(putCall, asOf) }
  const ofLevels = makeMarketFeatures({ sectors: [] }).push({
    ...emptySession(asOf),
    vix: levels.vix?.value ?? null,
    putCallRatio: levels.putCall?.value ?? null
  })

  /** Without a vector there was no session yet. */
  const of = (vector: FeatureVector | undefined, source: string, missing: string) => ({
    vector: vector ?? { asOf: barsAsOf, values: marketFeatureNames.map(() => "warming-up" as const) },
    source,
    missing
  })
  const absent = { asOf, values: marketFeatureNames.map(() => "no-source" as const) }
  const ofLevel = (figures: Figures | string, level: Level | null): Told => ({
    ...(typeof figures === "string"
      ? of(ofLevels, "", figures)
      : of(ofLevels, figures.name, `no figure of the last ${levelAgeDaysMax} days was known`)),
    at: level?.at ?? asOf
  })
  const indexTold = (): Told => {
    if (typeof index === "string") return of(absent, "", index)
    if (index === null && placeOfIndex(instruments) < 0) {
      const missing = `${indexSymbol} is not followed, and no source is configured (streams.indexSource)`
      return of(absent, "", missing)
    }
    const missing = "the index has no close at one end of its window"
    return of(ofIndex ?? absent, index?.name ?? barsSource, missing)
  }
  const hasPanel = instruments.some((_, place) => place !== placeOfIndex(instruments))
  const ofPanel = (vector: FeatureVector | undefined): Told =>
    hasPanel ? of(vector, barsSource, ofVolumes) : of(absent, barsSource, ofNobody)
  const sectorsTold = (): Told => {
    if (!hasPanel) return ofPanel(latest)
    if (typeof sectors === "string") return of(latest, barsSource, sectors)
    const hasSome = instruments.some(({ id, symbol }) => sectors.of.has(id) || sectors.of.has(symbol))
    const missing = hasSome ? ofVolumes : `no instrument has a sector in ${sectors.name}`
    return of(latest, `${barsSource}, ${sectors.name}`.slice(0, 300), missing)
  }

  const told: Readonly<Record<MarketFeatureName, Told>> = {
    vix_level: ofLevel(vix, levels.vix),
    spy_returns_5d: indexTold(),
    spy_returns_20d: indexTold(),
    volume_ratio: ofPanel(over),
    market_breadth: ofPanel(latest),
    correlation: ofPanel(latest),
    put_call_ratio: ofLevel(putCall, levels.putCall),
    gini_coefficient: ofPanel(over),
    sector_dispersion: sectorsTold(),
    signal_quality: {
      vector: { asOf: barsAsOf, values: marketFeatureNames.map(() => signalQualityOf(skill)) },
      source: ofDecisions,
      missing: ""
    }
  }
  return {
    status: "available",
    version: marketFeatureSchema.version,
    features: marketFeatureNames.map((name, place) => featureOf(name, place, told[name]))
  }
}
