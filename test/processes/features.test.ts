/** `conclave features` as its users run it, and a run over daily bars on the calendar of their exchange. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { quick, writeBarFile } from "../support/bars.ts"
import { linesOf, runConclave } from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { dailyText, sessionDates } from "../support/sessions.ts"

const sessions = sessionDates("2018-06-01", "2018-12-31")
const closes = ["date,close", ...sessions.map((date, i) => `${date},${15 + (i % 7)}`), ""].join("\n")

const folder = Effect.map(temporaryDirectory, (path) => ({
  path,
  put: (name: string, text: string) => {
    writeFileSync(join(path, name), text)
    return join(path, name)
  }
}))

describe("conclave features", () => {
  it.scopedLive(
    "writes a row an as-of, and says what is absent and why",
    () =>
      Effect.gen(function* () {
        const { path, put } = yield* folder
        const output = join(path, "market.csv")
        const vix = put("vix.csv", closes)
        const market = ["features", "--schema", "market", "--vix", vix, "--output", output]
        const { code, stderr, stdout } = yield* runConclave([...market, "--json"])
        expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
        expect(linesOf({ stdout })).toMatchObject([
          {
            type: "features",
            schema: "market",
            version: 1,
            output,
            rows: sessions.length,
            asOfs: { from: Date.parse("2018-06-01T20:00Z"), to: Date.parse("2018-12-31T21:00Z") }
          }
        ])
        const [summary] = linesOf({ stdout })
        expect(summary?.absent).toContainEqual({
          feature: "correlation",
          reason: "no-source",
          rows: sessions.length
        })
        const lines = readFileSync(output, "utf8").trimEnd().split("\n")
        expect(lines.length).toBe(1 + sessions.length)
        expect(lines[1]).toMatch(/^2018-06-01T20:00:00\.000Z,15,,,,,,,,,,spy_returns_5d no-source; /)

        const bars = join(path, "bars.csv")
        writeBarFile(bars, { asOfs: 40, instruments: 2 })
        const args = [
          "features",
          "--schema",
          "instrument",
          "--data",
          bars,
          "--output",
          output,
          "--last",
          "30"
        ]
        const shown = yield* runConclave(args)
        expect(shown.stdout).toMatch(
          /^60 rows in .*market\.csv \(2024-01-01 00:11Z to 2024-01-01 00:40Z\)\nabsent:\n/
        )
        expect(shown.stdout).toMatch(/^ +correlation_24 +warming-up +48$/m)
        expect(readFileSync(output, "utf8").split("\n")[1]).toMatch(
          /^2024-01-01T00:11:00\.000Z,csv:ALPHA:other,/
        )
        expect(readdirSync(path).sort()).toEqual(["bars.csv", "market.csv", "vix.csv"])
      }),
    60_000
  )

  it.scopedLive(
    "refuses in one line what does not go together or is no such file, and writes nothing",
    () =>
      Effect.gen(function* () {
        const { path, put } = yield* folder
        const output = join(path, "out.csv")
        const vix = put("vix.csv", closes)
        const stray = put("stray.csv", `${closes}2018-12-25,20\n`)
        const daily = put("SPX_1d.csv", dailyText(["2018-12-24", "2018-12-25", "2018-12-26"]))
        mkdirSync(join(path, "folder"))
        const market = ["--schema", "market"]
        const instrument = ["--schema", "instrument"]
        const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, message: RegExp]> = [
          [market, /--schema market needs some of --vix, --index, --put-call/],
          [
            [...market, "--close", vix, "--volume", vix],
            /takes --close, --adjusted, --volume and --sectors together/
          ],
          [[...market, "--vix", vix, "--data", daily], /--data goes with --schema instrument/],
          [[...market, "--vix", stray], /line 149 has the date 2018-12-25, on which New York had no session/],
          [[...market, "--vix", join(path, "none.csv")], /there is no such file/],
          [[...market, "--vix", join(path, "folder")], /it is a folder/],
          [[...market, "--put-call", vix], /it has no column put_call_ratio/],
          [[...instrument, "--data", daily, "--put-call", vix], /--put-call goes with --schema market/],
          [instrument, /needs a file of bars by --data/],
          [
            [...instrument, "--data", daily, "--market-data.calendar", "nyse"],
            /1 of its bars are of days without a session, the first of 2018-12-25/
          ],
          [[...instrument, "--data", vix, "--market-data.calendar", "moon"], /calendar/],
          [["--schema", "other"], /one of the following cases: market, instrument/]
        ]
        const before = readdirSync(path).sort()
        for (const [args, message] of cases) {
          const ended = yield* runConclave(["features", ...args, "--output", output])
          expect({ args, code: ended.code, stdout: ended.stdout }).toEqual({ args, code: 1, stdout: "" })
          expect(ended.stderr).toMatch(message)
          expect(ended.stderr.trim().split("\n"), args.join(" ")).toHaveLength(1)
        }
        const over = yield* runConclave(["features", ...market, "--vix", vix, "--output", vix])
        expect(over.stderr).toContain("would be written over what is read")
        expect(readdirSync(path).sort()).toEqual(before)
        expect(readFileSync(vix, "utf8")).toBe(closes)
      }),
    120_000
  )
})

describe("a run over daily bars of an exchange", () => {
  const up = (file: string, directory: string, ...args: ReadonlyArray<string>) =>
    runConclave([
      ...["up", "--path", file, "--speed", "max", "--json", "--data-directory", directory],
      ...quick,
      ...args
    ])

  it.scopedLive(
    "decides at the closes of the sessions, in winter, in summer and where they are early; other days are refused",
    () =>
      Effect.gen(function* () {
        const { path, put } = yield* folder
        const file = put("SPX_1d.csv", dailyText(sessions, ["AAA", "BBB"]))
        const ended = yield* up(file, join(path, "data"), "--market-data.calendar", "nyse")
        expect({ code: ended.code, stderr: ended.stderr }).toMatchObject({ code: 0 })
        const asOfs = new Set(
          linesOf(ended)
            .filter(({ type }) => type === "decision")
            .map((line) => new Date((line.key as { readonly asOf: number }).asOf).toISOString().slice(0, 16))
        )
        // From where the volatility is known on, the warm-up among them.
        expect(asOfs.size).toBeGreaterThan(100)
        expect([...asOfs].map((asOf) => asOf.slice(0, 10))).toEqual(sessions.slice(-asOfs.size))
        const times = new Map<string, ReadonlyArray<string>>()
        for (const asOf of asOfs) {
          const time = asOf.slice(11)
          times.set(time, [...(times.get(time) ?? []), asOf.slice(0, 10)])
        }
        expect([...times.keys()].sort()).toEqual(["17:00", "18:00", "20:00", "21:00"])
        expect(times.get("17:00")).toEqual(["2018-07-03"])
        expect(times.get("18:00")).toEqual(["2018-11-23", "2018-12-24"])
        expect(times.get("20:00")?.at(-1)).toBe("2018-11-02")

        const rubbish = put("BAD_1d.csv", dailyText([...sessions, "2019-01-01"], ["AAA"]))
        const refused = yield* up(rubbish, join(path, "other"), "--market-data.calendar", "nyse")
        expect(refused.code).toBe(1)
        expect(refused.stderr).toMatch(
          /^conclave: csv:AAA:equity does not trade by the calendar nyse: 1 of its bars are of days without a session, the first of 2019-01-01\..*\n$/
        )
      }),
    120_000
  )
})
