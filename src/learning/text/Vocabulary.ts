/**
 * The terms that a classifier knows, as the columns of its input: block by block, and how rare each is.
 *
 * The value of a term in a sentence is (1 + ln count) * (1 + ln((1 + n) / (1 + df))), n sentences of which df have the term
 * (TF-IDF as in Manning, Raghavan and Schuetze, Introduction to Information Retrieval, 2008, sublinear, the idf smoothed);
 * then every block of the row is scaled to length one.
 *
 * Columns stand block by block in the order in which their terms first occur in the rows, and where there are too many
 * terms the rarest go, of equally rare ones those that were met last: what else the table holds decides nothing.
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
/** What is gone through between two chances for others to run, about a millisecond each. */
const rowsPerStep = 50
const termsPerStep = 50_000

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
  /** In how many of the rows each term occurs. */
  const having = new Int32Array(table.terms.length)
  /** The terms in the order of their first occurrence in the rows. */
  const met: Array<number> = []
  for (let i = 0; i < rows.length; i++) {
    const { ids } = table.sentences[rows[i] as number] as TermTable["sentences"][number]
    for (const id of ids) {
      if (having[id] === 0) met.push(id)
      having[id] = (having[id] as number) + 1
    }
    if (i % rowsPerStep === 0) yield
  }
  const isWanted = blockNames.map((name) => names.includes(name))
  /** How many of the wanted terms occur in so many of the rows. */
  const frequencies = new Int32Array(rows.length + 1)
  for (let i = 0; i < met.length; i++) {
    if (i % termsPerStep === 0) yield
    const id = met[i] as number
    const sentences = having[id] as number
    if (isWanted[table.blocks[id] as number] === true)
      frequencies[sentences] = (frequencies[sentences] as number) + 1
  }
  // Terms of more sentences than `rarest` are all kept, of those that are in so many the first `room`.
  let rarest = rows.length
  let room = termsMax
  for (; rarest >= sentencesMin && (frequencies[rarest] as number) <= room; rarest--) {
    room -= frequencies[rarest] as number
  }
  const byBlock = blockNames.map((): Array<number> => [])
  for (let i = 0; i < met.length; i++) {
    if (i % termsPerStep === 0) yield
    const id = met[i] as number
    const block = table.blocks[id] as number
    const sentences = having[id] as number
    if (isWanted[block] !== true || sentences < Math.max(rarest, sentencesMin)) continue
    if (sentences === rarest && room-- <= 0) continue
    byBlock[block]?.push(id)
  }
  const kept = byBlock.flat()
  const columnOf = new Int32Array(table.terms.length).fill(-1)
  kept.forEach((id, column) => {
    columnOf[id] = column
  })
  yield
  const blocks = blockNames.flatMap((name, of) => {
    const columns = byBlock[of]?.length ?? 0
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
  for (const [i, part] of parts.entries()) {
    indices.set(part.columns, starts[i])
    values.set(part.values, starts[i])
    if (i % rowsPerStep === 0) yield
  }
  return { columns: vocabulary.terms.length, starts, indices, values }
}
