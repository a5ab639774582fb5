import { spawn } from "node:child_process"
import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import fc from "fast-check"
import {
  appendTrial,
  appendTrials,
  readTrials,
  trialLedgerName
} from "../../../src/agents/backtest/TrialLedger.ts"
import { type Trial, trialId } from "../../../src/learning/evaluation/Trials.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { bundled } from "../../support/bundle.ts"
import { temporaryDirectory } from "../../support/directory.ts"

const trial = (name: string, given: Partial<Trial> = {}): Trial => ({
  id: trialId({ name }),
  kind: "crossing",
  at: 1_700_000_000_000,
  timeFrame: TimeFrame.make("1h"),
  data: { from: 1_600_000_000_000, to: 1_650_000_000_000 },
  sharpe: 0.01,
  observations: 1_000,
  skewness: -0.1,
  kurtosis: 3.5,
  meta: [
    { name: "fast", value: 24 },
    { name: "note", value: "twice\nsaid" }
  ],
  ...given
})

const ledger = Effect.map(temporaryDirectory, (directory) => {
  const folder = join(directory, "trials", "of-a-run")
  return { folder, path: join(folder, trialLedgerName) }
})

const lineOf = (one: Trial) => `${JSON.stringify(one)}\n`

const ended = (script: string, args: ReadonlyArray<string>) =>
  Effect.async<number | null>((resume) => {
    const child = spawn(process.execPath, [script, ...args], { stdio: "inherit" })
    child.once("exit", (code) => resume(Effect.succeed(code)))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

describe("the trial ledger", () => {
  it.scoped("gives back what was entered, in order", () =>
    Effect.gen(function* () {
      const { folder } = yield* ledger
      expect(yield* readTrials(folder)).toEqual([])
      const entered = [trial("a"), trial("b", { sharpe: null, meta: [] }), trial("a")]
      for (const one of entered) yield* appendTrial(folder, one)
      expect(yield* readTrials(folder)).toEqual(entered)
    })
  )

  it.scoped("is a line for each, that nobody else can read", () =>
    Effect.gen(function* () {
      const { folder, path } = yield* ledger
      yield* appendTrial(folder, trial("a"))
      yield* appendTrial(folder, trial("b"))
      expect(readFileSync(path, "utf8")).toBe(lineOf(trial("a")) + lineOf(trial("b")))
      expect(statSync(path).mode & 0o077).toBe(0)
    })
  )

  it.scoped(
    "tears no line where processes enter at the same time",
    () =>
      Effect.gen(function* () {
        const { folder } = yield* ledger
        const script = yield* bundled("test/agents/backtest/enterTrials.ts")
        const processes = ["first", "second", "third"]
        const each = 60
        const codes = yield* Effect.forEach(processes, (name) => ended(script, [folder, name, `${each}`]), {
          concurrency: "unbounded"
        })
        expect(codes).toEqual([0, 0, 0])
        const entered = yield* readTrials(folder)
        expect(entered.length).toBe(each * processes.length)
        for (const name of processes) {
          // Each process's own are there once, in its order.
          const own = entered.filter(({ kind }) => kind === name).map(({ observations }) => observations)
          expect(own).toEqual(Array.from({ length: each }, (_, i) => i))
        }
      }),
    60_000
  )

  it.scoped("names the line that is damaged", () =>
    Effect.gen(function* () {
      const { folder, path } = yield* ledger
      yield* appendTrial(folder, trial("a"))
      const good = lineOf(trial("b"))
      const bad = [
        "{",
        '{"id":"x"}',
        '{"__proto__":{}}',
        "null",
        good.slice(0, 50),
        good.replace('"observations":1000', '"observations":1e999'),
        "x".repeat(70_000)
      ]
      for (const line of bad) {
        writeFileSync(path, `${lineOf(trial("a"))}${good}${line}\n${good}`)
        const error = yield* Effect.flip(readTrials(folder))
        expect(error).toMatchObject({ _tag: "TrialLedgerDamaged", line: 3, path })
        expect(error.message).toMatch(/^Line 3 of the trial ledger/)
      }
    })
  )

  it.scoped("loses no entry however the file was cut or changed: it is there, or its line is named", () =>
    Effect.gen(function* () {
      const { folder, path } = yield* ledger
      const entered = ["a", "b", "c"].map((name) => trial(name))
      for (const one of entered) yield* appendTrial(folder, one)
      const whole = readFileSync(path)
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.nat(whole.length - 1), async (end) => {
            writeFileSync(path, whole.subarray(0, end))
            const found = await Effect.runPromise(Effect.either(readTrials(folder)))
            // What is before the cut is there; the entry that was cut is not made up.
            const lines = whole.subarray(0, end).toString().split("\n")
            const cutLast = lines.at(-1) === lineOf(entered[lines.length - 1] as Trial).trimEnd()
            const count = lines.length - 1 + (cutLast ? 1 : 0)
            expect(found).toMatchObject({ _tag: "Right", right: entered.slice(0, count) })
          }),
          { numRuns: 60 }
        )
      )
    })
  )

  it.scoped("begins a line of its own after one that was torn, and tells of that one", () =>
    Effect.gen(function* () {
      const { folder, path } = yield* ledger
      yield* appendTrial(folder, trial("a"))
      appendFileSync(path, lineOf(trial("torn")).slice(0, 40))
      expect(yield* readTrials(folder)).toEqual([trial("a")])
      yield* appendTrial(folder, trial("b"))
      expect(yield* Effect.flip(readTrials(folder))).toMatchObject({ _tag: "TrialLedgerDamaged", line: 2 })
      const mended = readFileSync(path, "utf8").split("\n").toSpliced(1, 1, "")
      writeFileSync(path, mended.join("\n"))
      expect(yield* readTrials(folder)).toEqual([trial("a"), trial("b")])
    })
  )

  it.scoped("takes no more than its entries, and reads no more", () =>
    Effect.gen(function* () {
      const { folder, path } = yield* ledger
      yield* appendTrial(folder, trial("a"), 2)
      yield* appendTrial(folder, trial("b"), 2)
      const full = yield* Effect.flip(appendTrial(folder, trial("c"), 2))
      expect(full).toMatchObject({ _tag: "TrialLedgerFull", entriesMax: 2 })
      expect((yield* readTrials(folder, 2)).length).toBe(2)
      writeFileSync(path, lineOf(trial("d")).repeat(2_000))
      expect(yield* Effect.flip(readTrials(folder, 2))).toMatchObject({ _tag: "TrialLedgerFull" })
      expect((yield* readTrials(folder)).length).toBe(2_000)
    })
  )

  it.scoped("takes many at once in their order, or none of them", () =>
    Effect.gen(function* () {
      const { folder, path } = yield* ledger
      const some = ["a", "b", "c"].map((name) => trial(name))
      yield* appendTrials(folder, some, 5)
      yield* appendTrials(folder, [], 0)
      const full = yield* Effect.flip(appendTrials(folder, some, 5))
      expect(full).toMatchObject({ _tag: "TrialLedgerFull", entriesMax: 5 })
      expect(yield* readTrials(folder)).toEqual(some)
      writeFileSync(path, lineOf(trial("a")).slice(0, -1))
      yield* appendTrials(folder, some.slice(1), 3)
      expect(yield* readTrials(folder)).toEqual(some)
    })
  )

  it.scoped("says what the file system refuses", () =>
    Effect.gen(function* () {
      const { folder } = yield* ledger
      const file = join(folder, "..", "..", "a-file")
      writeFileSync(file, "")
      expect(yield* Effect.flip(appendTrial(file, trial("a")))).toMatchObject({ _tag: "TrialLedgerFailed" })
      expect(yield* Effect.flip(readTrials(file))).toMatchObject({ _tag: "TrialLedgerFailed" })
      expect(existsSync(folder)).toBe(false)
    })
  )
})
