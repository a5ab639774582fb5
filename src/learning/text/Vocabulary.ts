/**
 * The terms that a classifier knows, as the columns of its input: block by block, and how rare each is.
 *
 * The value of a term in a sentence is (1 + ln count) * (1 + ln((1 + n) / (1 + df))), n sentences of which df have the term
 * (TF-IDF as in Manning, Raghavan and Schuetze, Introduction to Information Retrieval, 2008, sublinear, the idf smoothed);
 * then every block of the row is scaled to length one.
 *
 * Invariants: nothing but the rows it was made of goes in; equal rows give equal columns; a row is a unit vector in every
 * block that it has a term of.
 */
import type { Steps } from "../steps.ts"
import { type BlockName, blockNames } from "./SentenceTerms.ts"
import type { SparseRows } from "./SparseRows.ts"
import type { TermTable } from "./TermTable.ts"

export interface Block {
  readonly name: BlockName
  /** Columns of the block; they follow those of the block before. */
  readonly columns: number
}

export interface Vocabulary {
  /** By column. */
  readonly terms: ReadonlyArray<string>
  readonly blocks: ReadonlyArray<Block>
  /** [columns] */
  readonly idf: Float64Array
}

export const termsMax = 32_768

/** Sentences that a term has to occur in: one that was seen once says nothing of others. */
const sentencesMin = 2
const rowsPerStep = 500

/** A vocabulary, and what leads from the numbers of a table to its columns. */
export interface TableVocabulary {
  readonly vocabulary: Vocabulary
  /** [terms of the table]: -1 where it has no column. */
  readonly columnOf: Int32Array
}

/** @param rows of the table, which alone are looked at */
export function* fitVocabulary(
  table: TermTable,
  rows: ArrayLike<number>,
  names: ReadonlyArray<BlockName>
): Steps<TableVocabulary> {
  const having = new Int32Array(table.terms.length)
  for (let i = 0; i < rows.length; i++) {
    const { ids } = table.sentences[rows[i] as number] as TermTable["sentences"][number]
    for (const id of ids) having[id] = (having[id] as number) + 1
    if (i % rowsPerStep === 0) yield
  }
  const wanted = new Set(names.map((name) => blockNames.indexOf(name)))
  const seen: Array<number> = []
  for (let id = 0; id < having.length; id++) {
    if ((having[id] as number) >= sentencesMin && wanted.has(table.blocks[id] as number)) seen.push(id)
  }
  // Where there are too many the rarest go.
  const kept =
    seen.length <= termsMax
      ? seen
      : seen.sort((a, b) => (having[b] as number) - (having[a] as number) || a - b).slice(0, termsMax)
  yield
  kept.sort((a, b) => (table.blocks[a] as number) - (table.blocks[b] as number) || a - b)
  const columnOf = new Int32Array(table.terms.length).fill(-1)
  kept.forEach((id, column) => {
    columnOf[id] = column
  })
  const blocks = blockNames.flatMap((name, of) => {
    const columns = kept.filter((id) => table.blocks[id] === of).length
    return columns === 0 ? [] : [{ name, columns }]
  })
  const idf = Float64Array.from(kept, (id) => 1 + Math.log((1 + rows.length) / (1 + (having[id] as number))))
  return { columnOf, vocabulary: { terms: kept.map((id) => table.terms[id] as string), blocks, idf } }
}

/** Weighs and scales one row in place: columns rising, values counts. */
export const weigh = (
  { blocks, idf }: Pick<Vocabulary, "blocks" | "idf">,
  columns: ArrayLike<number>,
  values: Float64Array
): void => {
  let at = 0
  let end = 0
  for (const block of blocks) {
    end += block.columns
    const from = at
    let squares = 0
    for (; at < values.length && (columns[at] as number) < end; at++) {
      const value = (1 + Math.log(values[at] as number)) * (idf[columns[at] as number] as number)
      values[at] = value
      squares += value * value
    }
    const length = Math.sqrt(squares)
    for (let i = from; i < at; i++) values[i] = (values[i] as number) / length
  }
}

/** What a classifier sees of these rows of the table. */
export function* weighedRows(
  table: TermTable,
  rows: ArrayLike<number>,
  { columnOf, vocabulary }: TableVocabulary
): Steps<SparseRows> {
  const starts = new Int32Array(rows.length + 1)
  const parts: Array<{ readonly columns: ReadonlyArray<number>; readonly values: Float64Array }> = []
  for (let i = 0; i < rows.length; i++) {
    const { counts, ids } = table.sentences[rows[i] as number] as TermTable["sentences"][number]
    const known: Array<readonly [column: number, count: number]> = []
    ids.forEach((id, at) => {
      const column = columnOf[id] as number
      if (column >= 0) known.push([column, counts[at] as number])
    })
    known.sort(([a], [b]) => a - b)
    const columns = known.map(([column]) => column)
    const values = Float64Array.from(known, ([, count]) => count)
    weigh(vocabulary, columns, values)
    parts.push({ columns, values })
    starts[i + 1] = (starts[i] as number) + columns.length
    if (i % rowsPerStep === 0) yield
  }
  const entries = starts[rows.length] as number
  const indices = new Int32Array(entries)
  const values = new Float64Array(entries)
  parts.forEach((part, i) => {
    indices.set(part.columns, starts[i])
    values.set(part.values, starts[i])
  })
  return { columns: vocabulary.terms.length, starts, indices, values }
}
