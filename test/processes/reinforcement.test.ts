/** The policies of a running system: trained on request, asked, judged, killed. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Schema } from "effect"
import {
  PolicyEvaluation,
  PolicyMetrics,
  PolicyTrainingEvent,
  Strategy
} from "../../src/protocols/Strategy.ts"
import { paced, quick } from "../support/bars.ts"
import {
  canFindProcesses,
  conclave,
  killPid,
  type Line,
  linesOf,
  runConclave,
  until
} from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"

const decoded = <A, I>(schema: Schema.Schema<A, I>, line: Line | undefined): A => {
  const { type: _, ...rest } = line ?? { type: "" }
  return Either.getOrThrowWith(Schema.decodeUnknownEither(schema)(rest), (error) => error)
}

/** Lines for people, but for what the program says of its own sources. */
const saidIn = (stderr: string): ReadonlyArray<string> =>
  stderr.split("\n").filter((line) => line !== "" && !line.startsWith("conclave: bundling"))

describe("policies in a paced run", () => {
  it.scopedLive(
    "are trained on request with progress, asked for strategies, judged on held-out time, and killed without harm",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const place = ["--data-directory", join(directory, "node")]
        const up = yield* conclave(["up", "--json", ...place, ...paced, "--market-data.history", "700"])
        const asked = (...args: ReadonlyArray<string>) => runConclave(["policies", ...args, ...place])
        const isTrading = ({ inputs }: Line) =>
          (inputs as { readonly warmUp: boolean } | undefined)?.warmUp === false
        yield* until("a decision that is not of the warm-up", () => up.lines().find(isTrading), {
          of: up,
          timeoutMs: 60_000
        })

        // Nothing has been trained: an abstention that says so, and nothing to evaluate.
        const none = decoded(
          Strategy,
          linesOf(yield* asked("strategy", "ALPHA", "--algorithm", "ppo", "--json"))[0]
        )
        expect(none).toMatchObject({ targetExposure: null, answer: { _tag: "Abstention" } })
        expect(none.reason).toMatch(/there is no policy of ppo for bars of 1m: train one/)
        const early = yield* asked("evaluate", "ALPHA", "--policy", "ppo")
        expect({ code: early.code, stdout: early.stdout }).toEqual({ code: 1, stdout: "" })
        expect(early.stderr).toMatch(
          /The policy ppo cannot be evaluated: none has been trained on bars of 1m\.\n$/
        )

        // The Q-table has a strategy, under conditions as well.
        const table = decoded(Strategy, linesOf(yield* asked("strategy", "ALPHA", "--json"))[0])
        expect(table).toMatchObject({ algorithm: "q-table", answer: { _tag: "Opinion", standIn: "none" } })
        const dear = yield* asked("strategy", "ALPHA", "--costs", "1000", "--exposure", "0.5", "--json")
        expect(decoded(Strategy, linesOf(dear)[0])).toMatchObject({
          targetExposure: 0.5,
          conditions: { roundTripBps: 1_000, exposure: 0.5, volatilityScale: 1, allowShort: true }
        })

        const trained = yield* asked("train", "ppo", "--steps", "6000", "--json")
        expect(trained.code, trained.stderr).toBe(0)
        const events = linesOf(trained).map((line) => decoded(PolicyTrainingEvent, line))
        expect(events[0]).toMatchObject({ _tag: "Prepared", algorithm: "ppo", steps: 6_000 })
        expect(events.filter(({ _tag }) => _tag === "Progress").length).toBeGreaterThan(0)
        expect(events.at(-1)).toMatchObject({ _tag: "Trained", isDeployed: true })

        const said = decoded(
          Strategy,
          linesOf(yield* asked("strategy", "ALPHA", "--algorithm", "ppo", "--json"))[0]
        )
        if (said.answer._tag === "Abstention") throw new Error(said.answer.reason)
        const { buy, hold, sell } = said.answer.probabilities
        expect(buy + hold + sell).toBeCloseTo(1, 9)
        expect(said.answer.reason).toMatch(/^policy-ppo: expected /)
        const judged = yield* asked("evaluate", "ALPHA", "--policy", "ppo", "--json")
        expect(judged.code, judged.stderr).toBe(0)
        const evaluation = decoded(PolicyEvaluation, linesOf(judged)[0])
        expect(evaluation.performance.from).toBeGreaterThan(evaluation.learnedTo)
        expect(evaluation.performance.baselines.map(({ name }) => name)).toEqual(["buy and hold", "flat"])
        const plain = yield* asked("evaluate", "ALPHA", "--policy", evaluation.version)
        expect(plain.stdout).toMatch(/log wealth +-?\d/)
        const list = linesOf(yield* asked("list", "--json"))[0] as unknown as {
          readonly policies: ReadonlyArray<Line>
        }
        expect(list.policies.map(({ algorithm }) => algorithm)).toEqual(["ppo"])

        // A training without an end in sight: a second one is refused, and its process is killed.
        const endless = yield* conclave([
          "policies",
          "train",
          "dqn",
          "--steps",
          "100000000",
          "--json",
          ...place
        ])
        const hasProgress = () => endless.lines().some(({ _tag }) => _tag === "Progress") || undefined
        yield* until("progress", hasProgress, { of: endless, timeoutMs: 60_000 })
        const busy = yield* asked("train", "a2c")
        expect(busy.code).toBe(1)
        expect(busy.stderr).toMatch(/the dqn of 1m is being trained, and there is one at a time\.\n$/)
        const metricsOf = (algorithm: string) =>
          Effect.map(asked("metrics", "--json"), (ended) => {
            const { metrics } = linesOf(ended)[0] as unknown as { readonly metrics: ReadonlyArray<Line> }
            const found = metrics.find((one) => one.algorithm === algorithm)
            return Either.getOrThrow(Schema.decodeUnknownEither(PolicyMetrics)(found))
          })
        expect(yield* metricsOf("dqn")).toMatchObject({ state: "training" })
        const ppo = yield* metricsOf("ppo")
        expect(ppo.state).toBe("trained")
        expect(ppo.episodeRewards).toHaveLength(ppo.episodes)
        const isHost = ({ command }: { readonly command: string }) => command.includes("dist/model-host.js")
        const isTrainer = ({ command }: { readonly command: string }) => command.includes("dist/trainer.js")
        if (canFindProcesses) {
          killPid(up.family().find(isTrainer)?.pid ?? 0)
          const ended = yield* endless.ended
          expect(ended.code).toBe(1)
          expect(ended.stderr).toMatch(
            /The dqn was not trained: it ended with SIGKILL\. What served before serves on\.\n$/
          )
          expect(yield* metricsOf("dqn")).toMatchObject({ state: "failed" })
        }
        // Whoever asked for one leaves, and it ends.
        const left = yield* conclave(["policies", "train", "a2c", "--steps", "100000000", "--json", ...place])
        yield* until("the beginning", () => left.lines().length > 0 || undefined, {
          of: left,
          timeoutMs: 60_000
        })
        yield* left.signal("SIGINT")
        expect((yield* left.ended).code).toBe(0)
        if (canFindProcesses) {
          // Those that computed for a trainer are gone with it: what is left serves, or reviews for a moment.
          const isLeft = () => up.family().filter((one) => isTrainer(one) || isHost(one)).length > 1
          yield* until("the end of its processes", () => (isLeft() ? undefined : true), {
            of: up,
            timeoutMs: 30_000
          })
        }
        const after = up.lines().length
        yield* until("another decision", () => (up.lines().length > after ? true : undefined), {
          of: up,
          timeoutMs: 25_000
        })

        const rubbish: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
          [["train", "oracle"], /dqn/],
          [["train", "ppo", "--steps", "0"], /--steps 0 is not between 1 and 100000000/],
          [["train", "ppo", "NOTHING"], /"NOTHING" is not known here\. Known: ALPHA/],
          [["strategy", "ALPHA", "--costs", "-1"], /Such conditions cannot be/],
          [["strategy", "ALPHA", "--bars", "90x"], /expected a count and a unit, like 1m/],
          [["evaluate", "ALPHA", "--policy", "q-table"], /"q-table" is no policy: give dqn, ppo, a2c/],
          [["evaluate", "ALPHA", "--policy", "0".repeat(64)], /no such version is known here/]
        ]
        for (const [args, message] of rubbish) {
          const refused = yield* asked(...args)
          expect({ args, code: refused.code, stdout: refused.stdout }).toEqual({ args, code: 1, stdout: "" })
          expect(refused.stderr, args.join(" ")).toMatch(message)
          expect(saidIn(refused.stderr), args.join(" ")).toHaveLength(1)
        }
      }),
    600_000
  )
})

