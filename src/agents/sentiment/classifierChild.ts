/**
 * A text classifier in a folder, run by a child process (main.ts): tokenising and a network of a hundred million numbers
 * would hold a thread for long, and a native runtime may fail as it likes there.
 *
 * What can go wrong: a package that is not installed, files that it does not read, a child that dies (SentimentFailed).
 */
import { Effect, type Scope } from "effect"
import type { SentenceProbabilities } from "../../market/streams/pooledSentiment.ts"
import * as ChildProcess from "../../runtime/ChildProcess.ts"
import type { ClassifierFolder } from "./ClassifierFolder.ts"
import { SentimentFailed } from "./errors.ts"
import { type LoadHeader, type ScoreAnswer, type ScoreHeader, sentimentKind } from "./frames.ts"
import type { AskSentences } from "./restarting.ts"

export interface ClassifierOptions {
  readonly scripts: { readonly sentimentHost: string }
  readonly memoryBytesMax: number
  readonly runMsMax: number
}

/** Sentences of one run, padded to the longest of them: on one thread more of them at a time are no faster. */
const sentencesPerRun = 4
/** Networks of half a gigabyte are read from a disk. */
const loadMsMax = 60_000

export const startClassifier = (
  { folder, labels }: ClassifierFolder,
  { memoryBytesMax, runMsMax, scripts }: ClassifierOptions
): Effect.Effect<AskSentences, SentimentFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const failed = ({ reason }: { readonly reason: string }) =>
      new SentimentFailed({ scorer: folder, reason: reason.replace(/[\s\p{C}]+/gu, " ").trim() })
    const child = yield* Effect.mapError(
      ChildProcess.start({
        name: "sentiment-host",
        script: scripts.sentimentHost,
        memoryBytesMax,
        requestMsMax: Math.max(loadMsMax, runMsMax),
        requestsMax: 1
      }),
      failed
    )
    yield* Effect.mapError(child.request(sentimentKind.load, { folder } satisfies LoadHeader), failed)

    const askSome = (sentences: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        const { body, header } = yield* child.request(sentimentKind.score, {
          sentences
        } satisfies ScoreHeader)
        const width = (header as ScoreAnswer).labels
        if (width !== labels.length) {
          return yield* Effect.fail({
            reason: `it answers with ${width} numbers for its ${labels.length} labels`
          })
        }
        const shares = new Float32Array(body.buffer, body.byteOffset, body.byteLength / 4)
        return sentences.map((_, row): SentenceProbabilities => {
          const of = (name: keyof SentenceProbabilities) =>
            shares[row * width + labels.indexOf(name)] ?? Number.NaN
          return { negative: of("negative"), neutral: of("neutral"), positive: of("positive") }
        })
      })
    const tooSlow = () => ({ reason: `a run took longer than ${runMsMax} ms` })
    const ask: AskSentences = (sentences) =>
      Effect.gen(function* () {
        const said: Array<SentenceProbabilities> = []
        for (let from = 0; from < sentences.length; from += sentencesPerRun) {
          const some = askSome(sentences.slice(from, from + sentencesPerRun))
          said.push(...(yield* Effect.timeoutFail(some, { duration: runMsMax, onTimeout: tooSlow })))
        }
        return said
      }).pipe(Effect.mapError(failed))
    return ask
  })
