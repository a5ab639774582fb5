import { describe, expect, it } from "@effect/vitest"
import { Cause, Chunk, Deferred, Effect, Exit, Fiber, Queue } from "effect"
import fc from "fast-check"
import type {
  ModelHost,
  OpinionBatch,
  OpinionBatchResult,
  OutputName
} from "../../../src/agents/model-host/ModelHost.ts"
import {
  type Asked,
  answersMax,
  makeRowRuns,
  type Row,
  type RowAnswer,
  type RowRuns,
  rowsPerRunMax,
  runRows
} from "../../../src/agents/model-host/RowRuns.ts"
import { Overloaded } from "../../../src/protocols/wire/errors.ts"
import { ChildFailed } from "../../../src/runtime/errors.ts"

class NoArtefact {
  readonly _tag = "NoArtefact"
}

/** A run that the host has been asked for, and that ends when it is told to. */
interface Run {
  readonly version: string
  readonly batch: OpinionBatch
  readonly end: Deferred.Deferred<void, ChildFailed>
}

const versionNumber = (version: string) => version.charCodeAt(0)

/** What a version says of a row, and of nothing else. */
const saidOf = (
  version: string,
  [feature]: ArrayLike<number> & Iterable<number>,
  sigma: number,
  band: number
) => ({
  probabilities: [0.25, 0.5, 0.25] as const,
  expectedReturn: Math.fround(versionNumber(version) + Math.fround(feature as number)),
  spread: Math.fround(Math.fround(sigma) + 2 * Math.fround(band))
})

const resultOf = (
  version: string,
  batch: OpinionBatch,
  more: ReadonlyArray<OutputName>
): OpinionBatchResult => {
  const { columns, features, rows } = batch
  const at = (row: number) =>
    saidOf(
      version,
      features.subarray(row * columns, (row + 1) * columns),
      batch.sigma[row] as number,
      batch.band[row] as number
    )
  const each = Array.from({ length: rows }, (_, row) => at(row))
  return {
    probabilities: Float32Array.from(each.flatMap(({ probabilities }) => [...probabilities])),
    expectedReturn: Float32Array.from(each, ({ expectedReturn }) => expectedReturn),
    spread: Float32Array.from(each, ({ spread }) => spread),
    score: new Float32Array(rows),
    more: more.map(({ width }, output) =>
      Float32Array.from({ length: rows * width }, (_, i) => {
        const row = Math.floor(i / width)
        return 100 * output + 10 * (features[row * columns] as number) + (i % width)
      })
    )
  }
}

type Failure = ChildFailed | Overloaded | NoArtefact

interface Bench {
  readonly runs: RowRuns<NoArtefact>
  readonly started: Queue.Queue<Run>
  /** Starts a request that is answered when its runs have ended. */
  readonly ask: (
    version: string,
    rows: ReadonlyArray<Row>,
    more?: ReadonlyArray<OutputName>
  ) => Effect.Effect<Fiber.RuntimeFiber<ReadonlyArray<RowAnswer>, Failure>>
}

const askedOf = (version: string, more: ReadonlyArray<OutputName> = []): Asked<NoArtefact> => ({
  version,
  more,
  artefact: Effect.succeed(new Uint8Array())
})

/** A host whose runs are held until they are let go, or which ends them at once. */
const bench = (held = true) =>
  Effect.gen(function* () {
    const started = yield* Queue.unbounded<Run>()
    const host = {
      opine: (
        version: string,
        artefact: Effect.Effect<Uint8Array, NoArtefact>,
        batch: OpinionBatch,
        more: ReadonlyArray<OutputName> = []
      ) =>
        Effect.gen(function* () {
          yield* artefact
          const end = yield* Deferred.make<void, ChildFailed>()
          yield* Queue.offer(started, { version, batch, end })
          if (held) yield* Deferred.await(end)
          return resultOf(version, batch, more)
        })
    } as unknown as typeof ModelHost.Service
    const runs = yield* makeRowRuns<NoArtefact>("deep-learning", host)
    const scope = yield* Effect.scope
    const ask: Bench["ask"] = (version, rows, more = []) =>
      Effect.gen(function* () {
        const before = runs.counts().rows
        const fiber = yield* Effect.forkIn(runs.ask(askedOf(version, more), rows), scope)
        yield* Effect.repeat(Effect.yieldNow(), { until: () => runs.counts().rows >= before + rows.length })
        return fiber
      })
    return { runs, started, ask } satisfies Bench
  })

