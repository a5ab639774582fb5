/**
 * A model that `conclave train --model sentiment` has written: terms are counted here, the rest is done by a model host of its
 * own.
 *
 * What can go wrong: a file that is no such model or not the one that was written, a host that dies (SentimentFailed).
 */
import { basename } from "node:path"
import { Effect, Either, type Scope } from "effect"
import { type TermCounts, termCounter } from "../../learning/text/SentenceClassifier.ts"
import { countsName, describeSentenceModel, probabilitiesName } from "../../learning/text/SentenceModel.ts"
import type { SentenceProbabilities } from "../../market/streams/pooledSentiment.ts"
import { breathe } from "../../runtime/breathe.ts"
import { startGraphHost } from "../training/GraphHost.ts"
import { decodeServed, readModelBytes } from "../training/ModelFile.ts"
import { SentimentFailed } from "./errors.ts"
import type { AskSentences } from "./restarting.ts"

export interface SentenceModelFile {
  readonly path: string
  readonly name: string
  readonly bytes: Uint8Array
  readonly terms: ReadonlyArray<string>
}

export interface SentenceModelOptions {
  readonly scripts: { readonly modelHost: string }
  readonly memoryBytesMax: number
  readonly runMsMax: number
}

/** Sentences of one run: their rows are dense, and copied on the way. */
const sentencesPerRun = 8
const classes = 3
const digestCharsShown = 12

/** The terms of a model. The left says what is wrong, as the end of a sentence. */
export const checkSentenceModel = (bytes: Uint8Array): Either.Either<ReadonlyArray<string>, string> =>
  Either.flatMap(decodeServed(bytes), (model) =>
    Either.mapLeft(describeSentenceModel(model), ({ reason }) => reason)
  )

export const readSentenceModel = (path: string): Effect.Effect<SentenceModelFile, SentimentFailed> =>
  Effect.gen(function* () {
    const { bytes, digest } = yield* readModelBytes(path)
    const terms = yield* checkSentenceModel(bytes)
    const name = `${basename(path)} (${digest.slice(0, digestCharsShown)})`
    return { path, name, bytes, terms }
  }).pipe(
    Effect.mapError((error) => {
      const reason = typeof error === "string" ? error : error.reason
      return new SentimentFailed({ scorer: path, reason })
    })
  )

export const startSentenceModel = (
  { bytes, path, terms }: Pick<SentenceModelFile, "bytes" | "path" | "terms">,
  { memoryBytesMax, runMsMax, scripts }: SentenceModelOptions
): Effect.Effect<AskSentences, SentimentFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const host = yield* startGraphHost({ script: scripts.modelHost, memoryBytesMax, runMsMax })
    const run = yield* host.load(bytes, [probabilitiesName])
    const count = termCounter(terms)

    const askSome = (some: ReadonlyArray<TermCounts>) => {
      const data = new Float32Array(some.length * terms.length)
      for (const [row, { columns, counts }] of some.entries()) {
        for (const [i, column] of columns.entries()) data[row * terms.length + column] = counts[i] as number
      }
      return Effect.map(run({ [countsName]: { shape: [some.length, terms.length], data } }), (answers) => {
        const shares = answers[probabilitiesName] ?? new Float32Array(0)
        return some.map((_, row): SentenceProbabilities => {
          const [negative, neutral, positive] = shares.subarray(row * classes, (row + 1) * classes)
          return {
            negative: negative ?? Number.NaN,
            neutral: neutral ?? Number.NaN,
            positive: positive ?? Number.NaN
          }
        })
      })
    }
    const ask: AskSentences = (sentences) =>
      Effect.gen(function* () {
        const said: Array<SentenceProbabilities> = []
        for (let from = 0; from < sentences.length; from += sentencesPerRun) {
          const some: Array<TermCounts> = []
          for (const sentence of sentences.slice(from, from + sentencesPerRun)) {
            some.push(count(sentence))
            yield* breathe
          }
          said.push(...(yield* askSome(some)))
        }
        return said
      }).pipe(Effect.mapError(({ reason }) => new SentimentFailed({ scorer: path, reason })))
    return ask
  }).pipe(
    Effect.mapError((error) =>
      error instanceof SentimentFailed ? error : new SentimentFailed({ scorer: path, reason: error.reason })
    )
  )
