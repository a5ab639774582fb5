/** The networks of a running system: trained on what it has seen, asked, killed, and voting where they are better. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { NetworkModel } from "../../src/protocols/Prediction.ts"
import { keyedRandom } from "../../src/protocols/wire/KeyedRandom.ts"
import { paced } from "../support/bars.ts"
import {
  canFindProcesses,
  conclave,
  killPid,
  type Line,
  linesOf,
  type Running,
  runConclave,
  until
} from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"

interface Answer {
  readonly voter: string
  readonly reason: string
}
const networkVotes = ({ inputs }: Line) =>
  (inputs as { readonly answers: ReadonlyArray<Answer> }).answers.some(
    ({ reason, voter }) => voter === "deep-learning" && reason.startsWith("network-")
  )

const hourMs = 3_600_000

/**
 * Bars whose direction goes on after a small move and turns round after a large one, in such a share of the times: what a
 * linear forecaster sees of it is a fraction.
 */
const writeGatedBars = (path: string, bars: number, share: number) => {
  const instruments = ["ONE", "TWO", "THREE"].map((symbol) => ({
    symbol,
    random: keyedRandom("gated", symbol),
    close: 100,
    side: 1,
    move: 0.005
  }))
  const rows = Array.from({ length: bars }, (_, i) => {
    const time = new Date(Date.UTC(2024, 0, 1) + i * hourMs).toISOString()
    return instruments.map((one) => {
      const goesOn = one.move < 0.01 ? 1 : -1
      one.side *= one.random.next() < share ? goesOn : -goesOn
      one.move = one.random.next() < 0.5 ? 0.005 : 0.015
      const open = one.close
      one.close = open * Math.exp(one.side * one.move)
      const prices = [open, Math.max(open, one.close), Math.min(open, one.close), one.close]
      return [time, one.symbol, ...prices.map((value) => value.toFixed(6)), 1].join(",")
    })
  })
  writeFileSync(path, `${["timestamp,ticker,open,high,low,close,volume", ...rows.flat()].join("\n")}\n`)
}

/**
 * What such a network sees of a bar, of the instrument by itself or of all of them together, and how often the direction is as
 * it says: the latter has fewer features of the move itself, and needs clearer bars.
 */
const choices = [
  ["bars", 0.9],
  ["instruments", 1]
] as const

describe("networks in lock-step", () => {
  it.scopedLive.each(choices)(
    "a network that sees %s and is shown to be better votes in the place of the linear forecaster, the same in every run",
    ([features, share]) =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const bars = join(directory, "gated.csv")
        writeGatedBars(bars, 2_400, share)
        const run = (name: string) =>
          runConclave([
            ...["up", "--source", "csv", "--path", bars, "--speed", "max", "--json"],
            ...["--data-directory", join(directory, name), "--orchestrator.horizon-bars", "1"],
            ...["--deep-learning.train", "always", "--deep-learning.networks", "mlp"],
            ...["--deep-learning.features", features],
            ...["--deep-learning.train-every-bars", "100000", "--deep-learning.train-bars-min", "2100"],
            ...["--deep-learning.train-epochs", "12", "--run", "gated"]
          ])
        const first = yield* run("one")
        expect({ code: first.code, stderr: first.stderr }).toMatchObject({ code: 0 })
        const decisions = linesOf(first).filter(({ type }) => type === "decision")
        const from = decisions.findIndex(networkVotes)
        // Trained at bar 2,100, it votes from that as-of on.
        expect(from).toBeGreaterThan(3 * 2_000)
        expect(decisions.slice(from).every(networkVotes)).toBe(true)
        expect(decisions.length - from).toBeGreaterThan(3 * 250)
        const second = yield* run("two")
        const recorded = (stdout: string) =>
          stdout.split("\n").filter((line) => !line.includes('"type":"summary"'))
        expect(recorded(second.stdout)).toEqual(recorded(first.stdout))
      }),
    360_000
  )
})

const untilDecision = (running: Running) =>
  Effect.suspend(() => {
    const seen = running.lines().length
    return until("another decision", () => (running.lines().length > seen ? true : undefined), {
      of: running,
      timeoutMs: 25_000
    })
  })

