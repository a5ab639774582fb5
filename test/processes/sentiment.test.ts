/** Training a classifier of sentences and asking it, by the command line, on files alone. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { sentiments } from "../../src/learning/text/SentenceClassifier.ts"
import { sha256 } from "../../src/protocols/wire/Json.ts"
import { makeSentences } from "../learning/text/sentences.ts"
import { linesOf, runConclave } from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"

const timeoutMs = 120_000

const csvOf = (count: number) =>
  [
    "sentence,label,agreement",
    ...makeSentences(count).map(({ label, sentence }) => `"${sentence}",${sentiments[label]},100`)
  ].join("\n")

const resultOf = (args: ReadonlyArray<string>) =>
  Effect.map(runConclave([...args, "--json"]), ({ code, stderr, stdout }) => {
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" })
    const lines = linesOf({ stdout })
    expect(lines).toHaveLength(1)
    return lines[0] as unknown as Record<string, unknown>
  })

describe("conclave train --model sentiment, and conclave sentiment score", () => {
  it.scopedLive(
    "write a model with its checksum and its figures, the same for the same seed, that is right about what it is asked",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryDirectory
        const data = join(folder, "sentences.csv")
        writeFileSync(data, csvOf(90))
        const train = (output: string) =>
          resultOf([
            ...["train", "--model", "sentiment", "--data", data, "--output", output],
            ...["--folds", "3", "--repeats", "1", "--seed", "7"]
          ])
        const output = join(folder, "s.onnx")
        const result = yield* train(output)
        const bytes = readFileSync(output)
        expect(result).toMatchObject({
          type: "sentiment-training",
          output,
          digest: sha256(bytes),
          bytes: bytes.length,
          trained: { folds: 3, seeds: [7], data: { sentences: 90, classes: [30, 30, 30] } },
          report: { labels: [...sentiments], folds: 3, seeds: [7] }
        })
        expect(readFileSync(`${output}.sha256`, "utf8")).toContain(sha256(bytes))
        expect((yield* train(join(folder, "again.onnx"))).digest).toBe(result.digest)

        const sentence = "Aalto Oslo said its profit fell to EUR 3 mn from EUR 8 mn ."
        const said = yield* resultOf(["sentiment", "score", "--model", output, "--text", sentence])
        expect(said).toMatchObject({ type: "sentiment", sentences: [{ sentence }] })
        const [{ negative, neutral, positive }] = said.sentences as [Record<string, number>]
        expect(negative).toBeGreaterThan(Math.max(neutral as number, positive as number))

        const many = yield* runConclave(["sentiment", "score", "--model", output, "--data", data])
        expect(many.code).toBe(0)
        expect(many.stdout.trim().split("\n")).toHaveLength(91)
      }),
    timeoutMs
  )

  it.scopedLive(
    "say in one line what is wrong, and write nothing",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryDirectory
        const file = (name: string, content: string | Uint8Array) => {
          writeFileSync(join(folder, name), content)
          return join(folder, name)
        }
        const output = join(folder, "s.onnx")
        const train = (data: string, ...more: ReadonlyArray<string>) => [
          ...["train", "--model", "sentiment", "--data", data, "--output", output, ...more]
        ]
        const good = file("good.csv", csvOf(60))
        const rubbish = file(
          "rubbish",
          Uint8Array.from({ length: 999 }, (_, i) => (i * 89) % 256)
        )
        const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
          [train(rubbish), /has no column "sentence"/],
          [train(file("label.csv", "sentence,label\nup,happy\n")), /line 2 has the label "happy"/],
          [train(file("few.csv", csvOf(12))), /10 of each class are needed/],
          [train(good, "--folds", "1"), /--folds 1 is not between 2 and 10/],
          [train(good, "--epochs", "3"), /--epochs does not go with --model sentiment/],
          [
            ["train", "--model", "gru", "--data", good, "--folds", "3"],
            /--folds does not go with --model gru/
          ],
          [["sentiment", "score", "--model", rubbish, "--text", "up"], /no readable ONNX/],
          [["sentiment", "score", "--model", folder, "--text", "up"], /has no file config\.json/],
          [["sentiment", "score", "--model", good], /either --text SENTENCE or --data FILE/]
        ]
        for (const [args, message] of cases) {
          const { code, stderr, stdout } = yield* runConclave(args)
          expect({ args, code, stdout }).toEqual({ args, code: 1, stdout: "" })
          expect(stderr).toMatch(message)
          expect(stderr.trim().split("\n"), stderr).toHaveLength(1)
        }
        expect(existsSync(output)).toBe(false)
      }),
    timeoutMs
  )
})
