import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { quick, writeBarFile } from "../support/bars.ts"
import { linesOf, runConclave } from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"

const asOfs = 300
const warmUp = 80

interface Result {
  readonly type: string
  readonly counts: { readonly decisions: number; readonly fills: number; readonly fees: number }
  readonly performance: {
    readonly bars: number
    readonly totalReturn: { readonly value: number }
    readonly costs: ReadonlyArray<{ readonly multiple: number; readonly totalReturn: number }>
    readonly baselines: ReadonlyArray<{ readonly name: string }>
  }
  readonly card: {
    readonly run: string
    readonly asOfs: { readonly warmUp: number; readonly traded: number }
    readonly results: { readonly decisions: string; readonly ledger: string }
  }
  readonly rerun?: { readonly same: boolean; readonly differences: ReadonlyArray<string> }
}

const prepared = Effect.map(temporaryDirectory, (directory) => {
  const path = join(directory, "bars.csv")
  writeBarFile(path, { asOfs, instruments: 2 })
  return { directory, path, in: (name: string) => join(directory, name) }
})

const resultOf = (ended: Parameters<typeof linesOf>[0]): Result => linesOf(ended).at(-1) as unknown as Result

describe("a backtest", () => {
  it.scopedLive(
    "judges what the committee made, writes a report and a card, and comes out the same from the card",
    () =>
      Effect.gen(function* () {
        const { in: within, path } = yield* prepared
        const [card, report, data] = [within("card.json"), within("report.html"), within("data")]
        const first = yield* runConclave([
          ...["backtest", "--data", path, "--card", card, "--report", report, "--json"],
          ...["--data-directory", data, ...quick]
        ])
        expect([first.code, first.stdout.trim().split("\n").length]).toEqual([0, 1])
        const result = resultOf(first)
        expect(result.type).toBe("backtest")
        // A question needs the volatility of the last twenty bars.
        expect(result.counts.decisions).toBe((asOfs - 20) * 2)
        expect(result.counts.fills).toBeGreaterThan(0)
        expect(result.card.asOfs).toMatchObject({ warmUp, traded: asOfs - warmUp })
        expect(result.performance.bars).toBe(asOfs - warmUp)
        const [free, usual, twice] = result.performance.costs
        expect([free?.multiple, usual?.multiple, twice?.multiple]).toEqual([0, 1, 2])
        expect(free?.totalReturn).toBeGreaterThan(usual?.totalReturn ?? 0)
        expect(usual?.totalReturn).toBeGreaterThan(twice?.totalReturn ?? 0)
        expect(result.performance.baselines.map(({ name }) => name)).toEqual([
          "buy and hold",
          "crossing 24/168"
        ])
        const html = readFileSync(report, "utf8")
        expect(html).toContain("lightweight-charts")
        expect(html).not.toMatch(/<(script|link|img)[^>]+(src|href)=/)
        expect(html).toContain(result.card.results.ledger)
        // One trial, entered once.
        expect(
          readFileSync(join(data, "trials", "trials.ndjson"), "utf8")
            .trim()
            .split("\n").length
        ).toBe(1)

        const again = yield* runConclave(["backtest", "--rerun", card, "--json"])
        expect(again.stderr).toContain("the same as on the card")
        expect(again.code).toBe(0)
        expect(resultOf(again).card.results).toEqual(result.card.results)

        const other = JSON.parse(readFileSync(card, "utf8")) as { results: { ledger: string } }
        other.results.ledger = "0".repeat(64)
        writeFileSync(card, JSON.stringify(other))
        const differing = yield* runConclave(["backtest", "--rerun", card, "--json"])
        expect([differing.code, resultOf(differing).rerun]).toEqual([
          1,
          { same: false, differences: ["the ledger"] }
        ])
      }),
    240_000
  )

  it.scopedLive(
    "trades only in the range that was asked for",
    () =>
      Effect.gen(function* () {
        const { path } = yield* prepared
        const { code, stdout, stderr } = yield* runConclave([
          ...["backtest", "--data", path, "--json", ...quick],
          ...["--from", "2024-01-01T03:00:00Z", "--to", "2024-01-01T04:00:00Z"]
        ])
        expect([code, stderr]).toEqual([0, expect.stringContaining("240 as-ofs")])
        const result = resultOf({ stdout } as Parameters<typeof linesOf>[0])
        expect(result.card.asOfs).toEqual({
          warmUp: 179,
          traded: 61,
          from: Date.UTC(2024, 0, 1, 3),
          to: Date.UTC(2024, 0, 1, 4)
        })
      }),
    120_000
  )

  it.scopedLive(
    "refuses in one line what it cannot run",
    () =>
      Effect.gen(function* () {
        const { in: within, path } = yield* prepared
        const rubbish = within("rubbish.json")
        writeFileSync(rubbish, '{"type":"run-card"}')
        const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
          [[], /Say which bars by --data FILE/],
          [["--data", within("none.csv")], /none\.csv cannot be read: there is no such file/],
          [["--data", rubbish], /rubbish\.json is no bar file/],
          [["--data", path, "--from", "2030-01-01"], /none is left to trade/],
          [["--data", path, "--to", "yesterday"], /marketData\.to is "yesterday"/],
          [["--data", path, "--report", join(within("nowhere"), "r.html")], /There is no folder/],
          [["--data", path, "--report", path], /would be written over/],
          [["--rerun", rubbish], /is no run card/],
          [["--rerun", within("none.json")], /cannot be read/],
          [["--rerun", rubbish, "--data", path], /takes everything from the card/]
        ]
        for (const [args, message] of cases) {
          const { code, stderr, stdout } = yield* runConclave(["backtest", ...args])
          expect([args, code, stdout]).toEqual([args, 1, ""])
          expect(stderr).toMatch(message)
          expect(
            stderr.split("\n").filter((line) => line !== "" && !line.endsWith("bundling the sources")).length
          ).toBe(1)
        }
        expect(existsSync(join(within("nowhere"), "r.html"))).toBe(false)
      }),
    120_000
  )
})
