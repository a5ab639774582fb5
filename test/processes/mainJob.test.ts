import { appendFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { quick, writeBarFile } from "../support/bars.ts"
import { type Line, linesOf, npmStart, runConclave } from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"

const asOfs = 220
const instruments = 3

/** A file with one bad row, and the arguments of the main job on it. */
const prepared = Effect.map(temporaryDirectory, (directory) => {
  const path = join(directory, "bars.csv")
  writeBarFile(path, { asOfs, instruments })
  appendFileSync(path, "2024-01-01T03:40:00.000Z,ALPHA,1,2,3,4,5\n")
  const up = ["--source", "csv", "--path", path, "--speed", "max", "--json", ...quick]
  return { path, args: (data: string) => [...up, "--data-directory", join(directory, data)] }
})

const withoutWallTime = (stdout: string) => stdout.replace(/"wallTimeMs":\d+/, '"wallTimeMs":0')

const checkLines = (lines: ReadonlyArray<Line>) => {
  const decisions = lines.slice(0, -1)
  const summary = lines.at(-1) as Line
  expect(new Set(decisions.map(({ type }) => type))).toEqual(new Set(["decision"]))
  expect(summary).toMatchObject({
    type: "summary",
    barsRead: asOfs * instruments,
    rowsRefused: 1,
    decisions: decisions.length,
    startingEquity: 100_000
  })
  expect(summary.abstentions).toBe(
    decisions
      .flatMap(({ inputs }) => (inputs as { answers: ReadonlyArray<{ _tag: string }> }).answers)
      .filter(({ _tag }) => _tag === "Abstention").length
  )
  expect(summary.degraded).toBe(decisions.filter(({ degraded }) => degraded !== null).length)
  expect(new Set(decisions.map(({ id }) => id)).size).toBe(decisions.length)
  expect(decisions.length).toBeGreaterThan(300)
  for (const field of ["finalEquity", "buyAndHoldEquity", "wallTimeMs"]) {
    expect(summary[field]).toSatisfy(Number.isFinite)
  }
  expect(summary.fills).toBeGreaterThan(0)
}

describe("the main job on a bar file", () => {
  it.scopedLive(
    "ends by itself with a line for every decision, a summary and nothing else, each time with the same bytes",
    () =>
      Effect.gen(function* () {
        const { args, path } = yield* prepared
        const first = yield* Effect.scoped(Effect.flatMap(npmStart(args("data")), ({ ended }) => ended))
        expect(first.stderr).toContain(`${path}:${asOfs * instruments + 2}: refused`)
        expect(first.code).toBe(0)
        checkLines(linesOf(first))
        // A run of this name is there already: it begins anew.
        const sameDirectory = yield* runConclave(["up", ...args("data")])
        expect(sameDirectory.code).toBe(0)
        expect(withoutWallTime(sameDirectory.stdout)).toBe(withoutWallTime(first.stdout))
        const otherDirectory = yield* runConclave(["up", ...args("other")])
        expect(withoutWallTime(otherDirectory.stdout)).toBe(withoutWallTime(first.stdout))
      }),
    120_000
  )
})
