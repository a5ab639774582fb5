/** Importing, quantising and benchmarking models by the command line, on files alone. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { checkModel } from "../../src/agents/training/ModelFile.ts"
import { decode } from "../../src/learning/onnx/OnnxFile.ts"
import { marginsOf, probabilitiesOf } from "../../src/learning/trees/TreeEnsemble.ts"
import { readXgboost } from "../../src/learning/trees/XgboostFile.ts"
import { sha256 } from "../../src/protocols/wire/Json.ts"
import { keyedRandom } from "../../src/protocols/wire/KeyedRandom.ts"
import { runOnnx } from "../learning/onnx/runOnnx.ts"
import { distance, model, refusedModel, valuesOf } from "../learning/trees/xgboostModels.ts"
import { writeBarFile } from "../support/bars.ts"
import { canFindProcesses, conclave, type Line, linesOf, runConclave, until } from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"

/** A command that succeeds, and its result. */
const succeeded = (...args: Parameters<typeof runConclave>) =>
  Effect.map(runConclave(...args), (ended) => {
    expect({ code: ended.code, stderr: ended.code === 0 ? "" : ended.stderr }).toEqual({
      code: 0,
      stderr: ""
    })
    return ended
  })

const json = (...args: ReadonlyArray<string>) =>
  Effect.map(succeeded([...args, "--json"]), ({ stdout }) => {
    const lines = linesOf({ stdout })
    expect(lines).toHaveLength(1)
    return lines[0] as Line
  })

type Refused = readonly [args: ReadonlyArray<string>, message: RegExp]

/** Each is one line, with exit code 1, and leaves the folder as it is. */
const refused = (folder: string, cases: ReadonlyArray<Refused>) =>
  Effect.gen(function* () {
    const before = readdirSync(folder).sort()
    for (const [args, message] of cases) {
      const ended = yield* runConclave(args)
      expect({ args, code: ended.code, stdout: ended.stdout }).toEqual({ args, code: 1, stdout: "" })
      expect(ended.stderr, args.join(" ")).toMatch(message)
      expect(ended.stderr.trim().split("\n"), args.join(" ")).toHaveLength(1)
    }
    expect(readdirSync(folder).sort()).toEqual(before)
  })

