/** `conclave sentiment score`: what a model of sentiment says of sentences. */
import { Command, Options } from "@effect/cli"
import { Effect, Option } from "effect"
import { readSentences } from "../agents/sentiment/SentenceFile.ts"
import { openSentimentScorer } from "../agents/sentiment/SentimentScorer.ts"
import { sentiments } from "../learning/text/SentenceClassifier.ts"
import type { ParsedArguments } from "./arguments.ts"
import { UsageError } from "./errors.ts"
import { table, writeJson, writeLine } from "./output.ts"
import { builtScripts, modelHostOptions } from "./processes.ts"
import { type LoadedSettings, loadSettings } from "./settings.ts"

interface ScoreOptions {
  readonly model: string
  readonly text: Option.Option<string>
  readonly data: Option.Option<string>
  readonly json: boolean
}

const sentencesOf = ({ data, text }: ScoreOptions) => {
  if (Option.isSome(text) === Option.isSome(data)) {
    return new UsageError({ reason: "Say what to score: either --text SENTENCE or --data FILE." })
  }
  if (Option.isSome(data)) return readSentences(data.value)
  const sentence = Option.getOrElse(text, () => "").trim()
  return sentence === ""
    ? new UsageError({ reason: "--text has no sentence." })
    : Effect.succeed<ReadonlyArray<string>>([sentence])
}

const score = ({ value: settings }: LoadedSettings, options: ScoreOptions) =>
  Effect.gen(function* () {
    const sentences = yield* sentencesOf(options)
    const scripts = yield* builtScripts
    const { memoryBytesMax, runMsMax } = modelHostOptions(settings, scripts)
    const scorer = yield* openSentimentScorer(options.model, { scripts, memoryBytesMax, runMsMax })
    const said = yield* scorer.score(sentences)
    if (options.json) {
      const results = said.map((shares, i) => ({ sentence: sentences[i], ...shares }))
      return yield* writeJson({ type: "sentiment", scorer: scorer.name, sentences: results })
    }
    // What would move the cursor is left out.
    const plain = (sentence: string | undefined) => (sentence ?? "").replace(/\p{C}/gu, "")
    const rows = said.map((shares, i) => [
      ...sentiments.map((name) => shares[name].toFixed(3)),
      plain(sentences[i])
    ])
    yield* writeLine(table([[...sentiments, "sentence"], ...rows]))
  }).pipe(Effect.scoped)

export const sentimentCommand = (args: ParsedArguments) => {
  const scoreCommand = Command.make(
    "score",
    {
      model: Options.text("model").pipe(
        Options.withDescription(
          "a file of `conclave train --model sentiment`, or a folder with config.json, tokenizer.json, tokenizer_config.json and onnx/model.onnx"
        )
      ),
      text: Options.text("text").pipe(Options.optional, Options.withDescription("one sentence")),
      data: Options.text("data").pipe(
        Options.optional,
        Options.withDescription("a CSV with a column sentence, or a sentence a line; plain or gzip")
      ),
      json: Options.boolean("json").pipe(
        Options.withDescription("the result as JSON on standard output, and nothing else")
      )
    },
    (options) => Effect.flatMap(loadSettings(args), (loaded) => score(loaded, options))
  ).pipe(Command.withDescription("Probabilities of negative, neutral and positive for every sentence."))
  return Command.make("sentiment").pipe(
    Command.withDescription("What sentences say of a market, by a model."),
    Command.withSubcommands([scoreCommand])
  )
}