const end = ({ end: done }: Run) => Deferred.succeed(done, undefined)
const died = new ChildFailed({ child: "model-host", reason: "it died" })
const fail = ({ end: done }: Run) => Deferred.fail(done, died)
const sizesOf = (runs: Iterable<Run>) => [...runs].map(({ batch }) => batch.rows)

const rowOf = (feature: number, changes: Partial<Row> = {}): Row => ({
  features: Float32Array.of(feature, -feature),
  sigma: 0.5,
  band: 0.25,
  ...changes
})
const rowsFrom = (first: number, count: number) => Array.from({ length: count }, (_, i) => rowOf(first + i))
const expectedOf = (version: string, rows: ReadonlyArray<Row>) =>
  rows.map(({ band, features, sigma }) => ({ ...saidOf(version, features, sigma, band), more: [] }))

/** Lets everything that can go on do so. */
const settled = Effect.repeatN(Effect.yieldNow(), 20)

/** Ends runs as they begin, so many of them. */
const endAll = ({ started }: Bench, count: number) =>
  Effect.gen(function* () {
    const runs: Array<Run> = []
    for (let i = 0; i < count; i++) {
      const run = yield* Queue.take(started)
      runs.push(run)
      yield* end(run)
    }
    return runs
  })

describe("rows of many requests", () => {
  it.scoped("share the runs of their version: what is asked while one is under way goes together", () =>
    Effect.gen(function* () {
      const all = yield* bench()
      const first = yield* all.ask("a", [rowOf(0)])
      const running = yield* Queue.take(all.started)
      const others = yield* Effect.forEach(Array.from({ length: 50 }), (_, i) =>
        all.ask("a", rowsFrom(1 + 3 * i, 3))
      )
      yield* end(running)
      const runs = yield* endAll(all, 3)
      expect(sizesOf([running, ...runs])).toEqual([1, rowsPerRunMax, rowsPerRunMax, 150 - 2 * rowsPerRunMax])
      expect(yield* Fiber.join(first)).toEqual(expectedOf("a", [rowOf(0)]))
      const answers = yield* Effect.forEach(others, (fiber) => Fiber.join(fiber))
      expect(answers).toEqual(others.map((_, i) => expectedOf("a", rowsFrom(1 + 3 * i, 3))))
      expect(all.runs.counts()).toEqual({ rows: 151, runs: 4, known: 0 })
    })
  )

  it.scoped("of one request are run in as many runs as they need, and none where there is none", () =>
    Effect.gen(function* () {
      const all = yield* bench(false)
      const rows = rowsFrom(0, 2 * rowsPerRunMax + 1)
      expect(yield* all.runs.ask(askedOf("a"), rows)).toEqual(expectedOf("a", rows))
      expect(yield* all.runs.ask(askedOf("a"), [])).toEqual([])
      const sizes = sizesOf(Chunk.toReadonlyArray(yield* Queue.takeAll(all.started)))
      expect(sizes.reduce((sum, size) => sum + size)).toBe(rows.length)
      expect(Math.max(...sizes)).toBeLessThanOrEqual(rowsPerRunMax)
    })
  )

  it.scoped("are run by fewer where their model cannot take as many, and by none more than usual", () =>
    Effect.gen(function* () {
      const all = yield* bench(false)
      const sizes = (rowsMax: number, version: string) =>
        Effect.gen(function* () {
          const rows = rowsFrom(0, 100)
          const answers = yield* all.runs.ask({ ...askedOf(version), rowsMax }, rows)
          expect(answers).toEqual(expectedOf(version, rows))
          return Math.max(...sizesOf(yield* Queue.takeAll(all.started)))
        })
      expect(yield* sizes(1, "a")).toBe(1)
      expect(yield* sizes(8, "b")).toBe(8)
      expect(yield* sizes(1_000, "c")).toBe(rowsPerRunMax)
    })
  )

  it.scoped("of different versions never mix, and do not wait for each other", () =>
    Effect.gen(function* () {
      const all = yield* bench()
      const fibers = yield* Effect.forEach(["a", "b", "c"], (version) => all.ask(version, rowsFrom(0, 2)))
      const runs = [
        yield* Queue.take(all.started),
        yield* Queue.take(all.started),
        yield* Queue.take(all.started)
      ]
      expect(runs.map(({ version }) => version).sort()).toEqual(["a", "b", "c"])
      yield* Effect.forEach([...runs].reverse(), end)
      const answers = yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
      expect(answers).toEqual(["a", "b", "c"].map((version) => expectedOf(version, rowsFrom(0, 2))))
    })
  )
})

