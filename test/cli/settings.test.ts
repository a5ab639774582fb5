import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Redacted } from "effect"
import { runSettings } from "../../src/agents/RunDirectory.ts"
import type { Settings } from "../../src/agents/Settings.ts"
import { parseArguments } from "../../src/cli/arguments.ts"
import { defaultsName, loadSettings, projectRoot } from "../../src/cli/settings.ts"
import { settingsWith } from "../agents/settings.ts"
import { temporaryDirectory } from "../support/directory.ts"

/** Sets variables of the environment for as long as the scope is open. */
const environment = (variables: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
      Object.assign(process.env, variables)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      })
  )

const load = (...args: ReadonlyArray<string>) => loadSettings(Either.getOrThrow(parseArguments(args)))
const settings = (...args: ReadonlyArray<string>) => Effect.map(load(...args), ({ value }) => value)
const refusal = (...args: ReadonlyArray<string>) =>
  Effect.map(Effect.flip(load(...args)), (error) => error.message)

/** A configuration of the user's. */
const file = (text: string) =>
  Effect.map(temporaryDirectory, (directory) => {
    const path = join(directory, "mine.yaml")
    writeFileSync(path, text)
    return path
  })

/** Every name that is promised beside the derived ones, a value, and where it shows. */
const promised: ReadonlyArray<
  readonly [name: string, value: string, read: (settings: Settings) => unknown, expected: unknown]
> = [
  [
    "NATS_URL",
    "nats://me:secret@there:4222",
    ({ bus }) => Redacted.value(bus.url),
    "nats://me:secret@there:4222"
  ],
  ["AI_MODEL_PATH", "elsewhere", ({ models }) => models.shippedPath, "elsewhere"],
  ["AI_MODEL_CACHE_SIZE", "3", ({ models }) => models.cacheSize, 3],
  ["AI_TRAINING_BATCH_SIZE", "64", ({ models }) => models.trainingBatchSize, 64],
  ["AI_LEARNING_RATE", "0.01", ({ models }) => models.trainingLearningRate, 0.01],
  ["DL_LSTM_HIDDEN_SIZE", "32", ({ deepLearning }) => deepLearning.lstmHiddenSize, 32],
  ["DL_CNN_FILTERS", "16", ({ deepLearning }) => deepLearning.cnnFilters, 16],
  ["DL_TRANSFORMER_HEADS", "2", ({ deepLearning }) => deepLearning.transformerHeads, 2],
  ["DL_DROPOUT_RATE", "0.3", ({ deepLearning }) => deepLearning.dropoutRate, 0.3],
  ["RL_Q_LEARNING_RATE", "0.2", ({ reinforcementLearning }) => reinforcementLearning.learningRate, 0.2],
  ["RL_DISCOUNT_FACTOR", "0.8", ({ reinforcementLearning }) => reinforcementLearning.discountFactor, 0.8],
  ["RL_EPSILON_START", "0.9", ({ reinforcementLearning }) => reinforcementLearning.epsilonStart, 0.9],
  ["RL_EPSILON_MIN", "0.02", ({ reinforcementLearning }) => reinforcementLearning.epsilonMin, 0.02],
  ["RL_MEMORY_SIZE", "777", ({ reinforcementLearning }) => reinforcementLearning.memorySize, 777],
  ["MODEL_REGISTRY_PATH", "registry", ({ models }) => models.registryPath, "registry"],
  ["MODEL_VERSION_LIMIT", "5", ({ models }) => models.versionsMax, 5],
  ["MODEL_DEPLOYMENT_THRESHOLD", "0.07", ({ models }) => models.deploymentThreshold, 0.07],
  ["MODEL_ROLLBACK_THRESHOLD", "0.09", ({ models }) => models.rollbackThreshold, 0.09]
]

