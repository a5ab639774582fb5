/**
 * Reads a bar file, plain or gzip, line by line through the parser, takes its digest on the way, and puts its series on
 * the calendar that is asked for.
 *
 * What can go wrong: what the parser refuses, a file that cannot be read, bars of days on which that calendar has no
 * session. A few of these are refused like other rows, and said; more of them refuse the file (NotASession).
 */
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { pipeline } from "node:stream/promises"
import { StringDecoder } from "node:string_decoder"
import { createGunzip } from "node:zlib"
import { Effect, Either } from "effect"
import {
  type BarFileOptions,
  BarFileParser,
  barFileLimits,
  type ParsedBars,
  refusedShareMaxDefault
} from "../../market/BarFile.ts"
import type { BarFileError } from "../../market/errors.ts"
import type { NotASession } from "../../market/time/errors.ts"
import { sessionSeries } from "../../market/time/sessionSeries.ts"
import type { Calendar } from "../../protocols/Instrument.ts"
import type { CalendarChoice } from "../settings/MarketDataSettings.ts"
import { FileUnreadable } from "./errors.ts"

export interface ReadBarsOptions extends BarFileOptions {
  /** The one that the days of the bars tell unless given. */
  readonly calendar?: CalendarChoice
}

export interface ReadBars extends ParsedBars {
  /** SHA-256 of the file as it lies on disk. */
  readonly digest: string
  /** What was left out because the calendar has no session on its days; refused rows like the others. */
  readonly strays: Strays | null
}

export interface Strays {
  readonly bars: number
  readonly calendar: Calendar
  /** Open time of the first. */
  readonly first: number
}

const reasonOf = (cause: unknown): string => {
  const code = (cause as { readonly code?: unknown } | null)?.code
  if (code === "ENOENT") return "there is no such file"
  if (code === "EISDIR") return "it is a folder"
  if (code === "EACCES") return "permission is denied"
  return cause instanceof Error ? cause.message : String(cause)
}

const isGzip = (first: Buffer): boolean => first[0] === 0x1f && first[1] === 0x8b

const read = async (options: BarFileOptions): Promise<Either.Either<ReadBars, BarFileError>> => {
  const parser = new BarFileParser(options)
  const hash = createHash("sha256")
  const decoder = new StringDecoder("utf8")
  const raw = createReadStream(options.path)
  let rest = ""
  let isReading = true

  const take = (text: string) => {
    const lines = (rest + text).split("\n")
    rest = lines.pop() as string
    for (const line of lines) {
      if (isReading && !parser.push(line.endsWith("\r") ? line.slice(0, -1) : line)) isReading = false
    }
    // A line that never ends must not fill the memory: the parser refuses it as too long.
    if (rest.length > barFileLimits.lineCharsMax) {
      if (isReading) isReading = parser.push(rest)
      rest = ""
    }
  }

  const chunks = async function* () {
    for await (const chunk of raw as AsyncIterable<Buffer>) {
      hash.update(chunk)
      yield chunk
    }
  }
  const source = chunks()
  const first = await source.next()
  const all = async function* () {
    if (first.done !== true) yield first.value
    yield* source
  }
  if (first.done !== true && isGzip(first.value)) {
    const gunzip = createGunzip()
    // Whatever ends either of them ends the other; why is told to whoever reads.
    pipeline(all, gunzip).catch(() => undefined)
    try {
      for await (const chunk of gunzip as AsyncIterable<Buffer>) take(decoder.write(chunk))
    } finally {
      raw.destroy()
    }
  } else {
    for await (const chunk of all()) take(decoder.write(chunk))
  }
  take(decoder.end())
  if (rest !== "" && isReading) parser.push(rest.endsWith("\r") ? rest.slice(0, -1) : rest)
  return Either.map(parser.finish(), (bars) => ({ ...bars, digest: hash.digest("hex"), strays: null }))
}

const onCalendar = (
  bars: ReadBars,
  calendar: CalendarChoice,
  refusedShareMax: number
): Either.Either<ReadBars, NotASession> => {
  if (calendar === "auto") return Either.right(bars)
  const put = Either.all(bars.series.map((one) => sessionSeries(one, calendar, refusedShareMax)))
  return Either.map(put, (all) => {
    const sum = (pick: (one: (typeof all)[number]) => number) =>
      all.reduce((total, one) => total + pick(one), 0)
    const left = sum((one) => one.strays.length)
    const first = all.find((one) => one.strays.length > 0)?.strays[0]
    return {
      ...bars,
      series: all.map((one) => one.series),
      bars: bars.bars - left,
      refused: bars.refused + left,
      gaps: sum((one) => one.series.gaps),
      barsMissing: sum((one) => one.series.barsMissing),
      strays: first === undefined ? null : { bars: left, calendar, first }
    }
  })
}

export const readBarFile = ({
  calendar = "auto",
  ...options
}: ReadBarsOptions): Effect.Effect<ReadBars, BarFileError | FileUnreadable | NotASession> =>
  Effect.tryPromise({
    try: () => read(options),
    catch: (cause) => new FileUnreadable({ path: options.path, reason: reasonOf(cause) })
  }).pipe(
    Effect.flatten,
    Effect.flatMap((bars) => onCalendar(bars, calendar, options.refusedShareMax ?? refusedShareMaxDefault))
  )