describe("equal rows", () => {
  it.scoped("are run once: in one request, while they are under way, and after", () =>
    Effect.gen(function* () {
      const all = yield* bench()
      const fibers = yield* Effect.forEach([1, 2, 3], () => all.ask("a", [rowOf(7), rowOf(7)]))
      const run = yield* Queue.take(all.started)
      expect(run.batch.rows).toBe(1)
      yield* end(run)
      for (const fiber of fibers) {
        expect(yield* Fiber.join(fiber)).toEqual(expectedOf("a", [rowOf(7), rowOf(7)]))
      }
      expect(yield* all.runs.ask(askedOf("a"), [rowOf(7)])).toEqual(expectedOf("a", [rowOf(7)]))
      yield* settled
      expect(yield* Queue.size(all.started)).toBe(0)
      expect(all.runs.counts()).toEqual({ rows: 7, runs: 1, known: 6 })
    })
  )

  it.scoped("are equal in version, features, sigma and band: another of one of them is another row", () =>
    Effect.gen(function* () {
      const all = yield* bench(false)
      const rows = [
        rowOf(7),
        rowOf(7, { band: 0.125 }),
        rowOf(7, { sigma: 0.25 }),
        // The same numbers, of another sign: another row to the bit.
        rowOf(7, { features: Float32Array.of(7, 7) }),
        rowOf(0),
        rowOf(0, { features: Float32Array.of(-0, 0) })
      ]
      for (const version of ["a", "b"]) {
        for (const row of rows) {
          expect(yield* all.runs.ask(askedOf(version), [row])).toEqual(expectedOf(version, [row]))
        }
      }
      expect(all.runs.counts()).toEqual({ rows: 12, runs: 12, known: 0 })
    })
  )

  it.scoped("may be views of larger arrays: what lies around them does not count", () =>
    Effect.gen(function* () {
      const all = yield* bench(false)
      const large = Float32Array.of(1, 2, 3, 4)
      const view = rowOf(0, { features: large.subarray(1, 3) })
      yield* all.runs.ask(askedOf("a"), [view, rowOf(0, { features: Float32Array.of(2, 3) })])
      expect(all.runs.counts()).toEqual({ rows: 2, runs: 1, known: 1 })
    })
  )

  it.scoped(
    "are forgotten when so many others were asked since, the one that was asked longest ago first",
    () =>
      Effect.gen(function* () {
        const all = yield* bench(false)
        const known = (row: Row) =>
          Effect.gen(function* () {
            const before = all.runs.counts().known
            yield* all.runs.ask(askedOf("a"), [row])
            return all.runs.counts().known > before
          })
        yield* all.runs.ask(askedOf("a"), rowsFrom(0, answersMax))
        expect(yield* known(rowOf(0))).toBe(true)
        // One more than are kept: 1 is the one that was not asked again.
        expect(yield* known(rowOf(answersMax))).toBe(false)
        expect(yield* known(rowOf(0))).toBe(true)
        expect(yield* known(rowOf(2))).toBe(true)
        expect(yield* known(rowOf(1))).toBe(false)
        yield* all.runs.ask(askedOf("b"), rowsFrom(0, answersMax))
        expect(yield* known(rowOf(0))).toBe(false)
      })
  )
})

