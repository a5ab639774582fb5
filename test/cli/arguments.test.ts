import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { keys, parseArguments, shortNames } from "../../src/cli/arguments.ts"

const parsed = (...args: ReadonlyArray<string>) => Either.getOrThrow(parseArguments(args))
const flags = (...args: ReadonlyArray<string>) => parsed(...args).flags
const refusal = (...args: ReadonlyArray<string>) =>
  Either.getOrThrow(Either.flip(parseArguments(args))).message

describe("the arguments", () => {
  it("are the configuration's where they name a key, and the command's otherwise, in order", () => {
    expect(parsed("decide", "--deep-learning.lags", "12", "BTC", "--json", "--as-of", "5")).toEqual({
      flags: [["--deep-learning.lags", "12"]],
      configFile: undefined,
      rest: ["decide", "BTC", "--json", "--as-of", "5"]
    })
    expect(parsed()).toEqual({ flags: [], configFile: undefined, rest: [] })
  })

  it("have a short name for what is given often, each for a key that there is, each once", () => {
    const paths = new Map(keys.map(({ flag, path }) => [path, flag]))
    for (const [short, path] of shortNames) {
      expect(paths.has(path), path).toBe(true)
      const isBoolean = keys.find((key) => key.path === path)?.kind === "boolean"
      expect(flags(short, ...(isBoolean ? [] : ["x"]))).toEqual([[paths.get(path), isBoolean ? "true" : "x"]])
    }
    expect(new Set(shortNames.map(([short]) => short)).size).toBe(shortNames.length)
    for (const short of ["--source", "--path", "--symbol", "--seed", "--agents", "--nats", "--resume"]) {
      expect(shortNames.map(([name]) => name)).toContain(short)
    }
  })

  it("take every key by its flag and by its path, with the value after it or behind an equals sign", () => {
    for (const { flag, kind, path } of keys) {
      const value = kind === "boolean" ? "false" : "7"
      for (const name of [flag, `--${path}`]) {
        expect(flags(name, value)).toEqual([[flag, value]])
        expect(flags(`${name}=${value}`)).toEqual([[flag, value]])
      }
    }
  })

  it("keep what a value holds, equals signs and signs among it", () => {
    expect(flags("--path=GOLD=data/gold.csv")).toEqual([["--market-data.paths", "GOLD=data/gold.csv"]])
    expect(flags("--path", "GOLD=data/gold.csv")).toEqual([["--market-data.paths", "GOLD=data/gold.csv"]])
    expect(flags("--models.rollback-threshold", "-0.5")).toEqual([["--models.rollback-threshold", "-0.5"]])
    expect(flags("--run.name=")).toEqual([["--run.name", ""]])
  })

  it("add up when they are given several times", () => {
    expect(flags("--path", "a.csv", "--path", "b.csv").map(([, value]) => value)).toEqual(["a.csv", "b.csv"])
  })

  it("switch on by their bare name what is on or off, and do not eat what follows", () => {
    expect(parsed("--resume", "up")).toMatchObject({ flags: [["--run.resume", "true"]], rest: ["up"] })
    expect(parsed("--resume", "false", "up")).toMatchObject({
      flags: [["--run.resume", "false"]],
      rest: ["up"]
    })
    expect(flags("--resume", "--seed", "3")).toEqual([
      ["--run.resume", "true"],
      ["--run.seed", "3"]
    ])
    expect(flags("--telemetry.tracing")).toEqual([["--telemetry.tracing", "true"]])
  })

  it("name the file of the configuration, the last one counts", () => {
    expect(parsed("up", "--config", "mine.yaml")).toMatchObject({ configFile: "mine.yaml", rest: ["up"] })
    expect(parsed("--config=a.yaml", "--config", "b.yaml").configFile).toBe("b.yaml")
  })

  it("leave to the command whatever comes after two hyphens", () => {
    expect(parsed("decide", "--", "--seed", "3")).toMatchObject({
      flags: [],
      rest: ["decide", "--seed", "3"]
    })
  })

  it("are refused in one line when a key does not exist or lacks its value", () => {
    const refusals = [
      refusal("--deep-learning.lagz", "3"),
      refusal("--deep-learning.lagz=3"),
      refusal("--seed"),
      refusal("--seed", "--resume"),
      refusal("--config"),
      refusal("up", "--path", "--json")
    ]
    expect(refusals).toEqual([
      "There is no key --deep-learning.lagz; `conclave config print` lists them.",
      expect.stringContaining("--deep-learning.lagz"),
      "--seed needs a value.",
      "--seed needs a value.",
      "--config needs a value.",
      "--path needs a value."
    ])
    for (const line of refusals) expect(line).not.toContain("\n")
  })

  it("do not take what an object inherits for a key", () => {
    for (const name of ["--__proto__", "--constructor", "--toString"]) {
      expect(parsed(name, "x")).toMatchObject({ flags: [], rest: [name, "x"] })
    }
    expect(refusal("--__proto__.isAdmin", "true")).toContain("There is no key")
  })
})
