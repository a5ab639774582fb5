/**
 * What a linear classifier sees of a sentence: terms in blocks, each of which is weighed and scaled by itself.
 *
 * - `words`: the tokens, and pairs of neighbours, the ends of the sentence included.
 * - `characters`: stretches of characters of every word, its ends marked: what words of one stem have in common.
 * - `changes`: which way what moves (ChangeTerms.ts).
 *
 * Invariants: the same sentence gives the same terms; a term names its block; no term holds a line break.
 */
import { changeTermsOf } from "./ChangeTerms.ts"
import { type Token, tokensOf } from "./Tokens.ts"

export const blockNames = ["words", "characters", "changes"] as const
export type BlockName = (typeof blockNames)[number]

/** Of tokens and terms as they are made here. What was learned of other ones says nothing of these. */
export const textVersion = 1

const charactersPerTerm = 4

const pairsOf = (words: ReadonlyArray<string>): ReadonlyArray<string> =>
  [...words, "$"].map((word, i) => `${words[i - 1] ?? "^"} ${word}`)

const stretchesOf = ({ number, text }: Token): ReadonlyArray<string> => {
  if (number !== null) return []
  const marked = ` ${text} `
  const stretches: Array<string> = []
  for (let at = 0; at + charactersPerTerm <= marked.length; at++) {
    stretches.push(marked.slice(at, at + charactersPerTerm))
  }
  return stretches
}

const makers: { readonly [Name in BlockName]: (tokens: ReadonlyArray<Token>) => ReadonlyArray<string> } = {
  words: (tokens) => {
    const words = tokens.map(({ text }) => text)
    return [...words, ...pairsOf(words)]
  },
  characters: (tokens) => tokens.flatMap(stretchesOf),
  changes: changeTermsOf
}

/** How often each term occurs in a sentence; block by block, in the order of their first occurrence. */
export const termCountsOf = (
  sentence: string,
  blocks: ReadonlyArray<BlockName>
): ReadonlyMap<string, number> => {
  const tokens = tokensOf(sentence)
  const counts = new Map<string, number>()
  for (const block of blocks) {
    for (const term of makers[block](tokens)) {
      const key = `${block}:${term}`
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
  }
  return counts
}

/** The place in `blockNames` of the block that a term names; -1 where it names none. */
export const blockIndexOf = (term: string): number =>
  blockNames.findIndex((name) => term.startsWith(`${name}:`))

/**
 * Sentences that differ in nothing but numbers, punctuation and case are one to a classifier: they have to be on the same
 * side of every split.
 */
export const sentenceGroup = (sentence: string): string =>
  tokensOf(sentence)
    .map(({ text }) => text)
    .join(" ")
