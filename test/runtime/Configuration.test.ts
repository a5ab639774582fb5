import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import { Either, Redacted } from "effect"
import { Settings } from "../../src/agents/Settings.ts"
import * as Configuration from "../../src/runtime/Configuration.ts"

const defaults = {
  name: "config/default.yaml",
  text: readFileSync(new URL("../../config/default.yaml", import.meta.url), "utf8")
}

type Given = Partial<Omit<Configuration.Sources, "documents">> & { readonly file?: Configuration.Document }

const load = ({ file, ...sources }: Given = {}) =>
  Configuration.load(Settings, {
    documents: file === undefined ? [defaults] : [defaults, file],
    environment: {},
    flags: [],
    ...sources
  })

const value = (given: Given = {}) => Either.getOrThrow(load(given)).value
const error = (given: Given) => Either.getOrThrow(Either.flip(load(given)))

describe("Configuration", () => {
  it("has a default for every key and no default without a key", () => {
    expect(value().deepLearning.lags).toBe(8)
    expect(Configuration.keysOf(Settings).length).toBeGreaterThan(60)
  })

  it("lets the file override the defaults, the environment the file, and flags the environment", () => {
    const file = {
      name: "mine.yaml",
      text: "deepLearning:\n  lags: 3\n  ridge: 7\nbroker: { account: mine }\n"
    }
    const environment = { CONCLAVE_DEEP_LEARNING_LAGS: "4", CONCLAVE_BROKER_ACCOUNT: "from-environment" }
    const flags = [["--deep-learning.lags", "5"]] as const
    const settings = value({ file, environment, flags })
    expect(settings.deepLearning.lags).toBe(5)
    expect(settings.deepLearning.ridge).toBe(7)
    expect(settings.broker.account).toBe("from-environment")
  })

  it("can set every single key by environment variable and by flag", () => {
    const plain = value()
    for (const key of Configuration.keysOf(Settings)) {
      const current = key.path
        .split(".")
        .reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], plain)
      const text = Redacted.isRedacted(current)
        ? "nats://x:1"
        : Array.isArray(current)
          ? current.join(",")
          : // What is not charged or limited unless it is given has no default.
            String(current ?? 1)
      for (const name of key.environment) {
        expect(Either.isRight(load({ environment: { [name]: text } })), `${name}=${text}`).toBe(true)
      }
      expect(Either.isRight(load({ flags: [[key.flag, text]] })), `${key.flag} ${text}`).toBe(true)
    }
  })

  it("knows the names that users expect", () => {
    const names = Configuration.keysOf(Settings).flatMap((key) => key.environment)
    for (const name of [
      "NATS_URL",
      "AI_MODEL_PATH",
      "AI_MODEL_CACHE_SIZE",
      "AI_TRAINING_BATCH_SIZE",
      "AI_LEARNING_RATE",
      "DL_LSTM_HIDDEN_SIZE",
      "DL_CNN_FILTERS",
      "DL_TRANSFORMER_HEADS",
      "DL_DROPOUT_RATE",
      "RL_Q_LEARNING_RATE",
      "RL_DISCOUNT_FACTOR",
      "RL_EPSILON_START",
      "RL_EPSILON_MIN",
      "RL_MEMORY_SIZE",
      "MODEL_REGISTRY_PATH",
      "MODEL_VERSION_LIMIT",
      "MODEL_DEPLOYMENT_THRESHOLD",
      "MODEL_ROLLBACK_THRESHOLD"
    ]) {
      expect(names).toContain(name)
    }
    expect(value({ environment: { RL_MEMORY_SIZE: "123" } }).reinforcementLearning.memorySize).toBe(123)
  })

  it("refuses an unknown key with its path and where it stands", () => {
    const file = { name: "mine.yaml", text: "deepLearning:\n  lagz: 3\n" }
    expect(error({ file })).toMatchObject({
      path: "deepLearning.lagz",
      source: "mine.yaml",
      reason: "there is no such key"
    })
    expect(error({ flags: [["--deep-learning.lagz", "3"]] })).toMatchObject({ path: "--deep-learning.lagz" })
  })

  it("refuses a bad value with its path, the reason and where it came from", () => {
    const fromEnvironment = error({ environment: { RL_EPSILON_MIN: "2" } })
    expect(fromEnvironment.path).toBe("reinforcementLearning.epsilonMin")
    expect(fromEnvironment.source).toBe("the environment variable RL_EPSILON_MIN")
    expect(fromEnvironment.reason).toContain("between 0 and 1")
    for (const bad of ["NaN", "1e999", "many", "", "-1", "1.5"]) {
      if (bad === "") continue
      expect(error({ flags: [["--deep-learning.lags", bad]] }).path).toBe("deepLearning.lags")
    }
  })

  it("refuses YAML that is none, and keys that would reach a prototype", () => {
    expect(error({ file: { name: "mine.yaml", text: "a: [" } }).source).toBe("mine.yaml")
    expect(error({ file: { name: "mine.yaml", text: "- 1\n- 2\n" } }).reason).toContain("mapping")
    expect(error({ file: { name: "mine.yaml", text: "__proto__:\n  isAdmin: true\n" } }).reason).toContain(
      "no such key"
    )
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined()
  })

  it("keeps secrets out of what it prints", () => {
    const loaded = Either.getOrThrow(load({ environment: { NATS_URL: "nats://me:hunter2@somewhere:4222" } }))
    expect(Redacted.value(loaded.value.bus.url)).toContain("hunter2")
    const printed = Configuration.print(loaded, defaults.name)
    expect(printed).not.toContain("hunter2")
    expect(printed).toContain("url: <redacted>  # from the environment variable NATS_URL")
    expect(JSON.stringify(loaded.value)).not.toContain("hunter2")
  })

  it("prints what it would read again as the same", () => {
    const printed = Configuration.print(Either.getOrThrow(load()), defaults.name)
    const again = Configuration.load(Settings, {
      documents: [{ name: "printed", text: printed }],
      environment: {},
      flags: []
    })
    expect(JSON.stringify(Either.getOrThrow(again).value)).toBe(JSON.stringify(value()))
  })

  it("adds up a list given by a flag several times", () => {
    const flags = [
      ["--market-data.paths", "a.csv"],
      ["--market-data.paths", "b.csv"]
    ] as const
    expect(value({ flags }).marketData.paths).toEqual(["a.csv", "b.csv"])
  })
})