describe("conclave model import xgboost", () => {
  const known = model("softprob")
  const folderWith = Effect.map(temporaryDirectory, (folder) => {
    const file = (name: string, content: string | Uint8Array) => {
      writeFileSync(join(folder, name), content)
      return join(folder, name)
    }
    return { folder, file }
  })
  const importing = (file: string, output: string) => [
    ...["model", "import", "xgboost", file, "--output", output]
  ]

  it.scopedLive(
    "writes trees that onnxruntime runs, with a checksum, and says what goes in and comes out",
    () =>
      Effect.gen(function* () {
        const { file, folder } = yield* folderWith
        const output = join(folder, "trees.onnx")
        const result = yield* json(...importing(file("m.ubj", known.ubj), output))
        const bytes = readFileSync(output)
        const trees = Either.getOrThrow(readXgboost(known.ubj))
        expect(result).toMatchObject({
          type: "model-import",
          digest: sha256(bytes),
          bytes: bytes.length,
          givesOpinions: false,
          trees: 9,
          classes: 3,
          features: 4,
          inputs: [{ name: "features", dims: ["N", 4] }],
          outputs: [
            { name: "margins", dims: ["N", 3] },
            { name: "probabilities", dims: ["N", 3] }
          ],
          verified: { rows: 256 }
        })
        expect(readFileSync(`${output}.sha256`, "utf8")).toBe(`${sha256(bytes)}  trees.onnx\n`)
        expect(readdirSync(folder).sort()).toEqual(["m.ubj", "trees.onnx", "trees.onnx.sha256"])

        const rows = valuesOf(known.expected.rows)
        const dims = [known.expected.rows.length, 4]
        const said = yield* Effect.promise(() => runOnnx(bytes, { features: { dims, values: [...rows] } }))
        const wanted = probabilitiesOf(trees, marginsOf(trees, rows))
        expect(distance(said.probabilities?.values ?? [], wanted)).toBeLessThan(1e-6)

        const { stdout } = yield* succeeded(importing(file("m.json", known.json), output))
        expect(stdout).toMatch(/^9 trees, 4 features, 3 classes \(softmax\)\n/)
        expect(stdout).toContain("NaN is missing; level, change, share, volume")
        expect(stdout).toContain("Plain ONNX, a tree ensemble: it gives no opinions")
        expect(stdout).toContain(sha256(bytes))
        expect(readFileSync(output)).toEqual(bytes)
        // An opinion is what it does not give.
        const asked = yield* runConclave(["evaluate", "--model", output, "--data", join(folder, "m.json")])
        expect(asked.code).toBe(1)
      }),
    60_000
  )

  it.scopedLive(
    "refuses in one line what is no such model, and outputs that cannot be, and writes nothing",
    () =>
      Effect.gen(function* () {
        const { file, folder } = yield* folderWith
        const output = join(folder, "x.onnx")
        const good = file("good.json", known.json)
        const taken = file("taken.onnx.sha256", known.json)
        mkdirSync(join(folder, "folder.onnx"))
        const of = (name: string, content: string | Uint8Array) => importing(file(name, content), output)
        yield* refused(folder, [
          [of("linear.json", refusedModel("gblinear")), /its booster "gblinear" is not supported\.$/m],
          [of("cut.json", known.json.subarray(0, 900)), /cut\.json cannot be used: no XGBoost model/],
          [of("cut.ubj", known.ubj.subarray(0, 900)), /it ends in the middle of a value/],
          [of("text.json", "no model"), /not JSON/],
          [of("empty.json", ""), /not JSON/],
          [of("other.json", '{"a":1}'), /it has no learner/],
          [importing(join(folder, "none.json"), output), /none\.json cannot be used: there is no such file/],
          [importing(folder, output), /it is a folder/],
          [importing(good, good), /would be written over what is read/],
          [importing(taken, join(folder, "taken.onnx")), /would be written over what is read/],
          [importing(good, "/nowhere/x.onnx"), /There is no folder \/nowhere/],
          [importing(good, join(folder, "folder.onnx")), /is a folder/],
          [["model", "import", "xgboost", good], /Expected to find option: '--output'/],
          [["model", "import", "xgboost", "--output", output], /Missing argument <file>/]
        ])
      }),
    60_000
  )

  it.scopedLive("has help that names the commands below it", () =>
    Effect.gen(function* () {
      const { stdout } = yield* succeeded(["model", "--help"])
      expect(stdout).toContain("import xgboost --output text [--json] <file>")
      const below = yield* succeeded(["model", "import", "xgboost", "--help"])
      expect(below.stdout).toContain("a model that XGBoost has saved, JSON or UBJSON")
    })
  )
})

/** Bars of a world with an edge, and a network that has learned from them. */
const trainedModel = Effect.gen(function* () {
  const folder = yield* temporaryDirectory
  const bars = join(folder, "bars.csv")
  writeBarFile(bars, { asOfs: 2_500, instruments: 1, seed: 1 })
  const file = join(folder, "m.onnx")
  yield* succeeded([
    ...["train", "--model", "mlp", "--data", bars, "--output", file, "--width", "64", "--layers", "1"],
    ...["--length", "8", "--horizon", "1", "--epochs", "2"]
  ])
  return { folder, bars, file }
})