describe("policies that are trained on schedule, in lock-step", () => {
  it.scopedLive(
    "are made once for each turn, and the decisions are the same, also where the run was killed and resumed",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const schedule = Object.entries({
          "train-every-bars": 100,
          "train-bars-min": 300,
          "policy-steps": 2_048
        }).flatMap(([key, value]) => [`--reinforcement-learning.${key}`, String(value)])
        const args = (name: string) => [
          ...["up", "--json", "--data-directory", join(directory, name), "--instruments", "3", "--seed", "2"],
          ...["--speed", "max", "--as-ofs", "450", ...quick, ...schedule]
        ]
        const trialsIn = (name: string) => {
          const path = join(directory, name, "trials", "trials.ndjson")
          const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : []
          return lines.map((line) => JSON.parse(line) as { readonly id: string; readonly kind: string })
        }
        const idsOf = (name: string) => trialsIn(name).map(({ id }) => id)
        const decisionsOf = (lines: ReadonlyArray<Line>) => lines.filter(({ type }) => type === "decision")
        const resultOf = (lines: ReadonlyArray<Line>) => {
          const { type, wallTimeMs: _, ...result } = lines.at(-1) as Line
          expect(type).toBe("summary")
          return result
        }
        const whole = yield* runConclave(args("whole"))
        expect(whole.code, whole.stderr).toBe(0)
        expect(trialsIn("whole").map(({ kind }) => kind)).toEqual(["policy-ppo", "policy-ppo"])

        const killed = yield* conclave(args("killed"))
        yield* until("the first policy", () => idsOf("killed").length > 0 || undefined, {
          of: killed,
          timeoutMs: 60_000
        })
        yield* killed.killAll
        yield* killed.ended
        const resumed = yield* runConclave([...args("killed"), "--resume"])
        expect(resumed.code, resumed.stderr).toBe(0)
        expect(new Set(idsOf("killed"))).toEqual(new Set(idsOf("whole")))
        expect(resultOf(linesOf(resumed))).toEqual(resultOf(linesOf(whole)))
        // What was decided just before the kill may not have been printed. The epoch rises with every life.
        const before = new Map(decisionsOf(linesOf(whole)).map((decision) => [decision.id, decision]))
        for (const { epoch: _, ...decision } of decisionsOf([...killed.lines(), ...linesOf(resumed)])) {
          expect(before.get(decision.id)).toMatchObject(decision)
        }
      }),
    180_000
  )
})
