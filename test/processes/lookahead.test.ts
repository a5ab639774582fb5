import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { lookahead } from "../../src/agents/backtest/lookahead.ts"
import { qTableLearner } from "../../src/agents/reinforcement-learning/QTableLearner.ts"
import type { Settings } from "../../src/agents/Settings.ts"
import { readBars } from "../../src/agents/training/readBars.ts"
import { supervisionTree } from "../../src/agents/tree.ts"
import * as VoterAgent from "../../src/agents/voter/VoterAgent.ts"
import { settingsWith } from "../agents/settings.ts"
import { quick, writeBarFile } from "../support/bars.ts"
import { root, runConclave } from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"

const asOfs = 320

/** Flags as the configuration takes them by path. */
const quickSettings = Object.fromEntries(
  Array.from({ length: quick.length / 2 }, (_, i) => {
    const path = (quick[2 * i] as string)
      .slice(2)
      .replace(/-([a-z])/g, (_all, letter: string) => letter.toUpperCase())
    return [path, quick[2 * i + 1] as string]
  })
)

/** The closes of the file by time, up to where a run over it is cut off: what no voter can know. */
const closesIn = (path: string, { marketData }: Settings) => {
  const until = marketData.to === "" ? Number.POSITIVE_INFINITY : Number(marketData.to)
  const rows = readFileSync(path, "utf8").trim().split("\n").slice(1)
  return rows
    .map((row) => row.split(","))
    .filter(([time = "", ticker]) => ticker === "ALPHA" && Date.parse(time) + 60_000 <= until)
    .map((cells) => Number(cells[5]))
}

/** The tree with a voter to whom the market looks calmer or wilder by the bar to come. */
const withPeekingVoter =
  (path: string): typeof supervisionTree =>
  (settings, before) => {
    const learner = qTableLearner(settings)
    const closes = closesIn(path, settings)
    const peeking: typeof learner = {
      ...learner,
      featuresAt: (window, out) => {
        const sigma = learner.featuresAt(window, out)
        const at = closes.indexOf(window.closes[window.end] as number)
        const next = closes[at + 1]
        return at < 0 || next === undefined ? sigma : sigma * (next > (closes[at] as number) ? 2 : 0.5)
      }
    }
    const tree = supervisionTree(settings, before)
    const children = tree.children.map((child) =>
      child.name === "reinforcement-learning" ? { ...child, run: VoterAgent.run(peeking) } : child
    )
    return { ...tree, children: children as typeof tree.children }
  }

describe("looking for what peeks", () => {
  it.scopedLive(
    "names a voter that looks at the bar to come",
    () =>
      Effect.gen(function* () {
        const path = join(yield* temporaryDirectory, "bars.csv")
        writeBarFile(path, { asOfs, instruments: 1 })
        const settings = settingsWith({
          ...quickSettings,
          "marketData.paths": path,
          "marketData.source": "csv"
        })
        const { instruments } = yield* readBars(path, settings)
        const script = (name: string) => join(root, "dist", `${name}.js`)
        const programs = {
          root,
          modelHost: script("model-host"),
          sentimentHost: script("sentiment-host"),
          trainingHost: script("training-host"),
          trainer: script("trainer")
        }
        const options = { settings, programs, series: instruments, cuts: 2, tell: () => Effect.void }
        const honest = yield* lookahead(options)
        expect(honest.features).toEqual([])
        expect(honest.records).toEqual([])
        expect(honest.decisions).toBeGreaterThan(200)
        const planted = yield* lookahead({ ...options, tree: withPeekingVoter(path) })
        expect(planted.features).toEqual([])
        expect(new Set(planted.records.map(({ agent }) => agent))).toEqual(
          new Set(["reinforcement-learning"])
        )
        for (const { asOf, cutAt, field } of planted.records) expect([asOf, field]).toEqual([cutAt, "answer"])
      }),
    120_000
  )

  it.scopedLive(
    "finds nothing in the system as it is, and says so in one line",
    () =>
      Effect.gen(function* () {
        const path = join(yield* temporaryDirectory, "bars.csv")
        writeBarFile(path, { asOfs: 240, instruments: 2 })
        const { code, stderr, stdout } = yield* runConclave([
          "lookahead",
          "--data",
          path,
          "--cuts",
          "1",
          ...quick
        ])
        expect([code, stdout.split("\n")[1]]).toEqual([
          0,
          expect.stringMatching(/^nothing looks ahead: \d+ columns/)
        ])
        expect(stderr).toContain("cut off at")
      }),
    120_000
  )
})
