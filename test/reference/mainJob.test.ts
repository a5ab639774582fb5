/**
 * The main job over every bar file of the reference data: by default the last 2,000 as-ofs of at most 20
 * instruments of each, with CONCLAVE_FULL=1 all of everything. What it says is counted again here, and the account
 * is drawn up once more from its fills by a reckoning that shares nothing with the ledger.
 */
import { createHash } from "node:crypto"
import { join } from "node:path"
import { Reactivity } from "@effect/experimental"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { conclave, type Line } from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { files, root, skippedTitle } from "./referenceFiles.ts"

const isFull = process.env.CONCLAVE_FULL === "1"
const some = isFull ? [] : ["--last", "2000", "--instruments-max", "20"]
const timeoutMs = isFull ? 4 * 3_600_000 : 600_000
const title =
  files.length === 0
    ? skippedTitle("the main job")
    : `the main job over ${isFull ? "all" : "the end"} of the bar files of ${root}`

/** What the lines of a run come to, without keeping them. */
const tally = () => {
  const hash = createHash("sha256")
  const asOfs = new Set<number>()
  const ids = new Set<string>()
  let abstentions = 0
  let degraded = 0
  let summary: Line | undefined
  return {
    take: (text: string) => {
      const line = JSON.parse(text) as Line
      // Nothing may come after the summary.
      expect(summary).toBeUndefined()
      if (line.type === "summary") {
        const { wallTimeMs, ...rest } = line
        expect(wallTimeMs).toSatisfy(Number.isFinite)
        hash.update(JSON.stringify(rest))
        summary = line
        return
      }
      expect(line.type).toBe("decision")
      hash.update(text)
      ids.add(line.id as string)
      asOfs.add((line.key as { readonly asOf: number }).asOf)
      const { answers } = line.inputs as { readonly answers: ReadonlyArray<{ readonly _tag: string }> }
      abstentions += answers.filter(({ _tag }) => _tag === "Abstention").length
      if (line.degraded !== null) degraded++
    },
    result: () => ({
      digest: hash.digest("hex"),
      asOfs: asOfs.size,
      decisions: ids.size,
      abstentions,
      degraded,
      summary
    })
  }
}

const runOver = (path: string, directory: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const lines = tally()
      const args = ["up", "--path", path, "--speed", "max", "--json", "--data-directory", directory, ...some]
      const { code, stderr } = yield* (yield* conclave(args, { onLine: lines.take })).ended
      return { code, stderr, ...lines.result() }
    })
  )

interface Fill {
  readonly instrument: string
  readonly lots: number
  readonly priceTicks: number
  readonly fee: number
}
interface AccountEvent {
  readonly type: string
  readonly payload: {
    readonly cash?: number
    readonly instruments?: ReadonlyArray<{ readonly id: string; readonly tick: number; readonly lot: number }>
    readonly charges?: ReadonlyArray<{ readonly micro: number }>
    readonly fills?: ReadonlyArray<Fill>
    readonly marks?: ReadonlyArray<{ readonly instrument: string; readonly priceTicks: number }>
  }
}

/** The account by floating-point numbers, from the events of its stream. */
const reckon = (directory: string, run: string) =>
  Effect.gen(function* () {
    const filename = join(directory, "node", "runs", run, "store.db")
    const sql = yield* SqliteClient.make({ filename, readonly: true })
    const rows = yield* sql<{
      data: Uint8Array
    }>`SELECT data FROM events WHERE stream = 'account' ORDER BY sequence`
    const units = new Map<string, number>()
    const held = new Map<string, number>()
    const marks = new Map<string, number>()
    let cash = 0
    let fees = 0
    let fills = 0
    for (const { data } of rows) {
      const { payload, type } = JSON.parse(Buffer.from(data).toString("utf8")) as AccountEvent
      if (type === "AccountOpened") cash = (payload.cash as number) / 1e6
      for (const { id, lot, tick } of payload.instruments ?? []) units.set(id, lot * tick)
      for (const { micro } of payload.charges ?? []) cash -= micro / 1e6
      for (const { fee, instrument, lots, priceTicks } of payload.fills ?? []) {
        cash -= lots * priceTicks * (units.get(instrument) as number) + fee / 1e6
        held.set(instrument, (held.get(instrument) ?? 0) + lots)
        fees += fee / 1e6
        fills++
      }
      for (const { instrument, priceTicks } of payload.marks ?? []) marks.set(instrument, priceTicks)
    }
    let equity = cash
    for (const [instrument, lots] of held) {
      equity += lots * (marks.get(instrument) as number) * (units.get(instrument) as number)
    }
    return { equity, fees, fills }
  }).pipe(Effect.provide(Reactivity.layer), Effect.scoped)

const check = (path: string) =>
  Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    const { code, stderr, summary, ...counted } = yield* runOver(path, directory)
    if (summary === undefined) {
      expect(counted.decisions).toBe(0)
      expect(code).toBe(1)
      expect(stderr).toMatch(
        /^(conclave: bundling.*\n)?conclave: .*(is no bar file|rows are refused|holds no bars).*\n$/
      )
      return undefined
    }
    expect(code).toBe(0)
    const { abstentions, decisions, degraded } = counted
    expect(summary).toMatchObject({ abstentions, decisions, degraded })
    expect(decisions).toBeGreaterThan(0)
    expect(summary.barsRead).toBeGreaterThanOrEqual(decisions)
    if (!isFull) {
      expect(summary.barsRead).toBeLessThanOrEqual(2_000 * 20)
      expect(counted.asOfs).toBeLessThanOrEqual(2_000)
    }
    const account = yield* reckon(directory, summary.run as string)
    expect(account.fills).toBe(summary.fills)
    expect(account.fees).toBeCloseTo(summary.fees as number, 4)
    expect(account.equity).toBeCloseTo(summary.finalEquity as number, 2)
    for (const field of ["finalEquity", "buyAndHoldEquity"]) expect(summary[field]).toSatisfy(Number.isFinite)
    return counted.digest
  })

describe.skipIf(files.length === 0)(title, () => {
  let repeated: string | undefined

  it.scopedLive.each(files.map((path) => path.slice(root.length + 1)))(
    "%s",
    (name) =>
      Effect.gen(function* () {
        const digest = yield* check(join(root, name))
        // The first that is a bar file is run twice.
        if (digest === undefined || repeated !== undefined) return
        repeated = name
        expect(yield* check(join(root, name))).toBe(digest)
      }),
    timeoutMs
  )

  it("has been run twice over one of them", () => {
    expect(repeated).toBeDefined()
  })
})