describe("networks in a paced run", () => {
  it.scopedLive(
    "are trained on request beside the deciding, survive the death of their process, and can be asked by name",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const place = ["--data-directory", join(directory, "node")]
        const up = yield* conclave([
          ...["up", "--json", ...place, ...paced, "--market-data.history", "900"],
          ...["--deep-learning.train-epochs", "400", "--deep-learning.train-patience", "400"],
          ...["--deep-learning.lstm-hidden-size", "16"]
        ])
        const asked = (...args: ReadonlyArray<string>) => runConclave(["networks", ...args, ...place])
        const isTrading = ({ inputs }: Line) =>
          (inputs as { readonly warmUp: boolean } | undefined)?.warmUp === false
        yield* until("a decision that is not of the warm-up", () => up.lines().find(isTrading), {
          of: up,
          timeoutMs: 60_000
        })

        // What came with the program answers at once; of longer bars there is nothing yet.
        const shipped = linesOf(yield* asked("predict", "--model", "gru", "--json"))
        expect(shipped).toHaveLength(3)
        expect(shipped[0]).toMatchObject({ model: "gru", answer: { _tag: "Opinion", standIn: "none" } })
        const none = linesOf(yield* asked("predict", "--model", "gru", "--bars", "2m", "--json"))
        expect(JSON.stringify(none[0])).toContain("there is no gru for bars of 2m")

        // A training without an end in sight: its process is killed, then whoever asked for it leaves.
        const endless = yield* conclave(["networks", "train", "lstm", "--json", ...place])
        const said = (tag: string) => endless.lines().filter(({ _tag }) => _tag === tag)
        yield* until("the first epoch", () => said("Epoch").length > 0 || undefined, {
          of: endless,
          timeoutMs: 60_000
        })
        const busy = yield* asked("train", "mlp")
        expect(busy.code).toBe(1)
        expect(busy.stderr).toMatch(/the lstm of 1m is being trained, and there is one at a time/)
        if (canFindProcesses) {
          const trainer = up.family().find(({ command }) => command.includes("training-host"))
          expect(trainer).toBeDefined()
          killPid(trainer?.pid ?? 0)
          const epochs = said("Epoch").length
          yield* until("a restart", () => said("Restarted").length > 0 || undefined, {
            of: endless,
            timeoutMs: 30_000
          })
          yield* until("another epoch", () => said("Epoch").length > epochs + 1 || undefined, {
            of: endless,
            timeoutMs: 60_000
          })
        }
        yield* untilDecision(up)
        yield* endless.signal("SIGINT")
        expect((yield* endless.ended).code).toBe(0)
        if (canFindProcesses) {
          yield* until(
            "the end of the training's process",
            () => (up.family().some(({ command }) => command.includes("training-host")) ? undefined : true),
            { of: up, timeoutMs: 30_000 }
          )
        }

        const trained = yield* asked("train", "dlinear", "--bars", "2m", "--json")
        expect({ code: trained.code, stderr: trained.code === 0 ? "" : trained.stderr }).toEqual({
          code: 0,
          stderr: ""
        })
        expect(linesOf(trained).at(-1)).toMatchObject({ _tag: "Trained", isDeployed: true, isServing: false })
        const list = yield* asked("list", "--json")
        const models = (linesOf(list)[0] as { models?: unknown } | undefined)?.models as ReadonlyArray<Line>
        const standing = models.map(({ isServing, model, timeFrame }) => [model, timeFrame, isServing])
        expect(standing[0]).toEqual(["linear", "1m", true])
        expect(standing).toContainEqual(["dlinear", "2m", false])
        expect(standing.filter(([model, frame]) => model !== "linear" && frame === "1m")).toHaveLength(
          NetworkModel.literals.length
        )
        const predicted = linesOf(
          yield* asked("predict", "--model", "dlinear", "--bars", "2m", "ALPHA", "--json")
        )
        expect(predicted).toHaveLength(1)
        expect(predicted[0]).toMatchObject({
          model: "dlinear",
          timeFrame: "2m",
          answer: { _tag: "Opinion", standIn: "none" }
        })
        const unknown = yield* asked("predict", "NOTHING")
        expect({ code: unknown.code, stdout: unknown.stdout }).toEqual({ code: 1, stdout: "" })
        expect(unknown.stderr).toMatch(/"NOTHING" is not known here\. Known: ALPHA/)
        yield* untilDecision(up)
      }),
    240_000
  )
})