describe("the settings", () => {
  it("stand in the checkout, wherever the program was started", () => {
    expect(projectRoot()).toBe(join(import.meta.dirname, "..", ".."))
  })

  it.scoped("are the defaults, over which goes the file, then the environment, then the flags", () =>
    Effect.gen(function* () {
      const lags = Effect.map(settings(), ({ deepLearning }) => deepLearning.lags)
      expect(yield* lags).toBe(8)
      const config = yield* file("deepLearning: { lags: 3, ridge: 4, rowsMin: 77 }\n")
      expect((yield* settings("--config", config)).deepLearning).toMatchObject({ lags: 3, ridge: 4 })
      yield* environment({ CONCLAVE_DEEP_LEARNING_LAGS: "5", CONCLAVE_DEEP_LEARNING_RIDGE: "6" })
      expect(yield* lags).toBe(5)
      const all = yield* load("--config", config, "--deep-learning.lags", "7")
      expect(all.value.deepLearning).toMatchObject({ lags: 7, ridge: 6, rowsMin: 77, refitEveryBars: 250 })
      const origin = (path: string) => all.origins.get(path)
      expect(origin("deepLearning.lags")).toBe("the flag --deep-learning.lags")
      expect(origin("deepLearning.ridge")).toBe("the environment variable CONCLAVE_DEEP_LEARNING_RIDGE")
      expect(origin("deepLearning.rowsMin")).toBe(config)
      expect(origin("deepLearning.refitEveryBars")).toBe(defaultsName)
    })
  )

  for (const [name, value, read, expected] of promised) {
    it.scoped(`can be set by ${name}, and by a flag over it`, () =>
      Effect.gen(function* () {
        expect(read(yield* settings())).not.toEqual(expected)
        yield* environment({ [name]: value })
        const { origins, value: loaded } = yield* load()
        expect(read(loaded)).toEqual(expected)
        expect([...origins.values()]).toContain(`the environment variable ${name}`)
      })
    )
  }

  it.scoped("take an empty variable for none", () =>
    Effect.gen(function* () {
      yield* environment({ RL_MEMORY_SIZE: "", NATS_URL: "" })
      expect((yield* settings()).reinforcementLearning.memorySize).toBe(5_000)
    })
  )

  it.effect("read files when files are given, unless another source is asked for", () =>
    Effect.gen(function* () {
      expect((yield* settings()).marketData.source).toBe("simulator")
      const csv = yield* settings("--path", "a.csv", "--path", "GOLD=b.csv", "--symbol", "X,Y")
      expect(csv.marketData).toMatchObject({
        source: "csv",
        paths: ["a.csv", "GOLD=b.csv"],
        symbols: ["X", "Y"]
      })
      expect((yield* settings("--path", "a.csv", "--source", "simulator")).marketData.source).toBe(
        "simulator"
      )
    })
  )

  it.scoped("are refused in one line that says where the mistake stands", () =>
    Effect.gen(function* () {
      const config = yield* file("deepLearning: { lagz: 3 }\n")
      expect(yield* refusal("--config", config)).toBe(
        `Configuration: deepLearning.lagz: there is no such key (from ${config}).`
      )
      expect(yield* refusal("--config", "/nowhere/mine.yaml")).toContain("/nowhere/mine.yaml cannot be read")
      expect(yield* refusal("--seed", "many")).toContain("the flag --run.seed")
      expect(yield* refusal("--speed", "quick")).toContain("expected max, real or a factor like 60x")
      expect(yield* refusal("--market-data.live.barrier-ms", "2000")).toMatch(
        /marketData\.live\.barrierMs.*more than marketData\.live\.handOverMs \(2000\)/
      )
      yield* environment({ DL_DROPOUT_RATE: "2" })
      const line = yield* refusal()
      expect(line).toContain("DL_DROPOUT_RATE")
      expect(line).not.toContain("\n")
    })
  )

  it.scoped("of a run that is resumed are what it was begun with, under what is given now", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const begun = settingsWith({ "run.seed": 42, "deepLearning.lags": 3, "broker.account": "then" })
      const folder = join(directory, "node", "runs", "sim-1")
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(directory, "node", "latest"), "sim-1")
      const record = { run: "sim-1", fingerprint: "", incarnation: "1", settings: runSettings(begun) }
      writeFileSync(join(folder, "run.json"), JSON.stringify(record))
      const here = ["--data-directory", directory]
      const fresh = yield* load(...here)
      expect([fresh.resumed, fresh.value.run.seed]).toEqual([undefined, 1])
      const resumed = yield* load("--resume", ...here, "--broker.account", "now")
      expect(resumed.resumed?.run).toBe("sim-1")
      expect(resumed.value).toMatchObject({
        run: { seed: 42, resume: true },
        deepLearning: { lags: 3 },
        broker: { account: "now" }
      })
      expect(yield* refusal("--resume", ...here, "--run", "sim-2")).toContain(
        "There is no run sim-2 to resume"
      )
      // A node without a feed has no run of its own to go on with.
      expect((yield* load("--resume", ...here, "--agents", "broker")).resumed).toBeUndefined()
    })
  )
})