describe("conclave quantize", () => {
  it.scopedLive(
    "writes a smaller model that says nearly the same and of which it was made, where it is no worse",
    () =>
      Effect.gen(function* () {
        const { bars, file, folder } = yield* trainedModel
        const output = join(folder, "small.onnx")
        const args = ["quantize", "--model", file, "--data", bars, "--output", output]
        const result = yield* json(...args)
        const bytes = readFileSync(output)
        const parent = readFileSync(file)
        expect(result).toMatchObject({
          type: "quantisation",
          kind: "static",
          digest: sha256(bytes),
          parent: sha256(parent),
          bytes: { before: parent.length, after: bytes.length },
          logLoss: { increaseMax: 0.005 }
        })
        const { latency, logLoss } = result as unknown as {
          readonly latency: Record<"before" | "after", Record<"rows1" | "rows64", Record<string, number>>>
          readonly logLoss: Record<"before" | "after" | "increase", number>
        }
        expect(logLoss.increase).toBeCloseTo(logLoss.after - logLoss.before, 9)
        for (const side of ["before", "after"] as const) {
          for (const rows of ["rows1", "rows64"] as const) {
            const { medianMs = 0, p99Ms = 0, questions = 0 } = latency[side][rows]
            expect(medianMs).toBeGreaterThan(0)
            expect(p99Ms).toBeGreaterThanOrEqual(medianMs)
            expect(questions).toBeGreaterThanOrEqual(20)
          }
        }
        expect(readFileSync(`${output}.sha256`, "utf8")).toBe(`${sha256(bytes)}  small.onnx\n`)
        const made = Either.getOrThrow(checkModel(bytes))
        const old = Either.getOrThrow(checkModel(parent))
        expect(made.trained).toEqual(old.trained)
        expect(made.description.featureNames).toEqual(old.description.featureNames)
        const ops = Either.getOrThrow(decode(bytes)).graph.nodes.map(({ op }) => op)
        expect(ops).toContain("MatMulInteger")

        // What was judged is what any other command says of it.
        const lossOf = (path: string) =>
          Effect.map(json("evaluate", "--model", path, "--data", bars), (evaluated) => {
            const { sides } = evaluated.heldOut as {
              readonly sides: { readonly rows: ReadonlyArray<{ metrics: ReadonlyArray<{ value: number }> }> }
            }
            return sides.rows.at(-1)?.metrics[0]?.value
          })
        expect(yield* lossOf(file)).toBeCloseTo(logLoss.before, 6)
        expect(yield* lossOf(output)).toBeCloseTo(logLoss.after, 6)

        const dynamic = join(folder, "dynamic.onnx")
        const { stdout } = yield* succeeded([
          ...["quantize", "--model", file, "--data", bars, "--output", dynamic, "--kind", "dynamic"]
        ])
        expect(stdout).toMatch(/^ +float32 +int8 dynamic +change\nbytes +\d+ +\d+ +0\.\d\dx\n/)
        expect(stdout).toMatch(
          /64 rows, p99 ms +[\d.]+ +[\d.]+ +[\d.]+x\nlog loss +[\d.]+ +[\d.]+ +[+-]?[\d.]+\n/
        )
        expect(stdout).toContain("an answer depends, by a rounding, on the rows beside it")

        yield* refused(folder, [
          [
            [...args.with(-1, join(folder, "x.onnx")), "--accuracy-loss-max", "0"],
            /^conclave: "int8 static" is not taken, over \d+ held-out rows: the log loss .* more than the 0 allowed\.$/m
          ],
          [["quantize", "--model", output, "--data", bars, "--output", file], /it is quantised already/]
        ])
        expect(readFileSync(file)).toEqual(parent)
      }),
    120_000
  )

  it.scopedLive(
    "refuses in one line what does not fit, and writes nothing",
    () =>
      Effect.gen(function* () {
        const { bars, file, folder } = yield* trainedModel
        const output = join(folder, "x.onnx")
        const write = (name: string, content: string | Uint8Array) => {
          writeFileSync(join(folder, name), content)
          return join(folder, name)
        }
        const of = (one: string, data: string, to = output, ...more: ReadonlyArray<string>) => [
          ...["quantize", "--model", one, "--data", data, "--output", to, ...more]
        ]
        const lines = readFileSync(bars, "utf8").trim().split("\n")
        const short = write("short.csv", lines.slice(0, 50).join("\n"))
        const early = write("early.csv", lines.slice(0, 1_000).join("\n"))
        const late = write("late.csv", [lines[0], ...lines.slice(-320)].join("\n"))
        yield* refused(folder, [
          [of(join(folder, "none.onnx"), bars), /none\.onnx cannot be used: there is no such file/],
          [of(write("text.onnx", "no model"), bars), /it is no readable ONNX/],
          [of(file, join(folder, "none.csv")), /there is no such file/],
          [of(file, short), /has too few bars: 49/],
          [of(file, early), /holds nothing to judge the model on/],
          [of(file, late), /it holds no rows of the time that the model has learned from/],
          [of(file, bars, file), /would be written over what is read/],
          [of(file, bars, bars), /would be written over what is read/],
          [of(file, bars, "/nowhere/x.onnx"), /There is no folder/],
          [
            of(file, bars, output, "--accuracy-loss-max", "-1"),
            /--accuracy-loss-max -1 is not between 0 and 1/
          ],
          [of(file, bars, output, "--kind", "int4"), /Expected one of the following cases: static, dynamic/]
        ])
        const { stdout } = yield* succeeded(["quantize", "--help"])
        expect(stdout).toContain("how much the log loss on held-out rows may grow; 0.005 unless given")
      }),
    120_000
  )
})

