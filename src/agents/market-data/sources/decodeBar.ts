/**
 * The boundary that every bar from outside passes: sizes and depth are bounded before anything is parsed, numbers are
 * finite and fit together, units are converted, and an interval that has not closed yet is no bar.
 *
 * What can go wrong: the clock of the place runs ahead of ours, or ours is slow. A bar may therefore close a while after
 * now; one that closes later is refused, since a bar that is told while it still moves must not pass for a closed one.
 */
import { Either, ParseResult, Schema } from "effect"
import { closeTimeOf } from "../../../market/time/Calendar.ts"
import { Bar } from "../../../protocols/Bar.ts"
import { type Instrument, InstrumentId } from "../../../protocols/Instrument.ts"
import { TimeFrame, toMs } from "../../../protocols/TimeFrame.ts"
import { EpochMs } from "../../../protocols/wire/Ids.ts"
import { describeRefusal, parseJson } from "../../../protocols/wire/Json.ts"
import type { UnitSettings } from "./SourceSettings.ts"

export const barLimits = {
  /** Largest message of one bar. */
  messageBytesMax: 4_096,
  messageDepthMax: 4,
  /** How much later than now a bar may close that the place calls closed: a share of its time frame, within bounds. */
  aheadShareMax: 0.25,
  aheadMsMin: 2_000,
  aheadMsMax: 60_000
} as const

const aheadMsOf = (frameMs: number): number =>
  Math.min(Math.max(frameMs * barLimits.aheadShareMax, barLimits.aheadMsMin), barLimits.aheadMsMax)

/** Latest time that a date can have. */
const timeMax = 8_640_000_000_000_000

/** What is read, and from where. */
export interface BarPlace {
  readonly source: string
  readonly instrument: Instrument
  readonly timeFrame: TimeFrame
  readonly units: UnitSettings
}

/** The numbers of a bar as the source has them. */
export interface BarNumbers {
  readonly openTime: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  /** Null where the source knows none. */
  readonly volume: number | null
  readonly revision: number
}

export interface Reading {
  /** By when a bar has to have closed. */
  readonly nowMs: number
  /** When it arrived, of a bar that is news; null of one of the past, which was known when it closed. */
  readonly receivedAt: number | null
}

/** When the bar of a place closes that opens at a time. */
export const closesAt = ({ instrument, timeFrame }: BarPlace, openTime: number): number =>
  closeTimeOf(instrument.calendar, toMs(timeFrame), openTime)

/** Whether a bar of so many milliseconds can open at a time. */
export const isOpenTime = (time: unknown, frameMs: number): time is number =>
  Number.isSafeInteger(time) && Number(time) >= 0 && Number(time) <= timeMax - frameMs

// Division by 100 gives the double nearest to the decimal; multiplication by 0.01 does not.
const scaled = (value: number, factor: number): number => (factor < 1 ? value / (1 / factor) : value * factor)

const isPrice = (value: number): boolean => Number.isFinite(value) && value > 0

/** In base units. The mean price of the interval is not known: the typical one stands in for it. */
const baseVolume = (volume: number | null, units: UnitSettings, typicalPrice: number): number | null => {
  if (volume === null || units.volumeIn === "none") return null
  const counted = scaled(volume, units.volumeFactor)
  return units.volumeIn === "quote" ? counted / typicalPrice : counted
}

/** The bar, or what is wrong with it. Its sequence is its place on the grid of its time frame since 1970. */
export const makeBar = (
  place: BarPlace,
  numbers: BarNumbers,
  { nowMs, receivedAt }: Reading
): Either.Either<Bar, string> => {
  const { source, timeFrame, units } = place
  const instrument = place.instrument.id
  const { openTime, revision } = numbers
  const wrong = (reason: string) => Either.left(`${instrument} at ${openTime}: ${reason}`)
  const frameMs = toMs(timeFrame)
  if (!isOpenTime(openTime, frameMs)) return wrong("the open time is no time in milliseconds")
  const closeTime = closesAt(place, openTime)
  if (closeTime > nowMs + aheadMsOf(frameMs)) {
    return wrong(`it closes ${Math.ceil(closeTime - nowMs)} ms from now, if the clock is right`)
  }
  const open = scaled(numbers.open, units.priceFactor)
  const high = scaled(numbers.high, units.priceFactor)
  const low = scaled(numbers.low, units.priceFactor)
  const close = scaled(numbers.close, units.priceFactor)
  if (!isPrice(open) || !isPrice(high) || !isPrice(low) || !isPrice(close)) {
    return wrong("a price is not a positive number")
  }
  if (low > Math.min(open, close) || high < Math.max(open, close)) {
    return wrong("open and close do not lie between low and high")
  }
  const volume = baseVolume(numbers.volume, units, high / 3 + low / 3 + close / 3)
  if (volume !== null && !(Number.isFinite(volume) && volume >= 0)) {
    return wrong("the volume is not a number from 0 on")
  }
  if (!Number.isSafeInteger(revision) || revision < 0) return wrong("the revision is no count")
  return Either.right({
    instrument,
    timeFrame,
    openTime,
    closeTime,
    open,
    high,
    low,
    close,
    volume,
    closeOnly: false,
    source,
    sequence: Math.floor(openTime / frameMs),
    revision,
    knownAt: Math.max(closeTime, receivedAt ?? closeTime)
  })
}

/** One bar as JSON: the message of Redis and NATS, of the companion's history and its live connection. */
export const BarMessage = Schema.Struct({
  instrument: InstrumentId,
  timeFrame: TimeFrame,
  openTime: EpochMs,
  open: Schema.Finite,
  high: Schema.Finite,
  low: Schema.Finite,
  close: Schema.Finite,
  volume: Schema.NullOr(Schema.Finite),
  revision: Schema.optionalWith(Bar.fields.revision, { default: () => 0 })
})
export type BarMessage = typeof BarMessage.Type

/** Decodes one JSON message by a schema, or says what is wrong with it. */
export const decodeMessage = <A, I>(
  schema: Schema.Schema<A, I>
): ((bytes: Uint8Array) => Either.Either<A, string>) => {
  const decode = Schema.decodeUnknownEither(schema)
  const bounds = { bytesMax: barLimits.messageBytesMax, depthMax: barLimits.messageDepthMax }
  return (bytes) =>
    parseJson(bytes, bounds).pipe(
      Either.mapLeft(describeRefusal),
      Either.flatMap((json) =>
        Either.mapLeft(decode(json), (error) => {
          const [first] = ParseResult.ArrayFormatter.formatErrorSync(error)
          return first === undefined ? error.message : `${first.path.join(".")}: ${first.message}`
        })
      )
    )
}

const decodeBarMessage = decodeMessage(BarMessage)

/** The bar of a message about one instrument and time frame. */
export const barOfMessage = (
  place: BarPlace,
  message: BarMessage,
  reading: Reading
): Either.Either<Bar, string> =>
  message.instrument === place.instrument.id && message.timeFrame === place.timeFrame
    ? makeBar(place, message, reading)
    : Either.left(
        `a bar of ${message.instrument} ${message.timeFrame} where one of ${place.instrument.id} ${place.timeFrame} belongs`
      )

export const decodeBar = (place: BarPlace, bytes: Uint8Array, reading: Reading): Either.Either<Bar, string> =>
  Either.flatMap(decodeBarMessage(bytes), (message) => barOfMessage(place, message, reading))
