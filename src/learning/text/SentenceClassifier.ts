/**
 * A linear classifier of sentences: what it knows of terms, and what it makes of them. Here computed plainly in float64; the
 * ONNX model that serves (SentenceModel.ts) says the same.
 *
 *   logits = scaled TF-IDF row . coefficients + intercepts,  probabilities = softmax(logits)
 *
 * Invariants: equal rows of a table give equal bits; a sentence of unknown terms gets what the intercepts say.
 */
import type { Steps } from "../steps.ts"
import { fitLogistic, type LinearClassifier, logitsOf, softmaxInPlace } from "./LogisticRegression.ts"
import { type BlockName, blockIndexOf, blockNames, termCountsOf } from "./SentenceTerms.ts"
import type { TermTable } from "./TermTable.ts"
import { fitVocabulary, type TableVocabulary, type Vocabulary, weigh, weighedRows } from "./Vocabulary.ts"

/** The classes in their order everywhere: labels are indices into this. */
export const sentiments = ["negative", "neutral", "positive"] as const
export type Sentiment = (typeof sentiments)[number]

export interface SentenceClassifier {
  readonly vocabulary: Vocabulary
  readonly linear: LinearClassifier
}

/** Labelled sentences, as everything that learns from them takes them. */
export interface LabelledText {
  readonly table: TermTable
  /** One a sentence. */
  readonly labels: Uint8Array
  /** Sentences of one group are on one side of every split (SentenceTerms.ts). */
  readonly groups: ReadonlyArray<string>
}

export interface TermCounts {
  /** Rising. */
  readonly columns: ReadonlyArray<number>
  readonly counts: ReadonlyArray<number>
}

/** What counts the known terms of a sentence. */
export const termCounter = (terms: ReadonlyArray<string>): ((sentence: string) => TermCounts) => {
  const columnOf = new Map(terms.map((term, column) => [term, column]))
  const used = new Set(terms.map(blockIndexOf))
  const blocks = blockNames.filter((_, block) => used.has(block))
  return (sentence) => {
    const known: Array<readonly [column: number, count: number]> = []
    for (const [term, count] of termCountsOf(sentence, blocks)) {
      const column = columnOf.get(term)
      if (column !== undefined) known.push([column, count])
    }
    known.sort(([a], [b]) => a - b)
    return { columns: known.map(([column]) => column), counts: known.map(([, count]) => count) }
  }
}

/** Fits one way of seeing and one penalty. */
export function* fitLinear(
  { labels, table }: LabelledText,
  rows: Int32Array,
  { blocks, penalty }: { readonly blocks: ReadonlyArray<BlockName>; readonly penalty: number }
): Steps<SentenceClassifier> {
  const known: TableVocabulary = yield* fitVocabulary(table, rows, blocks)
  const seen = yield* weighedRows(table, rows, known)
  const own = Uint8Array.from(rows, (row) => labels[row] as number)
  const linear = yield* fitLogistic(seen, own, { classes: sentiments.length, penalty })
  return { vocabulary: known.vocabulary, linear }
}

/** The same probabilities, of logits that are divided by a temperature. */
export const cooled = (
  { coefficients, intercepts }: LinearClassifier,
  temperature: number
): LinearClassifier => ({
  coefficients: coefficients.map((weight) => weight / temperature),
  intercepts: intercepts.map((weight) => weight / temperature)
})

/** What a classifier says of sentences: [classes] each. */
export const sentenceProbabilities = ({
  linear,
  vocabulary
}: SentenceClassifier): ((sentence: string) => Float64Array) => {
  const count = termCounter(vocabulary.terms)
  return (sentence) => {
    const { columns, counts } = count(sentence)
    const values = Float64Array.from(counts)
    weigh(vocabulary, columns, values)
    const row = {
      columns: vocabulary.terms.length,
      starts: Int32Array.of(0, columns.length),
      indices: Int32Array.from(columns),
      values
    }
    const shares = new Float64Array(linear.intercepts.length)
    logitsOf(linear, row, 0, shares)
    softmaxInPlace(shares)
    return shares
  }
}
