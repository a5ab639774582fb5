/**
 * A text classifier in a folder, in the form in which such models are published (FinBERT and the like): config.json with the
 * names of its labels, tokenizer.json, tokenizer_config.json, onnx/model.onnx. All of it has to lie there: nothing is
 * downloaded.
 *
 * What can go wrong: a file that is missing, too large or no JSON, labels other than negative, neutral and positive
 * (SentimentFailed, which says what to do).
 */
import { statSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { basename, join, resolve } from "node:path"
import { Effect, Either, Schema } from "effect"
import { type Sentiment, sentiments } from "../../learning/text/SentenceClassifier.ts"
import { describeRefusal, parseJson } from "../../protocols/wire/Json.ts"
import { SentimentFailed } from "./errors.ts"

export interface ClassifierFolder {
  /** Absolute. */
  readonly folder: string
  readonly name: string
  /** By the model's own output: which sentiment it stands for. */
  readonly labels: ReadonlyArray<Sentiment>
}

/** Files that have to be there, and the most bytes that each may have. */
const files = [
  ["config.json", 1 << 20],
  ["tokenizer.json", 64 << 20],
  ["tokenizer_config.json", 1 << 20],
  ["onnx/model.onnx", 2 ** 31 - 1]
] as const

const Config = Schema.Struct({ id2label: Schema.Record({ key: Schema.String, value: Schema.String }) })
const decodeConfig = Schema.decodeUnknownEither(Config)

/** The labels of a configuration in the order of the outputs. The left is the end of a sentence. */
export const labelsOf = (config: unknown): Either.Either<ReadonlyArray<Sentiment>, string> =>
  Either.gen(function* () {
    const { id2label } = yield* Either.mapLeft(
      decodeConfig(config),
      () => 'its config.json has no "id2label"'
    )
    const entries = Object.entries(id2label)
    const wanted = sentiments.join(", ")
    if (entries.length !== sentiments.length) {
      yield* Either.left(`it has ${entries.length} labels, and should have ${sentiments.length}: ${wanted}`)
    }
    const labels: Array<Sentiment> = []
    for (const [i] of sentiments.entries()) {
      const said = id2label[String(i)]
      const label = sentiments.find((name) => name === said?.trim().toLowerCase())
      if (label === undefined) {
        const shown = (said ?? "").replace(/\p{C}/gu, "").slice(0, 40)
        return yield* Either.left(
          `its label ${i} is "${shown}", not one of ${wanted}: name them in "id2label" of its config.json`
        )
      }
      labels.push(label)
    }
    if (new Set(labels).size < labels.length)
      yield* Either.left(`two of its labels are the same; ${wanted} are needed`)
    return labels
  })

export const readClassifierFolder = (path: string): Effect.Effect<ClassifierFolder, SentimentFailed> =>
  Effect.gen(function* () {
    const failed = (reason: string) => new SentimentFailed({ scorer: path, reason })
    const folder = resolve(path)
    for (const [file, bytesMax] of files) {
      const status = statSync(join(folder, file), { throwIfNoEntry: false })
      if (status?.isFile() !== true) {
        const wanted = files.map(([name]) => name).join(", ")
        return yield* failed(
          `it has no file ${file}; put ${wanted} there, as the model's repository has them (nothing is downloaded)`
        )
      }
      if (status.size > bytesMax) {
        return yield* failed(`its ${file} has ${status.size} bytes, ${bytesMax} are allowed`)
      }
    }
    const bytes = yield* Effect.tryPromise({
      try: () => readFile(join(folder, "config.json")),
      catch: (cause) => failed(`its config.json cannot be read (${(cause as Error).message})`)
    })
    const config = yield* Either.mapLeft(parseJson(bytes), (refusal) =>
      failed(`its config.json is refused (${describeRefusal(refusal)})`)
    )
    const labels = yield* Either.mapLeft(labelsOf(config), failed)
    return { folder, name: basename(folder), labels }
  })
