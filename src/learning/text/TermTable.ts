/**
 * The terms of many sentences, counted once: what vocabularies of their parts are made from, and the rows that a classifier
 * sees.
 *
 * What can go wrong: more different terms, or more of them altogether, than `termTableLimits` allow (TextRefused).
 */
import { Either } from "effect"
import type { Steps } from "../steps.ts"
import { TextRefused } from "./errors.ts"
import { blockIndexOf, blockNames, termCountsOf } from "./SentenceTerms.ts"

export const termTableLimits = { terms: 4_000_000, entries: 40_000_000 } as const

export interface TermTable {
  /** By their number in the table. */
  readonly terms: ReadonlyArray<string>
  /** [terms]: which block each belongs to, by its place in `blockNames`. */
  readonly blocks: Uint8Array
  /** The numbers of a sentence's terms, block by block in the order of their first occurrence. */
  readonly sentences: ReadonlyArray<{ readonly ids: Int32Array; readonly counts: Int32Array }>
}

export function* makeTermTable(
  sentences: ReadonlyArray<string>
): Steps<Either.Either<TermTable, TextRefused>> {
  const numbers = new Map<string, number>()
  const terms: Array<string> = []
  const blocks: Array<number> = []
  const made: Array<{ readonly ids: Int32Array; readonly counts: Int32Array }> = []
  let entries = 0
  for (const sentence of sentences) {
    const pairs: Array<readonly [id: number, count: number]> = []
    for (const [term, count] of termCountsOf(sentence, blockNames)) {
      const id = numbers.get(term) ?? terms.length
      if (id === terms.length) {
        numbers.set(term, id)
        terms.push(term)
        blocks.push(blockIndexOf(term))
      }
      pairs.push([id, count])
    }
    entries += pairs.length
    const over =
      terms.length > termTableLimits.terms
        ? `${termTableLimits.terms} different terms`
        : entries > termTableLimits.entries
          ? `${termTableLimits.entries} terms`
          : undefined
    if (over !== undefined) {
      return Either.left(
        new TextRefused({ reason: `the first ${made.length + 1} sentences have more than ${over}` })
      )
    }
    made.push({
      ids: Int32Array.from(pairs, ([id]) => id),
      counts: Int32Array.from(pairs, ([, count]) => count)
    })
    yield
  }
  return Either.right({ terms, blocks: Uint8Array.from(blocks), sentences: made })
}
