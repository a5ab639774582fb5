/**
 * What is read from a file or an HTTP address, plain or packed by gzip, and again when it has changed: a file by its size and
 * time, an address by its ETag or Last-Modified.
 *
 * What can go wrong: it cannot be reached, is too large or too slow, or does not read. What had been read before then stands;
 * where there is nothing, the reason is given in its place. The log has a line when the reason changes. An address that fails
 * is left alone for a while, longer each time.
 * Invariants: never more than `sourceBytesMax` of it, packed or not; no redirect is followed, so that what is read is what was
 * configured.
 */
import { open, stat } from "node:fs/promises"
import { gunzipSync } from "node:zlib"
import { Effect, Either } from "effect"
import { stepwise } from "../../runtime/breathe.ts"
import { monotonicMs } from "../../runtime/MonotonicClock.ts"
import { SourceUnavailable } from "./errors.ts"

export const sourceBytesMax = 512 * 1024
const timeoutMs = 10_000
/** After the first failure of an address, and at most: it doubles with each. */
export const pauseMs = 60_000
export const pauseMsMax = 3_600_000
const acceptedTypes = "text/csv, text/plain;q=0.9, */*;q=0.1"

export interface OutsideSource<A> {
  /** For people: where it is read from, without what stands after a question mark; empty where none is configured. */
  readonly name: string
  /**
   * What it holds now, or why there is nothing. `refresh` looks whether it has changed, as far as failures allow; without it
   * one that holds nothing is asked all the same, whatever the time.
   */
  readonly read: (refresh: boolean) => Effect.Effect<A | string>
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

const tooLarge = `it has more than the ${sourceBytesMax} bytes allowed`

class TooLarge extends Error {}

/** Its text, unpacked. */
const textOf = (bytes: Buffer): string => {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.toString("utf8")
  try {
    return gunzipSync(bytes, { maxOutputLength: sourceBytesMax }).toString("utf8")
  } catch (cause) {
    throw (cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE" ? new TooLarge() : cause
  }
}

/** Undefined where it is what was read last. */
const readFile = async (path: string, tag: string | undefined): Promise<Content | undefined> => {
  const found = await stat(path)
  // Opening a pipe would wait for whoever writes into it.
  if (!found.isFile()) throw new Error("it is no file")
  const { mtimeMs, size } = found
  if (size > sourceBytesMax) throw new TooLarge()
  const file = await open(path, "r")
  try {
    const now = `${mtimeMs}/${size}`
    if (now === tag) return undefined
    const bytes = Buffer.alloc(size)
    const { bytesRead } = await file.read(bytes, 0, size, 0)
    return { text: textOf(bytes.subarray(0, bytesRead)), tag: now }
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
    if (bytes > sourceBytesMax) throw new TooLarge()
    chunks.push(chunk)
  }
  const modified = response.headers.get("last-modified")
  return {
    text: textOf(Buffer.concat(chunks)),
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
 * @param setting the key of the configuration that says it, for those who miss it
 * @param parse reads the text of the source of a name, in steps
 */
export const outsideSource = <A>(
  location: string,
  setting: string,
  parse: (name: string, text: string) => Generator<void, Either.Either<A, { readonly message: string }>>
): OutsideSource<A> => {
  const name = nameOf(location)
  if (location === "") return { name, read: () => Effect.succeed(`no source is configured (${setting})`) }
  let held: { readonly content: A; readonly tag: string } | undefined
  let reason = "it has not been read yet"
  /** In a row; and until when, of the monotonic clock, it is left alone. */
  let failures = 0
  let pausedUntil = Number.NEGATIVE_INFINITY

  const refresh: Effect.Effect<void, { readonly message: string }> = Effect.gen(function* () {
    const content = yield* Effect.tryPromise({
      try: (signal) =>
        isAddress(location) ? readAddress(location, held?.tag, signal) : readFile(location, held?.tag),
      catch: (cause) => new SourceUnavailable({ source: name, reason: reasonOf(cause) })
    }).pipe(
      Effect.timeoutFail({
        duration: timeoutMs,
        onTimeout: () =>
          new SourceUnavailable({ source: name, reason: `there was no answer within ${timeoutMs} ms` })
      })
    )
    if (content === undefined) return
    const parsed = yield* stepwise(parse(name, content.text))
    held = { content: yield* parsed, tag: content.tag }
  })

  const failed = (why: string, now: () => number) => {
    const isNew = failures === 0 || why !== reason
    reason = why
    failures++
    if (isAddress(location)) pausedUntil = now() + Math.min(pauseMs * 2 ** (failures - 1), pauseMsMax)
    if (!isNew) return Effect.void
    return Effect.logWarning(held === undefined ? reason : `${reason} What was read before stands.`)
  }

  return {
    name,
    read: (isWanted) =>
      Effect.gen(function* () {
        const now = yield* monotonicMs
        if (isWanted ? now() >= pausedUntil : held === undefined) {
          const refreshed = yield* Effect.either(refresh)
          if (Either.isLeft(refreshed)) yield* failed(refreshed.left.message, now)
          else failures = 0
        }
        return held?.content ?? reason
      })
  }
}
