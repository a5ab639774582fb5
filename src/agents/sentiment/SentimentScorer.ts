/**
 * Scorers of sentences: what a model says of each, as probabilities. A model is a file that `conclave train --model sentiment`
 * has written, or a folder with a text classifier in the form in which they are published (ClassifierFolder.ts). Either runs
 * in a child process.
 *
 * What can go wrong: a model that is not there or is something else, a child that dies or takes too long, answers that are no
 * probabilities (SentimentFailed). A question that fails takes the child with it: the next starts another.
 * Invariants: answers are distributions, in the order of the sentences; one question is with the child at a time; this process
 * is not held up: sentences are taken in one by one, breathing between them.
 */
import { statSync } from "node:fs"
import { Effect, Layer, type Scope } from "effect"
import type { SentenceProbabilities } from "../../market/streams/pooledSentiment.ts"
import { SentenceScorer } from "../streams/SentenceScorer.ts"
import { readClassifierFolder } from "./ClassifierFolder.ts"
import { startClassifier } from "./classifierChild.ts"
import { SentimentFailed } from "./errors.ts"
import { type AskSentences, restarting } from "./restarting.ts"
import { sentenceFileLimits } from "./SentenceFile.ts"
import { readSentenceModel, startSentenceModel } from "./sentenceModelChild.ts"

export interface SentimentScorer {
  /** For people: which model it is. */
  readonly name: string
  /** Probabilities of each sentence, in their order. */
  readonly score: (
    sentences: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<SentenceProbabilities>, SentimentFailed>
}

export interface SentimentScorerOptions {
  /** The programs of the children. */
  readonly scripts: { readonly modelHost: string; readonly sentimentHost: string }
  readonly memoryBytesMax: number
  /** Of one run, of a few sentences; reading a network from its folder may take longer. */
  readonly runMsMax: number
}

/** Of a sum of float32 shares. */
const sumTolerance = 1e-4

const isDistribution = ({ negative, neutral, positive }: SentenceProbabilities): boolean =>
  [negative, neutral, positive].every((share) => share >= 0 && share <= 1) &&
  Math.abs(negative + neutral + positive - 1) <= sumTolerance

const refusalOf = (sentences: ReadonlyArray<string>): string | undefined => {
  const { sentenceChars, sentences: most } = sentenceFileLimits
  if (sentences.length > most) return `${sentences.length} sentences are more than the ${most} that it takes`
  const long = sentences.findIndex(({ length }) => length > sentenceChars)
  return long < 0 ? undefined : `sentence ${long + 1} has more than ${sentenceChars} characters`
}

const scorerOf = (name: string, path: string, ask: AskSentences): SentimentScorer => ({
  name,
  score: (sentences) =>
    Effect.gen(function* () {
      const failed = (reason: string) => new SentimentFailed({ scorer: path, reason })
      const refusal = refusalOf(sentences)
      if (refusal !== undefined) return yield* failed(refusal)
      if (sentences.length === 0) return []
      const said = yield* ask(sentences)
      if (said.length !== sentences.length || !said.every(isDistribution)) {
        return yield* failed("what it says of a sentence are no probabilities")
      }
      return said
    })
})

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

/** Opens the model at a path, a file or a folder, and starts what runs it. */
export const openSentimentScorer = (
  path: string,
  options: SentimentScorerOptions
): Effect.Effect<SentimentScorer, SentimentFailed, Scope.Scope> =>
  Effect.gen(function* () {
    if (isFolder(path)) {
      const folder = yield* readClassifierFolder(path)
      return scorerOf(folder.name, path, yield* restarting(startClassifier(folder, options)))
    }
    const model = yield* readSentenceModel(path)
    return scorerOf(model.name, path, yield* restarting(startSentenceModel(model, options)))
  })

/** What a node provides where it has a model of sentiment. */
export const sentenceScorerLayer = (
  path: string,
  options: SentimentScorerOptions
): Layer.Layer<SentenceScorer, SentimentFailed> =>
  Layer.scoped(SentenceScorer, openSentimentScorer(path, options))
