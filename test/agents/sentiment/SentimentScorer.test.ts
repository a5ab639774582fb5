import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import {
  openSentimentScorer,
  type SentimentScorer,
  sentenceScorerLayer
} from "../../../src/agents/sentiment/SentimentScorer.ts"
import { SentenceScorer } from "../../../src/agents/streams/SentenceScorer.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { fitLinear, sentenceProbabilities } from "../../../src/learning/text/SentenceClassifier.ts"
import { emitSentenceModel } from "../../../src/learning/text/SentenceModel.ts"
import { makeSentences, textOf } from "../../learning/text/sentences.ts"
import { bundled } from "../../support/bundle.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { config, logitsOfPieces, tokensMax, writeClassifier } from "./classifierFolder.ts"

const limits = { memoryBytesMax: 2 ** 30, runMsMax: 10_000 }
const timeoutMs = 60_000

const optionsWith = (scripts: { readonly modelHost?: string; readonly sentimentHost?: string }) => ({
  ...limits,
  scripts: { modelHost: "/nowhere/model-host", sentimentHost: "/nowhere/sentiment-host", ...scripts }
})
const ownOptions = Effect.map(bundled("src/agents/model-host/main.ts"), (modelHost) =>
  optionsWith({ modelHost })
)
const folderOptions = Effect.map(bundled("src/agents/sentiment/main.ts"), (sentimentHost) =>
  optionsWith({ sentimentHost })
)

const text = textOf(makeSentences(90))
const classifier = runThrough(
  fitLinear(text, Int32Array.from(text.labels.keys()), { blocks: ["words", "changes"], penalty: 0.3 })
)
const ownModel = Effect.map(temporaryDirectory, (folder) => {
  const path = join(folder, "sentiment.onnx")
  writeFileSync(path, emitSentenceModel(classifier, {}))
  return path
})

const asked = [...makeSentences(20, 7).map(({ sentence }) => sentence), "nothing known", "", "rose fell rose"]

const expectRight = (said: Effect.Effect.Success<ReturnType<SentimentScorer["score"]>>) => {
  const plain = sentenceProbabilities(classifier)
  expect(said).toHaveLength(asked.length)
  said.forEach(({ negative, neutral, positive }, i) => {
    const wanted = plain(asked[i] as string)
    ;[negative, neutral, positive].forEach((share, k) => {
      expect(Math.abs(share - (wanted[k] as number))).toBeLessThan(1e-6)
    })
  })
}

/** Processes that were started by this one, by the script they run. */
const childrenOf = (script: string): ReadonlyArray<number> =>
  readFileSync(`/proc/self/task/${process.pid}/children`, "utf8")
    .trim()
    .split(" ")
    .filter((pid) => pid !== "" && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(script))
    .map(Number)

describe("a model of the project's own", () => {
  it.scopedLive(
    "says in the model host what its classifier says in float64, whoever asks and how many at once",
    () =>
      Effect.gen(function* () {
        const scorer = yield* openSentimentScorer(yield* ownModel, yield* ownOptions)
        expect(scorer.name).toMatch(/^sentiment\.onnx \([0-9a-f]{12}\)$/)
        const answers = yield* Effect.all([scorer.score(asked), scorer.score(asked), scorer.score([])], {
          concurrency: "unbounded"
        })
        expectRight(answers[0])
        expectRight(answers[1])
        expect(answers[2]).toEqual([])
      }),
    timeoutMs
  )

  it.scopedLive(
    "is what the sentiment stream asks of its scorer",
    () =>
      Effect.gen(function* () {
        const layer = sentenceScorerLayer(yield* ownModel, yield* ownOptions)
        const said = yield* Effect.flatMap(SentenceScorer, ({ score }) => score(asked)).pipe(
          Effect.provide(Layer.orDie(layer))
        )
        expectRight(said)
      }),
    timeoutMs
  )

  const canSeeChildren = existsSync(`/proc/self/task/${process.pid}/children`)
  it.scopedLive.skipIf(!canSeeChildren)(
    "answers again after its process has died, and leaves none behind",
    () =>
      Effect.gen(function* () {
        const options = yield* ownOptions
        const children = () => childrenOf(options.scripts.modelHost)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const scorer = yield* openSentimentScorer(yield* ownModel, options)
            const [pid] = children()
            process.kill(pid as number, "SIGKILL")
            const { message } = yield* Effect.flip(scorer.score(asked))
            expect(message).toContain("cannot be used")
            expectRight(yield* scorer.score(asked))
            expect(children()).toHaveLength(1)
            const broken = yield* Effect.fork(
              scorer.score(Array.from({ length: 2_000 }, () => asked[0] as string))
            )
            yield* Effect.yieldNow()
            yield* Fiber.interrupt(broken)
            expectRight(yield* scorer.score(asked))
          })
        )
        expect(children()).toEqual([])
      }),
    timeoutMs
  )

  it.scopedLive(
    "is refused where it is none, is not there, or is not what was written; so are sentences beyond its limits",
    () =>
      Effect.gen(function* () {
        const options = yield* ownOptions
        const refusal = (path: string) =>
          Effect.map(Effect.flip(openSentimentScorer(path, options)), ({ message }) => message)
        const path = yield* ownModel
        expect(yield* refusal(`${path}.not`)).toContain("there is no such file")
        const rubbish = `${path}.rubbish`
        writeFileSync(rubbish, "no model")
        expect(yield* refusal(rubbish)).toContain("no readable ONNX")
        const scorer = yield* openSentimentScorer(path, options)
        expect((yield* Effect.flip(scorer.score(["a".repeat(4_001)]))).message).toContain("4000 characters")
        const many = Array.from({ length: 50_001 }, () => "a")
        expect((yield* Effect.flip(scorer.score(many))).message).toContain("50000")
        writeFileSync(`${path}.sha256`, `${"0".repeat(64)}  sentiment.onnx\n`)
        expect(yield* refusal(path)).toContain("its checksum is")
      }),
    timeoutMs
  )
})