describe("a run that fails", () => {
  it.scoped("fails the rows that were in it and no others, and is made again when they are asked again", () =>
    Effect.gen(function* () {
      const all = yield* bench()
      const first = yield* all.ask("a", [rowOf(1), rowOf(2)])
      const failing = yield* Queue.take(all.started)
      const inIt = new Set([...failing.batch.features])
      const second = yield* all.ask("a", [rowOf(3)])
      const both = yield* all.ask("a", [rowOf(1), rowOf(3)])
      yield* fail(failing)
      expect(inIt.has(1)).toBe(true)
      expect(yield* Effect.flip(Fiber.join(first))).toBe(died)
      expect(yield* Effect.flip(Fiber.join(both))).toBe(died)
      yield* endAll(all, 1)
      expect(yield* Fiber.join(second)).toEqual(expectedOf("a", [rowOf(3)]))
      const again = yield* all.ask("a", [rowOf(1)])
      yield* endAll(all, 1)
      expect(yield* Fiber.join(again)).toEqual(expectedOf("a", [rowOf(1)]))
      // What did not fail was not run again.
      expect(yield* all.runs.ask(askedOf("a"), [rowOf(3), rowOf(1)])).toEqual(
        expectedOf("a", [rowOf(3), rowOf(1)])
      )
    })
  )

  it.scoped("says why: an artefact that cannot be had, and what is wrong with the program", () =>
    Effect.gen(function* () {
      const all = yield* bench(false)
      const without = { ...askedOf("a"), artefact: Effect.fail(new NoArtefact()) }
      expect((yield* Effect.flip(all.runs.ask(without, [rowOf(1)])))._tag).toBe("NoArtefact")
      const broken = { ...askedOf("a"), artefact: Effect.die("a bug") }
      const exit = yield* Effect.exit(all.runs.ask(broken, [rowOf(1)]))
      expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
      expect(yield* all.runs.ask(askedOf("a"), [rowOf(1)])).toEqual(expectedOf("a", [rowOf(1)]))
    })
  )

  it.scoped("even by rows of which one is longer than the others, leaves the version as it was", () =>
    Effect.gen(function* () {
      const all = yield* bench()
      const first = yield* all.ask("a", [rowOf(1)])
      const running = yield* Queue.take(all.started)
      const odd = yield* all.ask("a", [rowOf(2), rowOf(3, { features: new Float32Array(5) })])
      yield* end(running)
      yield* Fiber.join(first)
      const exit = yield* Fiber.await(odd)
      expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
      const next = yield* all.ask("a", [rowOf(2)])
      yield* endAll(all, 1)
      expect(yield* Fiber.join(next)).toEqual(expectedOf("a", [rowOf(2)]))
    })
  )
})

describe("whoever asks", () => {
  it.scoped("may go: the run goes on for the others", () =>
    Effect.gen(function* () {
      const all = yield* bench()
      const first = yield* all.ask("a", [rowOf(1)])
      const second = yield* all.ask("a", [rowOf(1), rowOf(2)])
      const running = yield* Queue.take(all.started)
      yield* Fiber.interrupt(first)
      yield* end(running)
      if (running.batch.rows === 1) yield* endAll(all, 1)
      expect(yield* Fiber.join(second)).toEqual(expectedOf("a", [rowOf(1), rowOf(2)]))
    })
  )

  it.scoped("may go at any moment: rows that were asked with theirs are run all the same", () =>
    Effect.gen(function* () {
      const all = yield* bench(false)
      // Fibers give way after so many steps: wherever that falls, nothing may be left that nobody runs.
      for (let steps = 1_900; steps < 2_100; steps++) {
        const version = String.fromCharCode(steps)
        const asking = Effect.zipRight(
          Effect.forEach(Array.from({ length: steps }), () => Effect.void, { discard: true }),
          all.runs.ask(askedOf(version), [rowOf(1)])
        )
        const fiber = yield* Effect.fork(asking)
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(fiber)
        const after = yield* Effect.fork(all.runs.ask(askedOf(version), [rowOf(1)]))
        yield* Effect.repeatN(Effect.yieldNow(), 60)
        expect(after.unsafePoll()?._tag, `after ${steps} steps`).toBe("Success")
      }
    })
  )

  it.scoped("is refused while more rows wait than may, and is answered when they have been run", () =>
    Effect.gen(function* () {
      const all = yield* bench()
      const rows = rowsFrom(0, 8_192)
      const waiting = yield* all.ask("a", rows)
      const error = yield* Effect.flip(all.runs.ask(askedOf("b"), [rowOf(1)]))
      expect(error).toEqual(new Overloaded({ agent: "deep-learning", call: "run", limit: rows.length }))
      // What is under way already is no further row.
      const same = yield* all.ask("a", rows.slice(-1))
      yield* Effect.fork(endAll(all, 1_000))
      expect(yield* Fiber.join(waiting)).toEqual(expectedOf("a", rows))
      expect(yield* Fiber.join(same)).toEqual(expectedOf("a", rows.slice(-1)))
      expect(yield* all.runs.ask(askedOf("b"), [rowOf(1)])).toEqual(expectedOf("b", [rowOf(1)]))
    })
  )

  it.scoped("is given of each output what belongs to the row", () =>
    Effect.gen(function* () {
      const all = yield* bench(false)
      const more = [
        { name: "classes", width: 3 },
        { name: "steps", width: 1 }
      ]
      const answers = yield* all.runs.ask(askedOf("a", more), [rowOf(4), rowOf(9), rowOf(4)])
      const outputs = answers.map(({ more: said }) => said.map((values) => [...values]))
      expect(outputs).toEqual([
        [[40, 41, 42], [140]],
        [[90, 91, 92], [190]],
        [[40, 41, 42], [140]]
      ])
    })
  )
})

