import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import { ndArray } from "../../../src/learning/graph/NdArray.ts"
import { decode, encode, type ModelProto } from "../../../src/learning/onnx/OnnxFile.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import {
  cooled,
  fitLinear,
  sentenceProbabilities,
  sentiments,
  termCounter
} from "../../../src/learning/text/SentenceClassifier.ts"
import {
  describeSentenceModel,
  emitSentenceModel,
  sentenceGraph
} from "../../../src/learning/text/SentenceModel.ts"
import { blockNames } from "../../../src/learning/text/SentenceTerms.ts"
import { runOnnx } from "../onnx/runOnnx.ts"
import { makeSentences, textOf } from "./sentences.ts"

const made = makeSentences(120)
const text = textOf(made)
const rows = Int32Array.from(made.keys())
const classifierOf = (blocks: typeof blockNames | readonly ["words"]) => {
  const fitted = runThrough(fitLinear(text, rows, { blocks, penalty: 0.3 }))
  return { ...fitted, linear: cooled(fitted.linear, 0.8) }
}
const classifier = classifierOf(blockNames)

const asked = [
  ...makeSentences(30, 9).map(({ sentence }) => sentence),
  "",
  "words that it has never seen",
  "rose rose rose rose profit"
]

/** [sentences, terms] */
const countsOf = (terms: ReadonlyArray<string>, sentences: ReadonlyArray<string>) => {
  const count = termCounter(terms)
  const dense = new Float64Array(sentences.length * terms.length)
  sentences.forEach((sentence, row) => {
    const { columns, counts } = count(sentence)
    columns.forEach((column, i) => {
      dense[row * terms.length + column] = counts[i] as number
    })
  })
  return dense
}

describe("a classifier of sentences as ONNX", () => {
  it.each([["all blocks", classifier] as const, ["one block", classifierOf(["words"])] as const])(
    "says what the graph says in float64 and what the classifier says, with %s",
    async (_, one) => {
      const { terms } = one.vocabulary
      const dense = countsOf(terms, asked)
      const dims = [asked.length, terms.length]
      const { counts, probabilities } = sentenceGraph(one)
      const [interpreted] = interpret(
        [probabilities],
        new Map([[counts, ndArray(dims, dense)]]),
        asked.length
      )
      const { probabilities: ran } = await runOnnx(emitSentenceModel(one, {}), {
        counts: { dims, values: [...dense] }
      })
      const plain = sentenceProbabilities(one)
      asked.forEach((sentence, row) => {
        const wanted = plain(sentence)
        expect(wanted.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12)
        wanted.forEach((share, k) => {
          const at = row * sentiments.length + k
          expect(Math.abs((interpreted?.data[at] as number) - share)).toBeLessThan(1e-9)
          expect(Math.abs((ran?.values[at] as number) - share)).toBeLessThan(1e-6)
        })
      })
    }
  )

  it("is right about sentences that it has not seen", () => {
    const probabilities = sentenceProbabilities(classifier)
    const others = makeSentences(60, 4)
    const hits = others.filter(({ label, sentence }) => {
      const shares = probabilities(sentence)
      return shares.indexOf(Math.max(...shares)) === label
    })
    expect(hits.length).toBeGreaterThan(55)
  })

  it("has the same bytes for the same classifier, and reads back as its terms", () => {
    const bytes = emitSentenceModel(classifier, { note: "kept" })
    expect(emitSentenceModel(classifierOf(blockNames), { note: "kept" })).toEqual(bytes)
    const model = Either.getOrThrow(decode(bytes))
    expect(Either.getOrThrow(describeSentenceModel(model))).toEqual(classifier.vocabulary.terms)
    expect(model.metadata.get("note")).toBe("kept")
  })

  it("is refused by name where it is something else", () => {
    const model = Either.getOrThrow(decode(emitSentenceModel(classifier, {})))
    const refusal = (changed: Partial<ModelProto>) =>
      Either.getOrThrow(Either.flip(describeSentenceModel({ ...model, ...changed }))).reason
    const withEntry = (key: string, value: string) =>
      refusal({ metadata: new Map([...model.metadata, [`conclave.${key}`, value]]) })
    expect(withEntry("kind", "linear")).toContain('of the kind "linear"')
    expect(withEntry("feature_schema_version", "0")).toContain("version 0")
    expect(withEntry("feature_names", "no list")).toContain("no list of terms")
    expect(withEntry("feature_names", JSON.stringify(["words:a", "words:a"]))).toContain("twice")
    expect(withEntry("feature_names", JSON.stringify(["smell:a"]))).toContain("no known block")
    expect(withEntry("feature_names", JSON.stringify(["words:a"]))).toContain("float [N, 1]")
    expect(refusal({ graph: { ...model.graph, outputs: [] } })).toContain('output "probabilities"')
    expect(Either.isRight(decode(encode(model)))).toBe(true)
  })

  it("is not made of parts that do not fit each other", () => {
    const { linear, vocabulary } = classifier
    const short = { ...linear, intercepts: linear.intercepts.slice(1) }
    expect(() => emitSentenceModel({ vocabulary, linear: short }, {})).toThrow(
      /list of intercepts has 2 values/
    )
    const infinite = { ...linear, intercepts: Float64Array.of(0, Number.POSITIVE_INFINITY, 0) }
    expect(() => emitSentenceModel({ vocabulary, linear: infinite }, {})).toThrow(/float32/)
  })
})
