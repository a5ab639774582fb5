/** What the command says and enters, in its process. */
import { readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Command } from "@effect/cli"
import { NodeContext as NodePlatform } from "@effect/platform-node"
import { afterEach, describe, expect, it, vi } from "@effect/vitest"
import { Effect, Either } from "effect"
import { trialLedgerName } from "../../src/agents/backtest/TrialLedger.ts"
import { parseArguments } from "../../src/cli/arguments.ts"
import { sweepCommand } from "../../src/cli/sweep.ts"
import { makeDirectory } from "../../src/runtime/makeDirectory.ts"
import { temporaryDirectory } from "../support/directory.ts"

/** Hours that rise and fall by turns. */
const barFile = (bars: number) => {
  const rows = Array.from({ length: bars }, (_, i) => {
    const close = (100 + 10 * Math.sin(i / 15) + (i % 7) / 10).toFixed(2)
    return `${new Date(Date.UTC(2024, 0, 1) + i * 3_600_000).toISOString()},${close}`
  })
  return `timestamp,close\n${rows.join("\n")}\n`
}

afterEach(() => {
  vi.restoreAllMocks()
})

/** A data directory with a bar file, and sweeps of it: what is said, and the lines of the ledger so far. */
const prepared = Effect.map(temporaryDirectory, (directory) => {
  const data = join(directory, "bars.csv")
  const trials = join(directory, "trials")
  makeDirectory(trials)
  const ledger = join(trials, trialLedgerName)
  const said: Array<string> = []
  const sweep = (bars: number, fast = "3,6", ...flags: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      writeFileSync(data, barFile(bars))
      const args = yield* parseArguments([
        ...["--data", data, "--data-directory", directory, "--fast", fast, "--slow", "20,40", "--json"],
        ...flags
      ])
      vi.spyOn(process.stdout, "write").mockImplementation((text, ...others) => {
        said.push(String(text))
        const done = others.at(-1)
        if (typeof done === "function") done()
        return true
      })
      const run = Command.run(sweepCommand(args), { name: "sweep", version: "0" })
      yield* run(["node", "conclave", ...args.rest]).pipe(Effect.provide(NodePlatform.layer))
    })
  const entries = () => readFileSync(ledger, "utf8").trim().split("\n").length
  return { sweep, said, ledger, entries }
})

describe("conclave sweep", () => {
  it.scoped("counts its own rules once, over a file that has grown and on other terms as well", () =>
    Effect.gen(function* () {
      const { entries, said, sweep } = yield* prepared
      yield* sweep(500)
      yield* sweep(501)
      yield* sweep(501, "3,6", "--costs.fee-bps", "1")
      const results = said.map((text) => JSON.parse(text) as { readonly trialsBefore: number })
      expect(results.map(({ trialsBefore }) => trialsBefore)).toEqual([0, 0, 0])
      expect(entries()).toBe(12)
      yield* sweep(501, "4,5")
      expect(JSON.parse(said.at(-1) ?? "")).toMatchObject({ trialsBefore: 4 })
    })
  )

  it.scoped("shows nothing that it could not enter", () =>
    Effect.gen(function* () {
      const { ledger, said, sweep } = yield* prepared
      // Nothing to read, and nowhere to write.
      symlinkSync(join(ledger, "..", "absent", "file"), ledger)
      const failed = yield* Effect.either(sweep(500))
      expect(Either.flip(failed)).toMatchObject({ right: { _tag: "TrialLedgerFailed" } })
      expect(said).toEqual([])
    })
  )
})