/** Columns that wander, as many rows as the protocol needs, and no dates. */
const writeRates = (path: string, rows = 1_000) => {
  const random = keyedRandom("rates")
  const level = [1, 2, 3]
  const lines = Array.from({ length: rows }, () => {
    level.forEach((value, i) => {
      level[i] = value * Math.exp(0.01 * random.normal())
    })
    return level.map((value) => value.toFixed(6)).join(",")
  })
  writeFileSync(path, `${lines.join("\n")}\n`)
}

describe("conclave evaluate --benchmark forecast", () => {
  const benchmark = (data: string, ...more: ReadonlyArray<string>) => [
    ...["evaluate", "--benchmark", "forecast", "--data", data, "--dataset", "exchange_rate", ...more]
  ]

  it.scopedLive(
    "judges closed forms and networks by the protocol of the papers",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryDirectory
        const data = join(folder, "rates.csv")
        writeRates(data)
        const result = yield* json(...benchmark(data, "--horizon", "12", "--networks", "dlinear"))
        expect(result).toMatchObject({
          type: "forecast-benchmark",
          dataset: "exchange_rate",
          rows: 1_000,
          horizon: 12,
          seeds: { networks: 1, bootstrap: 1 },
          baseline: "repeat-last",
          protocol: {
            parts: {
              train: { first: 0, end: 700 },
              validation: { first: 700, end: 800 },
              test: { first: 800, end: 1_000 }
            },
            windows: { all: 189, published: 160, batch: 32 },
            stride: 1
          }
        })
        const models = result.models as ReadonlyArray<{
          readonly model: string
          readonly kind: string
          readonly published: { readonly mse: number }
          readonly all: { readonly mse: number; readonly mae: number }
        }>
        expect(models.map((one) => [one.model, one.kind])).toEqual([
          ["repeat-last", "closed form"],
          ["seasonal 5", "closed form"],
          ["linear", "closed form"],
          ["linear on differences", "closed form"],
          ["DLinear", "network"]
        ])
        // Repeat-last by hand, on values standardised by the first 700 rows.
        const { deviations } = (result.protocol as { scaling: { deviations: ReadonlyArray<number> } }).scaling
        const rows = readFileSync(data, "utf8")
          .trim()
          .split("\n")
          .map((line) => line.split(",").map(Number))
        let squared = 0
        for (let first = 800; first <= 1_000 - 12; first++) {
          for (let step = 0; step < 12; step++) {
            deviations.forEach((deviation, k) => {
              const error = (rows[first + step]?.[k] ?? 0) - (rows[first - 1]?.[k] ?? 0)
              squared += (error / deviation) ** 2 / (189 * 12 * 3)
            })
          }
        }
        expect(models[0]?.all.mse).toBeCloseTo(squared, 9)

        const plain = yield* succeeded(benchmark(data, "--horizon", "12", "--networks", "none"))
        expect(plain.stdout).toMatch(
          /^exchange_rate, 1000 rows x 3 columns: 700 to train on, 100 to validate on, 200 to judge by; horizon 12\.\n/
        )
        expect(plain.stdout).toContain("MSE and MAE over 160 windows, whole batches of 32, as published")
        expect(plain.stdout).toMatch(/\nrepeat-last +96 .* is the baseline\n/)
        expect(plain.stdout).not.toContain("DLinear")
        expect(plain.stderr).toBe("conclave: closed forms first\n")
      }),
    60_000
  )

  it.scopedLive(
    "stopped by Ctrl-C or by SIGTERM ends in order, with all that it has started",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryDirectory
        const data = join(folder, "rates.csv")
        writeRates(data, 4_000)
        for (const signal of ["SIGINT", "SIGTERM"] as const) {
          const running = yield* conclave(benchmark(data, "--networks", "lstm,cnn,transformer", "--json"))
          yield* until("the closed forms", () => running.stderr().includes("closed forms first"), {
            of: running
          })
          if (canFindProcesses) {
            yield* until("the model host", () => running.family().length > 1, { of: running })
          }
          yield* running.signalGroup(signal)
          const stopped = yield* running.ended
          expect({ code: stopped.code, stdout: stopped.stdout }).toEqual({ code: 0, stdout: "" })
          expect(stopped.stderr).toMatch(/conclave: stopped; there is no table\n$/)
          if (canFindProcesses) expect(running.family()).toEqual([])
        }
      }),
    60_000
  )

  it.scopedLive(
    "refuses in one line what makes no sense, before anything is trained",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryDirectory
        const data = join(folder, "rates.csv")
        writeRates(data)
        const table = join(folder, "hours.csv")
        writeFileSync(table, "date,OT\n2016-07-01 00:00:00,1\n2016-07-01 01:00:00,2\n")
        const ett = (file: string) => [
          "evaluate",
          "--benchmark",
          "forecast",
          "--data",
          file,
          "--dataset",
          "ett"
        ]
        yield* refused(folder, [
          [
            ["evaluate", "--data", data],
            /Say what to judge: a model by --model FILE, or --benchmark forecast\./
          ],
          [
            [...benchmark(data), "--model", "m.onnx"],
            /Either --model FILE or --benchmark forecast, not both/
          ],
          [
            ["evaluate", "--model", "m.onnx", "--data", data, "--horizon", "3"],
            /--horizon goes with --benchmark/
          ],
          [["evaluate", "--model", "m.onnx", "--data", data, "--dataset", "ett"], /--dataset goes with/],
          [
            ["evaluate", "--benchmark", "forecast", "--data", data],
            /needs --dataset, one of exchange_rate, ett/
          ],
          [["evaluate", "--benchmark", "forecast", "--dataset", "ett"], /Expected to find option: '--data'/],
          [
            ["evaluate", "--benchmark", "chess", "--data", data],
            /Expected one of the following cases: forecast/
          ],
          [benchmark(data, "--horizon", "0"), /--horizon 0 is not between 1 and 720/],
          [benchmark(data, "--horizon", "700"), /its 1000 rows do not do for a horizon of 700/],
          [
            benchmark(data, "--networks", "gpt"),
            /there is no "gpt" in the benchmark, there are dlinear, lstm/
          ],
          [benchmark(join(folder, "none.csv")), /none\.csv cannot be used: there is no such file/],
          [benchmark(table), /its rows are 60 minutes apart, those of exchange_rate are days/],
          [ett(data), /its rows have no dates/],
          [ett(table), /its 2 rows do not do for a horizon of 96/]
        ])
      }),
    60_000
  )
})
