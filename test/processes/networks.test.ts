/** Training, judging and asking networks by the command line, on files alone. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { checkModel } from "../../src/agents/training/ModelFile.ts"
import { sha256 } from "../../src/protocols/wire/Json.ts"
import { writeBarFile } from "../support/bars.ts"
import { canFindProcesses, conclave, type Line, linesOf, runConclave, until } from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"

/** A folder with bars of a world with an edge. */
const folderWith = (asOfs: number, instruments = 2) =>
  Effect.map(temporaryDirectory, (folder) => {
    const bars = join(folder, "bars.csv")
    writeBarFile(bars, { asOfs, instruments, seed: 1 })
    return { folder, bars }
  })

const small = ["--length", "8", "--horizon", "1", "--seed", "3"]

const training = (bars: string, output: string, ...more: ReadonlyArray<string>) => [
  ...["train", "--model", "mlp", "--data", bars, "--output", output, "--width", "8", "--layers", "1"],
  ...small,
  ...more
]

const oneLine = (stdout: string): Line => {
  const lines = linesOf({ stdout })
  expect(lines).toHaveLength(1)
  return lines[0] as Line
}

/** A command that succeeds, and its result. */
const succeeded = (...args: Parameters<typeof runConclave>) =>
  Effect.map(runConclave(...args), (ended) => {
    expect({ code: ended.code, stderr: ended.code === 0 ? "" : ended.stderr }).toEqual({
      code: 0,
      stderr: ""
    })
    return ended
  })

interface Training {
  readonly digest: string
  readonly epochs: number
  readonly verdicts: ReadonlyArray<string>
  readonly description: {
    readonly metrics: ReadonlyArray<{ readonly name: string; readonly value: number }>
    readonly data: { readonly heldOutRows: number }
    readonly training: {
      readonly batchRows: number
      readonly schedule: { readonly rate: number }
      readonly network: { readonly body: Record<string, unknown> }
    }
  }
  readonly heldOut: { readonly sides: { readonly rows: ReadonlyArray<unknown> } }
}
const trained = (stdout: string) => oneLine(stdout) as unknown as Training

