/**
 * A dated series from a file or an HTTP address, read again when it has changed: a file by its size and time, an address by
 * its ETag or Last-Modified.
 *
 * What can go wrong: it cannot be reached, is too large or too slow, or does not read. What had been read before then stands,
 * with a line in the log; where there is nothing, the reason is given in its place.
 * Invariants: never more than `seriesBytesMax` in memory; no redirect is followed, so that what is read is what was
 * configured.
 */
import { open, stat } from "node:fs/promises"
import { Effect, Either } from "effect"
import { type DatedSeries, parseDatedSeries, type SeriesLayout } from "../../market/streams/DatedSeries.ts"
import type { SeriesRefused } from "../../market/streams/errors.ts"
import { stepwise } from "../../runtime/breathe.ts"
import { SeriesUnavailable } from "./errors.ts"

export const seriesBytesMax = 512 * 1024
const timeoutMs = 10_000
const acceptedTypes = "text/csv, text/plain;q=0.9, */*;q=0.1"

export interface SeriesSource<Column extends string> {
  /** For people: where it is read from, without what stands after a question mark. */
  readonly name: string
  /** The series as it is now, or why there is none. `refresh` looks whether it has changed. */
  readonly read: (refresh: boolean) => Effect.Effect<DatedSeries<Column> | string>
}

/** What a location holds; the tag tells whether it is what was read last. */
interface Content {
  readonly text: string
  readonly tag: string
}

const isAddress = (location: string) => /^https?:\/\//i.test(location)

/** Its name without credentials and without the query. */
const nameOf = (location: string): string => {
  if (!isAddress(location) || !URL.canParse(location)) return location.slice(0, 250)
  const { host, pathname, protocol } = new URL(location)
  return `${protocol}//${host}${pathname}`.slice(0, 250)
}

const tooLarge = `it has more than the ${seriesBytesMax} bytes allowed`

class TooLarge extends Error {}

/** Undefined where it is what was read last. */
const readFile = async (path: string, tag: string | undefined): Promise<Content | undefined> => {
  const found = await stat(path)
  // Opening a pipe would wait for whoever writes into it.
  if (!found.isFile()) throw new Error("it is no file")
  const { mtimeMs, size } = found
  if (size > seriesBytesMax) throw new TooLarge()
  const file = await open(path, "r")
  try {
    const now = `${mtimeMs}/${size}`
    if (now === tag) return undefined
    const bytes = Buffer.alloc(size)
    const { bytesRead } = await file.read(bytes, 0, size, 0)
    return { text: bytes.toString("utf8", 0, bytesRead), tag: now }
  } finally {
    await file.close()
  }
}

const readAddress = async (
  address: string,
  tag: string | undefined,
  signal: AbortSignal
): Promise<Content | undefined> => {
  const condition =
    tag === undefined || tag === ""
      ? {}
      : tag.startsWith("date ")
        ? { "if-modified-since": tag.slice("date ".length) }
        : { "if-none-match": tag }
  const response = await fetch(address, {
    signal,
    redirect: "error",
    headers: { accept: acceptedTypes, ...condition }
  })
  if (response.status === 304 && tag !== undefined) {
    await response.body?.cancel()
    return undefined
  }
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(`the answer was ${response.status}`)
  }
  const chunks: Array<Uint8Array> = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > seriesBytesMax) throw new TooLarge()
    chunks.push(chunk)
  }
  const modified = response.headers.get("last-modified")
  return {
    text: Buffer.concat(chunks).toString("utf8"),
    tag: response.headers.get("etag") ?? (modified === null ? "" : `date ${modified}`)
  }
}

const reasonOf = (cause: unknown): string => {
  if (cause instanceof TooLarge) return tooLarge
  if (!(cause instanceof Error)) return String(cause)
  // What fetch has to say stands behind its own message.
  const said = cause.cause instanceof Error ? `${cause.message}: ${cause.cause.message}` : cause.message
  // What follows the path of an address may be a key.
  return said.replace(/(https?:\/\/[^\s?#]*)[?#]\S*/gi, "$1")
}

/**
 * @param location a path or an http(s) address; empty for none
 * @param setting the key of the configuration that says it, for those who miss the series
 */
export const seriesSource = <Column extends string>(
  location: string,
  setting: string,
  layout: Omit<SeriesLayout<Column>, "name">
): SeriesSource<Column> => {
  const name = nameOf(location)
  if (location === "") return { name, read: () => Effect.succeed(`no source is configured (${setting})`) }
  let held: { readonly series: DatedSeries<Column>; readonly tag: string } | undefined
  let reason = "it has not been read yet"

  const refresh: Effect.Effect<void, SeriesUnavailable | SeriesRefused> = Effect.gen(function* () {
    const content = yield* Effect.tryPromise({
      try: (signal) =>
        isAddress(location) ? readAddress(location, held?.tag, signal) : readFile(location, held?.tag),
      catch: (cause) => new SeriesUnavailable({ series: name, reason: reasonOf(cause) })
    }).pipe(
      Effect.timeoutFail({
        duration: timeoutMs,
        onTimeout: () =>
          new SeriesUnavailable({ series: name, reason: `there was no answer within ${timeoutMs} ms` })
      })
    )
    if (content === undefined) return
    const parsed = yield* stepwise(parseDatedSeries(content.text, { ...layout, name }))
    held = { series: yield* parsed, tag: content.tag }
  })

  return {
    name,
    read: (isWanted) =>
      Effect.gen(function* () {
        if (isWanted || held === undefined) {
          const refreshed = yield* Effect.either(refresh)
          if (Either.isLeft(refreshed)) {
            reason = refreshed.left.message
            yield* Effect.logWarning(held === undefined ? reason : `${reason} What was read before stands.`)
          }
        }
        return held?.series ?? reason
      })
  }
}
