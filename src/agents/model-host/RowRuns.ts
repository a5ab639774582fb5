/**
 * Rows of many requests through few runs: what is asked while a model runs waits for the next run and goes into it
 * together, and what the same version was asked before is known already (by the version and a hash of the row).
 *
 * What can go wrong: the run fails, and with it every row that was in it; more rows wait than may (Overloaded).
 * Invariant: each row gets the answer of the version that it named. Rows of one run may differ by the last bits of
 * float32 from the same rows run alone, so that what has to come out the same again asks the host itself.
 */
import { Effect, Exit, FiberSet, type Scope } from "effect"
import { Overloaded } from "../../protocols/wire/errors.ts"
import type { AgentName } from "../../protocols/wire/Ids.ts"
import { sha256 } from "../../protocols/wire/Json.ts"
import type { ChildFailed } from "../../runtime/errors.ts"
import type { ModelHost, OpinionBatchResult, OutputName } from "./ModelHost.ts"

/** A question as a model sees it. */
export interface Row {
  readonly features: Float32Array
  /** Standard deviation of the horizon's log return. */
  readonly sigma: number
  readonly band: number
}

/** What a model says of it. */
export interface RowAnswer {
  /** sell, hold, buy */
  readonly probabilities: readonly [number, number, number]
  readonly expectedReturn: number
  readonly spread: number
  readonly more: ReadonlyArray<Float32Array>
}

/** A version, how to get it, and what it answers beside what all do. */
export interface Asked<E> {
  readonly version: string
  readonly artefact: Effect.Effect<Uint8Array, E>
  readonly more: ReadonlyArray<OutputName>
  /** Rows that one run may have, where it is fewer than usual. */
  readonly rowsMax?: number
}

export interface RowRuns<E> {
  readonly ask: (
    asked: Asked<E>,
    rows: ReadonlyArray<Row>
  ) => Effect.Effect<ReadonlyArray<RowAnswer>, ChildFailed | Overloaded | E>
  /** Counted since it was made. */
  readonly counts: () => { readonly rows: number; readonly runs: number; readonly known: number }
}

export const rowsPerRunMax = 64
const rowsWaitingMax = 8_192
/** Answers that are remembered, of all versions. */
export const answersMax = 4_096

type Answered<E> = Exit.Exit<RowAnswer, ChildFailed | Overloaded | E>

/** A row that will be run, and who waits for what comes of it. */
interface Waiting<E> {
  readonly row: Row
  readonly listeners: Array<(answered: Answered<E>) => void>
}

const keyOf = (version: string, { band, features, sigma }: Row): string => {
  const bytes = Buffer.alloc(features.byteLength + 16)
  bytes.set(new Uint8Array(features.buffer, features.byteOffset, features.byteLength))
  bytes.writeDoubleLE(sigma, features.byteLength)
  bytes.writeDoubleLE(band, features.byteLength + 8)
  return `${version}/${sha256(bytes)}`
}

const answerAt = (result: OpinionBatchResult, row: number, more: ReadonlyArray<OutputName>): RowAnswer => {
  const side = (at: number) => result.probabilities[row * 3 + at] ?? Number.NaN
  return {
    probabilities: [side(0), side(1), side(2)],
    expectedReturn: result.expectedReturn[row] ?? Number.NaN,
    spread: result.spread[row] ?? Number.NaN,
    more: more.map(({ width }, i) => (result.more[i] as Float32Array).slice(row * width, (row + 1) * width))
  }
}

const runOnce = <E>(
  host: typeof ModelHost.Service,
  { artefact, more, version }: Asked<E>,
  rows: ReadonlyArray<Row>
): Effect.Effect<ReadonlyArray<RowAnswer>, ChildFailed | E> => {
  const columns = rows[0]?.features.length ?? 0
  const features = new Float32Array(rows.length * columns)
  rows.forEach((row, i) => {
    features.set(row.features, i * columns)
  })
  const batch = {
    rows: rows.length,
    columns,
    features,
    sigma: Float32Array.from(rows, ({ sigma }) => sigma),
    band: Float32Array.from(rows, ({ band }) => band)
  }
  return Effect.map(host.opine(version, artefact, batch, more), (result) =>
    rows.map((_, i) => answerAt(result, i, more))
  )
}