describe("one run by itself", () => {
  it.scoped("is of the rows that it is given, in their order, and remembers nothing", () =>
    Effect.gen(function* () {
      const batches: Array<OpinionBatch> = []
      const host = {
        opine: (version: string, _: unknown, batch: OpinionBatch, more: ReadonlyArray<OutputName>) => {
          batches.push(batch)
          return Effect.succeed(resultOf(version, batch, more))
        }
      } as unknown as typeof ModelHost.Service
      const rows = [rowOf(3), rowOf(1), rowOf(3)]
      for (let again = 0; again < 2; again++) {
        expect(yield* runRows(host, askedOf("a"), rows)).toEqual(expectedOf("a", rows))
      }
      expect(batches.length).toBe(2)
      // As many runs as the model needs, and no more.
      const many = rowsFrom(0, 9)
      const asked = { ...askedOf("a"), rowsMax: 4 }
      expect(yield* runRows(host, asked, many)).toEqual(expectedOf("a", many))
      expect(batches.slice(2).map(({ rows: count }) => count)).toEqual([4, 4, 1])
      expect(batches[0]).toEqual({
        rows: 3,
        columns: 2,
        features: Float32Array.of(3, -3, 1, -1, 3, -3),
        sigma: Float32Array.of(0.5, 0.5, 0.5),
        band: Float32Array.of(0.25, 0.25, 0.25)
      })
    })
  )
})

const action = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("ask" as const),
      version: fc.constantFrom("a", "b", "c"),
      features: fc.array(fc.nat(40), { maxLength: 12 })
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      which: fc.nat(10),
      fails: fc.integer({ min: 0, max: 3 }).map((one) => one === 0)
    })
  }
)

describe("requests and runs in any order", () => {
  it("give each row the answer of its version, and fail those rows alone whose run has failed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 60 }), (actions) =>
        Effect.gen(function* () {
          const all = yield* bench()
          const requests: Array<{
            readonly version: string
            readonly rows: ReadonlyArray<Row>
            readonly fiber: Fiber.RuntimeFiber<ReadonlyArray<RowAnswer>, Failure>
          }> = []
          const open: Array<Run> = []
          const failed = new Set<string>()
          const done = new Set<string>()
          let ran = 0
          const collect = Effect.gen(function* () {
            yield* settled
            for (const run of yield* Queue.takeAll(all.started)) {
              expect(run.batch.rows).toBeLessThanOrEqual(rowsPerRunMax)
              // One run of a version at a time.
              expect(open.map(({ version }) => version)).not.toContain(run.version)
              ran++
              open.push(run)
            }
          })
          const finish = (run: Run, fails: boolean) =>
            Effect.gen(function* () {
              const { batch, version } = run
              for (let row = 0; row < batch.rows; row++) {
                const key = `${version}/${batch.features[row * batch.columns]}`
                if (fails) failed.add(key)
                else {
                  expect(done.has(key)).toBe(false)
                  done.add(key)
                }
              }
              yield* fails ? fail(run) : end(run)
              yield* collect
            })
          for (const one of actions) {
            if (one.kind === "ask") {
              const rows = one.features.map((feature) => rowOf(feature))
              requests.push({ version: one.version, rows, fiber: yield* all.ask(one.version, rows) })
              yield* collect
            } else {
              const [run] = open.splice(one.which % Math.max(1, open.length), 1)
              if (run !== undefined) yield* finish(run, one.fails)
            }
          }
          for (let run = open.shift(); run !== undefined; run = open.shift()) yield* finish(run, false)
          for (const { fiber, rows, version } of requests) {
            const exit = yield* Fiber.await(fiber)
            if (Exit.isSuccess(exit)) expect(exit.value).toEqual(expectedOf(version, rows))
            else
              expect(
                rows.some(({ features }) => failed.has(`${version}/${features[0]}`)),
                String(exit)
              ).toBe(true)
          }
          expect(all.runs.counts().runs).toBe(ran)
          expect(all.runs.counts().rows).toBe(requests.reduce((sum, { rows }) => sum + rows.length, 0))
        }).pipe(Effect.scoped, Effect.runPromise)
      ),
      { numRuns: 100 }
    )
  })
})