describe("conclave train", () => {
  it.scopedLive(
    "learns what there is to learn, says how it stands beside the baselines, and makes the same file again",
    () =>
      Effect.gen(function* () {
        const { bars, folder } = yield* folderWith(6_000)
        const output = join(folder, "one.onnx")
        const args = ["--epochs", "3", "--json"]
        const first = yield* succeeded(training(bars, output, ...args))
        const { description, digest, epochs, heldOut, verdicts } = trained(first.stdout)
        expect(epochs).toBe(3)
        expect(verdicts[0]).toMatch(/^The mlp beats the base rate by its log loss/)
        expect(first.stderr).toMatch(/epoch 3\/3: loss \d\.\d+, validation \d\.\d+/)
        expect(readdirSync(folder).sort()).toEqual(["bars.csv", "one.html", "one.onnx", "one.onnx.sha256"])
        const bytes = readFileSync(output)
        expect(sha256(bytes)).toBe(digest)
        expect(readFileSync(`${output}.sha256`, "utf8")).toBe(`${digest}  one.onnx\n`)
        const model = Either.getOrThrow(checkModel(bytes))
        expect(model.trained).toEqual(description)
        const html = readFileSync(join(folder, "one.html"), "utf8")
        expect(html).toContain("beats the base rate")

        const other = join(folder, "two.onnx")
        expect(trained((yield* succeeded(training(bars, other, ...args))).stdout).digest).toBe(digest)
        const seeded = yield* succeeded([...training(bars, other, ...args), "--run.seed", "4"])
        expect(trained(seeded.stdout).digest).not.toBe(digest)

        // The same rows, judged again from the file alone.
        const evaluated = yield* succeeded(["evaluate", "--model", output, "--data", bars, "--json"])
        const again = oneLine(evaluated.stdout) as unknown as {
          readonly rows: number
          readonly heldOut: typeof heldOut
        }
        expect(again.rows).toBe(description.data.heldOutRows)
        const logLoss = description.metrics.find(({ name }) => name === "log-loss")?.value ?? Number.NaN
        expect(JSON.stringify(again.heldOut.sides.rows)).toContain('"verdict":"beats the baseline"')
        const [, row] = again.heldOut.sides.rows as ReadonlyArray<{
          metrics: ReadonlyArray<{ value: number }>
        }>
        expect(row?.metrics[0]?.value).toBeCloseTo(logLoss, 5)
        const plain = yield* succeeded(["evaluate", "--model", output, "--data", bars])
        expect(plain.stdout).toContain("The mlp beats the base rate")
        expect(plain.stderr).toMatch(
          /^conclave: \d+ rows are left out: the model has learned from their time\n$/
        )
      }),
    120_000
  )

  it.scopedLive(
    "takes its defaults from the configuration",
    () =>
      Effect.gen(function* () {
        const { bars, folder } = yield* folderWith(700, 1)
        const configured = {
          AI_TRAINING_BATCH_SIZE: "24",
          AI_LEARNING_RATE: "0.002",
          DL_LSTM_HIDDEN_SIZE: "3",
          DL_CNN_FILTERS: "5",
          DL_TRANSFORMER_HEADS: "2",
          DL_DROPOUT_RATE: "0.25"
        }
        const bodyOf = (model: string, ...more: ReadonlyArray<string>) =>
          Effect.map(
            succeeded(
              [
                ...["train", "--model", model, "--data", bars, "--output", join(folder, `${model}.onnx`)],
                ...[...small, "--epochs", "1", "--json", ...more]
              ],
              { environment: configured }
            ),
            ({ stdout }) => trained(stdout).description.training
          )
        const lstm = yield* bodyOf("lstm", "--layers", "1")
        expect(lstm.network.body).toEqual({ kind: "lstm", hidden: 3, layers: 1, dropout: 0.25 })
        expect(lstm).toMatchObject({ batchRows: 24, schedule: { rate: 0.002 } })
        expect((yield* bodyOf("cnn")).network.body).toMatchObject({ filters: [5, 5], dropout: 0.25 })
        const transformer = yield* bodyOf("transformer", "--width", "8", "--layers", "1", "--batch", "16")
        expect(transformer.network.body).toMatchObject({ heads: 2, width: 8, dropout: 0.25 })
        expect(transformer.batchRows).toBe(16)
        expect((yield* bodyOf("dlinear")).network.body).toMatchObject({ kind: "dlinear" })
      }),
    120_000
  )

  it.scopedLive(
    "stopped by Ctrl-C ends in order and goes on later, to the same file",
    () =>
      Effect.gen(function* () {
        const { bars, folder } = yield* folderWith(1_500, 1)
        const args = ["--epochs", "60", "--patience", "60", "--json"]
        const whole = trained((yield* succeeded(training(bars, join(folder, "whole.onnx"), ...args))).stdout)
        const output = join(folder, "parts.onnx")
        const running = yield* conclave(training(bars, output, ...args))
        yield* until("some epochs", () => /epoch 5\/60/.test(running.stderr()), { of: running })
        yield* running.signalGroup("SIGINT")
        const stopped = yield* running.ended
        expect(stopped.code).toBe(0)
        expect(stopped.stdout).toBe("")
        expect(stopped.stderr).toMatch(/stopped; the same command goes on after epoch \d+\n$/)
        if (canFindProcesses) expect(running.family()).toEqual([])
        expect(existsSync(output)).toBe(false)
        const rest = yield* succeeded(training(bars, output, ...args))
        expect(rest.stderr).toMatch(/goes on after epoch ([5-9]|\d\d)\n/)
        expect(trained(rest.stdout).digest).toBe(whole.digest)
        expect(readdirSync(folder).filter((name) => name.includes("training"))).toEqual([])
      }),
    120_000
  )

  it.scopedLive(
    "leaves no process behind when it is killed, and is the only one to train a file",
    () =>
      Effect.gen(function* () {
        const { bars, folder } = yield* folderWith(1_500, 1)
        const args = training(bars, join(folder, "x.onnx"), "--epochs", "5000", "--patience", "5000")
        const running = yield* conclave(args)
        yield* until("an epoch", () => running.stderr().includes("epoch 1/"), { of: running })
        const second = yield* runConclave(args)
        expect(second.code).toBe(1)
        expect(second.stderr).toMatch(/x\.onnx is being trained already, by process \d+\.\n$/)
        if (!canFindProcesses) return
        expect(running.family().length).toBeGreaterThan(1)
        yield* running.signal("SIGKILL")
        yield* until("the end of all processes", () => running.family().length === 0, { timeoutMs: 8_000 })
      }),
    60_000
  )

  it.scopedLive(
    "refuses in one line, before any time is spent, what cannot come to anything",
    () =>
      Effect.gen(function* () {
        const { bars, folder } = yield* folderWith(300, 1)
        const output = join(folder, "x.onnx")
        const broken = join(folder, "broken_1m.csv")
        writeFileSync(
          broken,
          "timestamp,open,high,low,close\n2024-01-01T00:00:00Z,1,1,1,NaN\n2024-01-01T00:01:00Z,1,2,1,2\n"
        )
        mkdirSync(join(folder, "folder.onnx"))
        const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, message: RegExp]> = [
          [["--model", "lstm"], /Expected to find option: '--data'/],
          [["--model", "oracle", "--data", bars], /Expected one of the following cases: lstm/],
          [["--model", "lstm", "--data", join(folder, "none.csv")], /there is no such file/],
          [["--model", "lstm", "--data", bars], /has too few bars: 300 where \d+ are needed/],
          [["--model", "lstm", "--data", broken], /1 of 2 rows are refused/],
          [["--model", "lstm", "--data", bars, "--epochs", "0"], /--epochs 0 is not between 1 and/],
          [["--model", "lstm", "--data", bars, "--rate", "2"], /--rate 2 is not between 0 and 1/],
          [["--model", "lstm", "--data", bars, "--horizon", "-1"], /horizon/],
          [["--model", "lstm", "--data", bars, "--width", "4096"], /64 can be served/],
          [["--model", "transformer", "--data", bars, "--width", "9"], /cannot be shared out to 8 heads/],
          [["--model", "lstm", "--data", bars, "--length", "900"], /sequences have 9000 numbers/],
          [["--model", "lstm", "--data", bars, "--time-frame", "90s"], /do not add up/],
          [
            ["--model", "lstm", "--data", bars, "--output", "/nowhere/x.onnx"],
            /There is no folder \/nowhere/
          ],
          [["--model", "lstm", "--data", bars, "--output", bars], /would be written over what is read/],
          [["--model", "lstm", "--data", bars, "--output", join(folder, "folder.onnx")], /is a folder/]
        ]
        for (const [args, message] of cases) {
          const ended = yield* runConclave([
            "train",
            ...(args.includes("--output") ? [] : ["--output", output]),
            ...args
          ])
          expect({ args, code: ended.code, stdout: ended.stdout }).toEqual({ args, code: 1, stdout: "" })
          expect(ended.stderr, args.join(" ")).toMatch(message)
          expect(ended.stderr.trim().split("\n"), args.join(" ")).toHaveLength(1)
        }
        expect(readdirSync(folder).sort()).toEqual(["bars.csv", "broken_1m.csv", "folder.onnx"])
      }),
    120_000
  )
})