/** These rows and no others: in one run, or in as few as their model allows. */
export const runRows = <E>(
  host: typeof ModelHost.Service,
  asked: Asked<E>,
  rows: ReadonlyArray<Row>
): Effect.Effect<ReadonlyArray<RowAnswer>, ChildFailed | E> => {
  const { rowsMax = rows.length } = asked
  if (rows.length <= rowsMax) return runOnce(host, asked, rows)
  const parts: Array<ReadonlyArray<Row>> = []
  for (let at = 0; at < rows.length; at += rowsMax) parts.push(rows.slice(at, at + rowsMax))
  return Effect.map(
    Effect.forEach(parts, (part) => runOnce(host, asked, part)),
    (answers) => answers.flat()
  )
}

/** Its runs end with the scope. */
export const makeRowRuns = <E>(
  agent: AgentName,
  host: typeof ModelHost.Service
): Effect.Effect<RowRuns<E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const running = yield* FiberSet.make()
    /** The least recently asked first. */
    const known = new Map<string, RowAnswer>()
    /** Under way, by key. */
    const coming = new Map<string, Waiting<E>>()
    /** By version, what waits for its next run; there as long as somebody runs it. */
    const queues = new Map<string, Array<readonly [key: string, waiting: Waiting<E>]>>()
    const counted = { rows: 0, runs: 0, known: 0 }

    const remember = (key: string, answer: RowAnswer) => {
      known.delete(key)
      known.set(key, answer)
      if (known.size <= answersMax) return
      const [oldest] = known.keys()
      known.delete(oldest as string)
    }

    /** The rows that wait for a version; where none do, nobody runs its queue any more. */
    const take = ({ rowsMax = rowsPerRunMax, version }: Asked<E>) => {
      const taken = queues.get(version)?.splice(0, Math.min(rowsMax, rowsPerRunMax)) ?? []
      if (taken.length === 0) queues.delete(version)
      return taken
    }

    const runQueue = (asked: Asked<E>) =>
      Effect.gen(function* () {
        for (let taken = take(asked); taken.length > 0; taken = take(asked)) {
          counted.runs++
          const rows = taken.map(([, { row }]) => row)
          // Rows that do not fit each other are their own failure, and no reason to stop running the queue.
          const exit = yield* Effect.exit(Effect.suspend(() => runRows(host, asked, rows)))
          for (const [i, [key, { listeners }]] of taken.entries()) {
            coming.delete(key)
            const answered = Exit.map(exit, (said) => said[i] as RowAnswer)
            if (Exit.isSuccess(answered)) remember(key, answered.value)
            for (const listener of listeners) listener(answered)
          }
        }
      })

    /** Puts rows into the queue of their version, but those that are known or under way; says whether it has to be run. */
    const enter = (
      asked: Asked<E>,
      rows: ReadonlyArray<Row>,
      answered: (i: number, of: Answered<E>) => void
    ) => {
      let isNew = false
      for (const [i, row] of rows.entries()) {
        counted.rows++
        const key = keyOf(asked.version, row)
        const found = known.get(key)
        const other = coming.get(key)
        if (found !== undefined || other !== undefined) counted.known++
        if (found !== undefined) {
          remember(key, found)
          answered(i, Exit.succeed(found))
        } else if (other !== undefined) other.listeners.push((of) => answered(i, of))
        else if (coming.size >= rowsWaitingMax) {
          answered(i, Exit.fail(new Overloaded({ agent, call: "run", limit: rowsWaitingMax })))
          break
        } else {
          const waiting: Waiting<E> = { row, listeners: [(of) => answered(i, of)] }
          coming.set(key, waiting)
          const queue = queues.get(asked.version)
          if (queue === undefined) queues.set(asked.version, [[key, waiting]])
          else queue.push([key, waiting])
          isNew ||= queue === undefined
        }
      }
      return isNew
    }

    const ask = (asked: Asked<E>, rows: ReadonlyArray<Row>) =>
      // Whoever asks may go at any moment, but not between putting rows into a queue and having it run.
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          const answers: Array<RowAnswer> = []
          let missing = rows.length
          let failed: Exit.Exit<never, ChildFailed | Overloaded | E> | undefined
          let done: (() => void) | undefined
          const isNew = enter(asked, rows, (i, answered) => {
            if (Exit.isSuccess(answered)) answers[i] = answered.value
            else failed ??= Exit.failCause(answered.cause)
            missing--
            if (missing === 0 || failed !== undefined) done?.()
          })
          const answered = Effect.async<ReadonlyArray<RowAnswer>, ChildFailed | Overloaded | E>((resume) => {
            done = () => resume(failed ?? Effect.succeed(answers))
            if (missing === 0 || failed !== undefined) done()
          })
          return isNew
            ? Effect.zipRight(FiberSet.run(running, runQueue(asked)), restore(answered))
            : restore(answered)
        })
      )

    return {
      ask,
      counts: () => ({ ...counted })
    }
  })