const packageFile = fileURLToPath(
  new URL("../../../node_modules/@huggingface/transformers/package.json", import.meta.url)
)
const isInstalled = existsSync(packageFile)

describe("a text classifier in a folder", () => {
  describe.skipIf(!isInstalled)(
    isInstalled
      ? "with @huggingface/transformers"
      : "(skipped: the optional package @huggingface/transformers is not installed)",
    () => {
      it.scopedLive(
        "is tokenised, run and read as its own configuration says",
        () =>
          Effect.gen(function* () {
            const scorer = yield* openSentimentScorer(
              writeClassifier(yield* temporaryDirectory),
              yield* folderOptions
            )
            expect(scorer.name).toBe("bag")
            const cases = [
              ["Profit ROSE", ["profit", "rose"]],
              ["the profits fell unseen", ["the", "profit", "##s", "fell", "[UNK]"]],
              ["", []],
              // Two places are for what stands around a sentence.
              ["loss ".repeat(40), Array.from({ length: tokensMax - 2 }, () => "loss")]
            ] as ReadonlyArray<readonly [string, ReadonlyArray<string>]>
            // More than one run, and sentences of unlike lengths in each.
            const many = Array.from({ length: 12 }, () => cases).flat()
            const said = yield* scorer.score(many.map(([sentence]) => sentence))
            expect(said).toHaveLength(many.length)
            many.forEach(([sentence, pieces], i) => {
              const exponentials = logitsOfPieces(pieces).map(Math.exp)
              const sum = exponentials.reduce((a, b) => a + b, 0)
              const { negative, neutral, positive } = said[i] as (typeof said)[number]
              ;[positive, negative, neutral].forEach((share, k) => {
                expect(Math.abs(share - (exponentials[k] as number) / sum), sentence).toBeLessThan(1e-6)
              })
            })
          }),
        timeoutMs
      )

      it.scopedLive(
        "is refused in one line where its network or its labels are something else",
        () =>
          Effect.gen(function* () {
            const options = yield* folderOptions
            const refusal = (path: string) =>
              Effect.map(Effect.flip(openSentimentScorer(path, options)), ({ message }) => message)
            const rubbish = { model: Buffer.from("no model") }
            const broken = yield* refusal(writeClassifier(yield* temporaryDirectory, rubbish))
            expect(broken).toMatch(/^The sentiment scorer \S+ cannot be used: .+$/)
            const unnamed = { ...config, id2label: { 0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2" } }
            const unknown = yield* refusal(writeClassifier(yield* temporaryDirectory, { config: unnamed }))
            expect(unknown).toContain('its label 0 is "LABEL_0"')
          }),
        timeoutMs
      )
    }
  )

  it.scopedLive(
    "says what to install where the package is not there",
    () =>
      Effect.gen(function* () {
        const { scripts } = yield* folderOptions
        const bare = join(yield* temporaryDirectory, "sentiment-host.mjs")
        copyFileSync(scripts.sentimentHost, bare)
        const path = writeClassifier(yield* temporaryDirectory)
        const { message } = yield* Effect.flip(
          openSentimentScorer(path, optionsWith({ sentimentHost: bare }))
        )
        expect(message).toContain(
          "the optional package @huggingface/transformers is not installed: run `npm install`"
        )
      }),
    timeoutMs
  )
})
