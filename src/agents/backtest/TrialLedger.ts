/**
 * The trial ledger: a file of one JSON object a line, to which every trial is added and nothing else is ever done. Several
 * processes may add to it at once: what one enters is one write to a file that was opened for appending.
 *
 * What can go wrong: a line that is no trial (TrialLedgerDamaged, with its number); more entries than are kept
 * (TrialLedgerFull); what the file system refuses (TrialLedgerFailed). A disk that takes only a part of a write leaves a torn
 * line; the next entry begins a line of its own, and who reads is told of the torn one.
 * Invariants: what was acknowledged is on disk, whole; entries come back in the order in which they were added. A last line
 * that has no end yet is another process's at work, and is not read before it is whole.
 */
import { type FileHandle, open } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Either, Schema } from "effect"
import { Trial } from "../../learning/evaluation/Trials.ts"
import { describeRefusal, parseJson, stringifyToBytes } from "../../protocols/wire/Json.ts"
import { makeDirectory } from "../../runtime/makeDirectory.ts"
import { TrialLedgerDamaged, TrialLedgerFailed, TrialLedgerFull } from "./errors.ts"

export const trialLedgerName = "trials.ndjson"

export const trialLedgerLimits = {
  entriesMax: 100_000,
  /** More than any trial that its schema lets through. */
  entryBytesMax: 64 * 1024,
  /** Processes that may each see room for the last entry at once. */
  appendersMax: 64
} as const

/** About 100 entries: a few milliseconds to decode. */
const chunkBytes = 32 * 1024
const lineEnd = 0x0a

const encode = Schema.encodeSync(Trial)
const decode = Schema.decodeUnknownEither(Trial)

const codeOf = (cause: unknown): unknown => (cause as { readonly code?: unknown } | null)?.code

const attempt = <A>(path: string, work: () => Promise<A>): Effect.Effect<A, TrialLedgerFailed> =>
  Effect.tryPromise({
    try: work,
    catch: (cause) =>
      new TrialLedgerFailed({ path, reason: cause instanceof Error ? cause.message : String(cause) })
  })

async function* chunksOf(file: FileHandle): AsyncGenerator<Buffer> {
  for (let position = 0; ; ) {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, position)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
    position += bytesRead
  }
}

/** Lines that have ended, and whether the last one has. */
const measureFile = async (file: FileHandle) => {
  let lines = 0
  let isEnded = true
  for await (const chunk of chunksOf(file)) {
    for (let at = chunk.indexOf(lineEnd); at >= 0; at = chunk.indexOf(lineEnd, at + 1)) lines++
    isEnded = chunk.at(-1) === lineEnd
  }
  return { lines, isEnded }
}

const append = async (
  path: string,
  entries: Buffer,
  linesMax: number,
  entriesMax: number
): Promise<Either.Either<void, TrialLedgerFull | TrialLedgerFailed>> => {
  const file = await open(path, "a+", 0o600)
  try {
    const { isEnded, lines } = await measureFile(file)
    if (lines > linesMax) return Either.left(new TrialLedgerFull({ path, entriesMax }))
    const bytes = isEnded ? entries : Buffer.concat([Buffer.of(lineEnd), entries])
    const { bytesWritten } = await file.write(bytes)
    if (bytesWritten < bytes.length) {
      const reason = `it took ${bytesWritten} of ${bytes.length} bytes`
      return Either.left(new TrialLedgerFailed({ path, reason }))
    }
    await file.datasync()
    return Either.right(undefined)
  } finally {
    await file.close()
  }
}

/** Enters trials, all or none where there is no room for them; once it returns the entries are on disk. */
export const appendTrials = (
  folder: string,
  trials: ReadonlyArray<Trial>,
  entriesMax: number = trialLedgerLimits.entriesMax
): Effect.Effect<void, TrialLedgerFull | TrialLedgerFailed> =>
  Effect.suspend(() => {
    if (trials.length === 0) return Effect.void
    const path = join(folder, trialLedgerName)
    const lines = trials.flatMap((trial) => [stringifyToBytes(encode(trial)), Buffer.of(lineEnd)])
    return Effect.flatten(
      attempt(path, async () => {
        makeDirectory(folder)
        return await append(path, Buffer.concat(lines), entriesMax - trials.length, entriesMax)
      })
    )
  })

/** Enters one trial. */
export const appendTrial = (
  folder: string,
  trial: Trial,
  entriesMax?: number
): Effect.Effect<void, TrialLedgerFull | TrialLedgerFailed> => appendTrials(folder, [trial], entriesMax)

const decodeLine = (path: string, line: number, bytes: Buffer): Either.Either<Trial, TrialLedgerDamaged> => {
  const damaged = (reason: string) => new TrialLedgerDamaged({ path, line, reason })
  return Either.flatMap(
    Either.mapLeft(parseJson(bytes, { bytesMax: trialLedgerLimits.entryBytesMax }), (refusal) =>
      damaged(describeRefusal(refusal))
    ),
    (json) => Either.mapLeft(decode(json), ({ message }) => damaged(message.slice(0, 500)))
  )
}

type Read = Either.Either<ReadonlyArray<Trial>, TrialLedgerDamaged | TrialLedgerFull>

const readAll = async (path: string, entriesMax: number): Promise<Read> => {
  const file = await open(path, "r")
  try {
    const trials: Array<Trial> = []
    let rest: Buffer = Buffer.alloc(0)
    let line = 1
    for await (const chunk of chunksOf(file)) {
      rest = Buffer.concat([rest, chunk])
      for (let end = rest.indexOf(lineEnd); end >= 0; end = rest.indexOf(lineEnd)) {
        if (end > 0) {
          const trial = decodeLine(path, line, rest.subarray(0, end))
          if (Either.isLeft(trial)) return Either.left(trial.left)
          trials.push(trial.right)
        }
        rest = rest.subarray(end + 1)
        line++
      }
      if (trials.length > entriesMax + trialLedgerLimits.appendersMax) {
        return Either.left(new TrialLedgerFull({ path, entriesMax }))
      }
      if (rest.length > trialLedgerLimits.entryBytesMax) {
        return Either.map(decodeLine(path, line, rest), () => trials)
      }
    }
    // Whole but for its end: someone has edited the file. A part of an entry is no JSON.
    const last = decodeLine(path, line, rest)
    return Either.right(Either.isRight(last) ? [...trials, last.right] : trials)
  } finally {
    await file.close()
  }
}

/** All entries in their order; none where there is no ledger yet. */
export const readTrials = (
  folder: string,
  entriesMax: number = trialLedgerLimits.entriesMax
): Effect.Effect<ReadonlyArray<Trial>, TrialLedgerDamaged | TrialLedgerFull | TrialLedgerFailed> => {
  const path = join(folder, trialLedgerName)
  return Effect.flatten(
    attempt(path, async () => {
      try {
        return await readAll(path, entriesMax)
      } catch (cause) {
        if (codeOf(cause) === "ENOENT") return Either.right([]) as Read
        throw cause
      }
    })
  )
}
