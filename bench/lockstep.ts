/**
 * Decisions of the whole system at full speed, within one process: simulator, features, two voters in the model host,
 * rounds, journal, paper broker, context, NDJSON; from the first decision on standard output to the last, warm-up and
 * fits included. Beside it the ceiling that the journal sets: committing, for each as-of, records of the same number and
 * size one after the other and doing nothing else.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Layer } from "effect"
import { Epoch, sequenceZero } from "../src/protocols/wire/Ids.ts"
import { Journal } from "../src/runtime/Journal.ts"
import * as SqliteJournal from "../src/runtime/SqliteJournal.ts"
import * as Store from "../src/runtime/Store.ts"
import { type RunningConclave, startConclave } from "./support/conclave.ts"
import { type Bench, line, print, ratio, spread } from "./support/report.ts"

/** Of one as-of: bars, bars applied, the round, orders. */
const recordsPerAsOf = 4
const recordBytes = (instruments: number) => [250 * instruments, 300, 2_500 * instruments, 300]

/** As-ofs a second that the journal alone would take. */
const commitsAlone = (instruments: number, asOfs: number) =>
  Effect.gen(function* () {
    const directory = mkdtempSync(join(tmpdir(), "conclave-bench-"))
    yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(directory, { recursive: true, force: true })))
    const store = Store.layer({ path: join(directory, "store.db"), durability: "process" })
    const context = yield* Layer.build(Layer.provideMerge(SqliteJournal.layer, store))
    const append = Effect.gen(function* () {
      const journal = yield* Journal
      const heads = Array.from({ length: recordsPerAsOf }, () => sequenceZero)
      const records = recordBytes(instruments).map((bytes) => Buffer.alloc(bytes, "x"))
      const begin = performance.now()
      for (let asOf = 0; asOf < asOfs; asOf++) {
        for (const [i, data] of records.entries()) {
          const options = {
            stream: `bench-${i}`,
            expected: heads[i] as typeof sequenceZero,
            epoch: Epoch.make(1),
            id: `${asOf}`,
            data
          }
          heads[i] = yield* journal.append(options)
        }
      }
      return asOfs / ((performance.now() - begin) / 1_000)
    })
    return yield* Effect.provide(append, context)
  }).pipe(Effect.scoped, Effect.runPromise)

/** Decisions a second between the first and the last of a run. */
export const decisionsPerSecond = async (running: RunningConclave): Promise<number> => {
  let first = 0
  let last = 0
  let decisions = 0
  for await (const text of running.lines) {
    if (!text.startsWith('{"type":"decision"')) continue
    last = performance.now()
    if (decisions++ === 0) first = last
  }
  const code = await running.exited
  rmSync(running.directory, { recursive: true, force: true })
  if (code !== 0) throw new Error(`conclave ended with ${code}`)
  return (decisions - 1) / ((last - first) / 1_000)
}

export const lockstep: Bench = {
  name: "lockstep",
  run: async ({ root, smoke }) => {
    const runs = smoke ? 1 : 3
    print(`lockstep: decisions a second at full speed in process, ${runs} runs each; aim 1,000`)
    for (const instruments of smoke ? [4] : [1, 4, 20]) {
      const asOfs = smoke ? 300 : 2_500
      const rates: Array<number> = []
      const ceilings: Array<number> = []
      for (let i = 0; i < runs; i++) {
        ceilings.push((await commitsAlone(instruments, asOfs)) * instruments)
        const running = startConclave(root, [
          "--speed",
          "max",
          "--as-ofs",
          `${asOfs}`,
          "--instruments",
          `${instruments}`,
          "--transport",
          "in-process"
        ])
        rates.push(await decisionsPerSecond(running))
      }
      line(`${instruments} instruments, ${asOfs} as-ofs`, spread(rates, "decisions/s"))
      line(
        "  commits of the journal alone",
        spread(ceilings, "decisions/s"),
        `share ${spread(ratio(rates, ceilings), "")}`
      )
    }
  }
}