describe("conclave predict", () => {
  it.scopedLive(
    "answers every as-of of a bar file, and the same for the features as a table",
    () =>
      Effect.gen(function* () {
        const { bars, folder } = yield* folderWith(900, 1)
        const model = join(folder, "m.onnx")
        yield* succeeded([
          ...["train", "--model", "dlinear", "--data", bars, "--output", model],
          ...[...small, "--epochs", "1"]
        ])
        const output = join(folder, "out.csv")
        const said = yield* succeeded(["predict", "--model", model, "--input", bars, "--output", output])
        expect(said.stdout).toBe(`836 rows in ${output}\n`)
        const [header, ...lines] = readFileSync(output, "utf8").trim().split("\n")
        expect(header).toBe("instrument,as_of,sigma,band,sell,hold,buy,expected_return,spread,score")
        expect(lines.length).toBe(836)
        const cells = lines.map((line) => line.split(","))
        for (const row of cells) {
          const [sell, hold, buy] = row.slice(4, 7).map(Number) as [number, number, number]
          expect(sell + hold + buy).toBeCloseTo(1, 5)
          expect(row.slice(2).map(Number).every(Number.isFinite)).toBe(true)
        }
        expect(cells.at(-1)?.[1]).toBe("2024-01-01T15:00:00.000Z")

        const closes = readFileSync(bars, "utf8")
          .trim()
          .split("\n")
          .slice(1)
          .map((line) => Number(line.split(",")[5]))
        const names = Array.from({ length: 8 }, (_, i) => `ret_1-${7 - i}`)
        const rows = cells.map((row, i) => {
          const bar = 64 + i
          const returns = names.map((_, k) =>
            Math.log((closes[bar - 7 + k] as number) / (closes[bar - 8 + k] as number))
          )
          return [...returns, row[2], row[3]].join(",")
        })
        const table = join(folder, "table.csv")
        writeFileSync(table, [[...names, "sigma", "band"].join(","), ...rows].join("\n"))
        const second = join(folder, "second.csv")
        const line = oneLine(
          (yield* succeeded(["predict", "--model", model, "--input", table, "--output", second, "--json"]))
            .stdout
        )
        expect(line).toMatchObject({ type: "predictions", rows: 836 })
        const answers = readFileSync(second, "utf8").trim().split("\n").slice(1)
        answers.forEach((answer, i) => {
          answer
            .split(",")
            .slice(1)
            .forEach((value, k) => {
              expect(Number(value)).toBeCloseTo(Number(cells[i]?.[4 + k]), 5)
            })
        })
      }),
    60_000
  )

  it.scopedLive(
    "refuses in one line what does not fit, and writes nothing",
    () =>
      Effect.gen(function* () {
        const { bars, folder } = yield* folderWith(900, 1)
        const model = join(folder, "m.onnx")
        yield* succeeded([
          "train",
          "--model",
          "dlinear",
          "--data",
          bars,
          "--output",
          model,
          ...small,
          "--epochs",
          "1"
        ])
        const fileOf = (name: string, content: string | Uint8Array) => {
          const path = join(folder, name)
          writeFileSync(path, content)
          return path
        }
        const names = Array.from({ length: 8 }, (_, i) => `ret_1-${7 - i}`)
        const header = [...names, "sigma", "band"].join(",")
        const row = [...names.map(() => "0.01"), "0.02", "0.01"]
        const damaged = readFileSync(model)
        damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] as number) ^ 1
        const output = join(folder, "out.csv")
        const short = fileOf("short.csv", readFileSync(bars, "utf8").split("\n").slice(0, 50).join("\n"))
        const cases: ReadonlyArray<
          readonly [command: string, model: string, input: string, message: RegExp]
        > = [
          ["predict", join(folder, "none.onnx"), bars, /none\.onnx cannot be used: there is no such file/],
          ["predict", fileOf("text.onnx", "no model"), bars, /it is no readable ONNX/],
          [
            "predict",
            fileOf("cut.onnx", readFileSync(model).subarray(0, 500)),
            bars,
            /it is no readable ONNX/
          ],
          ["predict", model, join(folder, "none.csv"), /there is no such file/],
          ["predict", model, fileOf("narrow.csv", "ret_1-0,sigma,band\n1,1,1"), /lacks 7 of the 10 columns/],
          [
            "predict",
            model,
            fileOf("nan.csv", `${header}\n${row.with(3, "NaN").join(",")}`),
            /nan\.csv:2: the feature ret_1-4 is NaN/
          ],
          [
            "predict",
            model,
            fileOf("inf.csv", `${header}\n${row.with(0, "1e999").join(",")}`),
            /ret_1-7 is 1e999/
          ],
          ["predict", model, short, /has too few bars: 49 where 65 are needed/],
          ["evaluate", model, short, /has too few bars: 49/],
          ["evaluate", model, fileOf("not.csv", "a,b\n1,2\n"), /is no bar file/]
        ]
        const before = readdirSync(folder).sort()
        for (const [command, file, input, message] of cases) {
          const args =
            command === "predict"
              ? ["predict", "--model", file, "--input", input, "--output", output]
              : ["evaluate", "--model", file, "--data", input]
          const ended = yield* runConclave(args)
          expect({ args, code: ended.code, stdout: ended.stdout }).toEqual({ args, code: 1, stdout: "" })
          expect(ended.stderr).toMatch(message)
          expect(ended.stderr.trim().split("\n")).toHaveLength(1)
        }
        expect(readdirSync(folder).sort()).toEqual(before)
        writeFileSync(model, damaged)
        const changed = yield* runConclave(["predict", "--model", model, "--input", bars, "--output", output])
        expect(changed).toMatchObject({ code: 1, stdout: "" })
        expect(changed.stderr).toMatch(/its checksum is .* says/)
      }),
    120_000
  )
})
