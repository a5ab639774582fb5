/**
 * Reads a bar file, plain or gzip, line by line through the parser, takes its digest on the way, and puts its series on
 * the calendar that is asked for.
 *
 * What can go wrong: what the parser refuses, a file that cannot be read, bars of days on which that calendar has no
 * session (NotASession).
 */
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { StringDecoder } from "node:string_decoder"
import { createGunzip } from "node:zlib"
import { Effect, Either } from "effect"
import { type BarFileOptions, BarFileParser, barFileLimits, type ParsedBars } from "../../market/BarFile.ts"
import type { BarFileError } from "../../market/errors.ts"
import type { NotASession } from "../../market/time/errors.ts"
import { sessionSeries } from "../../market/time/sessionSeries.ts"
import type { CalendarChoice } from "../Settings.ts"
import { FileUnreadable } from "./errors.ts"

export interface ReadBarsOptions extends BarFileOptions {
  /** The one that the days of the bars tell unless given. */
  readonly calendar?: CalendarChoice
}

export interface ReadBars extends ParsedBars {
  /** SHA-256 of the file as it lies on disk. */
  readonly digest: string
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
    const feeding = (async () => {
      for await (const chunk of all()) {
        if (!gunzip.write(chunk)) await new Promise<void>((resume) => gunzip.once("drain", resume))
      }
      gunzip.end()
    })()
    feeding.catch((cause) => gunzip.destroy(cause as Error))
    for await (const chunk of gunzip as AsyncIterable<Buffer>) take(decoder.write(chunk))
  } else {
    for await (const chunk of all()) take(decoder.write(chunk))
  }
  take(decoder.end())
  if (rest !== "" && isReading) parser.push(rest.endsWith("\r") ? rest.slice(0, -1) : rest)
  return Either.map(parser.finish(), (bars) => ({ ...bars, digest: hash.digest("hex") }))
}

const onCalendar = (bars: ReadBars, calendar: CalendarChoice): Either.Either<ReadBars, NotASession> => {
  if (calendar === "auto") return Either.right(bars)
  return Either.map(Either.all(bars.series.map((one) => sessionSeries(one, calendar))), (series) => ({
    ...bars,
    series,
    gaps: series.reduce((sum, { gaps }) => sum + gaps, 0),
    barsMissing: series.reduce((sum, { barsMissing }) => sum + barsMissing, 0)
  }))
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
    Effect.flatMap((bars) => onCalendar(bars, calendar))
  )
