/**
 * A classifier of sentences as one ONNX file: counts of terms in, probabilities out. Weighing, scaling, the linear part and
 * the softmax are in the graph, idf and coefficients in its constants, the terms in its metadata; what makes counts of a
 * sentence is `termCounter`.
 *
 *   in   counts         float32 [N, terms]  how often each term occurs
 *   out  probabilities  float32 [N, 3]      negative, neutral, positive
 *
 * What can go wrong: a file that is sound ONNX and something else, or whose terms are made in another way than here
 * (NotASentenceModel); parts that do not fit each other throw ArtefactInvalid.
 * Invariants: equal classifiers give equal bytes; the graph and `sentenceProbabilities` agree to 1e-6.
 */
import { Either } from "effect"
import { type Value, within } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { batch } from "../graph/TensorType.ts"
import { toOnnx } from "../graph/toOnnx.ts"
import { checkParameters, isBatchOf, metadataKeys, parseNames } from "../OpinionModel.ts"
import { encode, type ModelProto } from "../onnx/OnnxFile.ts"
import { NotASentenceModel } from "./errors.ts"
import { type SentenceClassifier, sentiments } from "./SentenceClassifier.ts"
import { blockIndexOf, textVersion } from "./SentenceTerms.ts"
import { termsMax } from "./Vocabulary.ts"

export const sentenceModelKind = "sentences"
export const countsName = "counts"
export const probabilitiesName = "probabilities"

const classes = sentiments.length
/** A block that a sentence has a term of has at least length 1: no idf is less. */
const squaresMin = 1e-12

export interface SentenceGraph {
  readonly counts: Value
  readonly probabilities: Value
}

export const sentenceGraph = ({ linear, vocabulary }: SentenceClassifier): SentenceGraph => {
  const { blocks, idf, terms } = vocabulary
  const { coefficients, intercepts } = linear
  const count = terms.length
  checkParameters(sentenceModelKind, "the list of idf", idf, count)
  checkParameters(sentenceModelKind, "the list of coefficients", coefficients, count * classes)
  checkParameters(sentenceModelKind, "the list of intercepts", intercepts, classes)
  return within(sentenceModelKind, () => {
    const counts = ops.input(countsName, [batch, count])
    const damped = ops.mul(ops.min(counts, 1), ops.add(ops.log(ops.max(counts, 1)), 1))
    const weighed = ops.mul(damped, ops.constant([count], idf))
    let from = 0
    const scaled = blocks.map(({ columns }) => {
      const block = ops.slice(weighed, 1, from, from + columns)
      from += columns
      const squares = ops.reduceSum(ops.mul(block, block), [1], true)
      return ops.div(block, ops.sqrt(ops.max(squares, squaresMin)))
    })
    const row = scaled.length === 1 ? (scaled[0] as Value) : ops.concat(scaled, 1)
    const sloped = ops.matmul(row, ops.constant([count, classes], coefficients))
    const logits = ops.add(sloped, ops.constant([classes], intercepts))
    return { counts, probabilities: ops.softmax(logits, 1) }
  })
}

/** @param metadata strings that travel with the file */
export const emitSentenceModel = (
  classifier: SentenceClassifier,
  metadata: Readonly<Record<string, string>>
): Uint8Array => {
  const { counts, probabilities } = sentenceGraph(classifier)
  return encode(
    toOnnx({
      name: sentenceModelKind,
      inputs: [counts],
      outputs: [[probabilitiesName, probabilities]],
      metadata: new Map([
        ...Object.entries(metadata),
        [metadataKeys.kind, sentenceModelKind],
        [metadataKeys.featureNames, JSON.stringify(classifier.vocabulary.terms)],
        [metadataKeys.featureSchemaVersion, String(textVersion)]
      ])
    })
  )
}

/** The terms of a model, in the order of its columns. */
export const describeSentenceModel = ({
  graph,
  metadata
}: ModelProto): Either.Either<ReadonlyArray<string>, NotASentenceModel> => {
  const unfit = (reason: string) => Either.left(new NotASentenceModel({ reason }))
  const kind = metadata.get(metadataKeys.kind)
  if (kind !== sentenceModelKind)
    return unfit(`it is of the kind "${kind ?? ""}", not "${sentenceModelKind}"`)
  const version = metadata.get(metadataKeys.featureSchemaVersion)
  if (version !== String(textVersion)) {
    return unfit(
      `it sees version ${version} of the terms of a sentence, here they are of version ${textVersion}`
    )
  }
  const terms = parseNames(metadata.get(metadataKeys.featureNames) ?? "")
  if (terms === undefined) return unfit("its metadata has no list of terms")
  if (terms.length > termsMax) return unfit(`it has ${terms.length} terms, ${termsMax} are allowed`)
  if (new Set(terms).size < terms.length) return unfit("its list has a term twice")
  const stray = terms.find((term) => blockIndexOf(term) < 0)
  if (stray !== undefined) return unfit(`its term "${stray.slice(0, 40)}" is of no known block`)
  const [input] = graph.inputs
  if (graph.inputs.length !== 1 || input?.name !== countsName || !isBatchOf(input, terms.length)) {
    return unfit(`its input is not "${countsName}", float [N, ${terms.length}]`)
  }
  const output = graph.outputs.find(({ name }) => name === probabilitiesName)
  if (!isBatchOf(output, classes))
    return unfit(`its output "${probabilitiesName}" is not float [N, ${classes}]`)
  return Either.right(terms)
}
