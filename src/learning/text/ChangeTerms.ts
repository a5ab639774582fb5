/**
 * What a sentence says of a change, as terms: which way a quantity moved, by the words around it and by its amounts ("EUR
 * 11.1 mn, down from EUR 13.8 mn"), and whether that quantity is one that a company wants more of.
 *
 * Invariant: the terms depend on the order of amounts, not on their size or currency.
 */
import { type WordClass, wordClassOf } from "./FinanceWords.ts"
import type { Token } from "./Tokens.ts"

/** Tokens between a movement and the quantity that moves. */
const reachTokens = 8
/** Tokens between an amount and the one it is compared with. */
const comparisonTokens = 14
/** Tokens before an amount in which it is said whether it is a profit or a loss. */
const subjectTokens = 40

type Quantity = "asset" | "burden"
const isQuantity = (of: WordClass | undefined): of is Quantity => of === "asset" || of === "burden"

/** The class of the nearest quantity: before a place if there is one, else after it. */
const quantityNear = (classes: ReadonlyArray<WordClass | undefined>, at: number): Quantity | undefined => {
  for (let i = at - 1; i >= Math.max(0, at - reachTokens); i--) {
    const of = classes[i]
    if (isQuantity(of)) return of
  }
  for (let i = at + 1; i <= Math.min(classes.length - 1, at + reachTokens); i++) {
    const of = classes[i]
    if (isQuantity(of)) return of
  }
  return undefined
}

const isAmount = ({ number }: Token) => number !== null && number.kind !== "year"

const profitOrLoss = (tokens: ReadonlyArray<Token>, from: number, to: number): string | undefined => {
  for (let i = to - 1; i >= from; i--) {
    const { text } = tokens[i] as Token
    if (text.startsWith("loss")) return "loss"
    if (text.startsWith("profit")) return "profit"
  }
  return undefined
}

/** Amounts that are compared: the later one against the one that came before it in time. */
const comparisons = (
  tokens: ReadonlyArray<Token>,
  classes: ReadonlyArray<WordClass | undefined>
): ReadonlyArray<string> => {
  const terms: Array<string> = []
  let last: number | undefined
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as Token
    if (!isAmount(token)) continue
    const { kind, value } = token.number as NonNullable<Token["number"]>
    const before = last === undefined ? undefined : (tokens[last] as Token)
    if (last !== undefined && before?.number?.kind === kind && i - last <= comparisonTokens) {
      const between = tokens.slice(last + 1, i)
      const isCompared = classes.slice(last + 1, i).includes("comparison")
      // "from 3 to 5" names the earlier amount first.
      const isForward = tokens[last - 1]?.text === "from" && between.some(({ text }) => text === "to")
      if (isCompared || isForward) {
        const [was, is] = isForward ? [before.number.value, value] : [value, before.number.value]
        const wasLoss = profitOrLoss(tokens, last + 1, i)
        const isLoss = profitOrLoss(tokens, Math.max(0, last - subjectTokens), last)
        const way = is > was ? "more" : is < was ? "less" : "same"
        const quantity = quantityNear(classes, last) ?? "unknown"
        terms.push(way, `${way} ${quantity}`)
        if (isLoss !== undefined && wasLoss !== undefined && isLoss !== wasLoss)
          terms.push(`${wasLoss} to ${isLoss}`)
        else if (isLoss === "loss") terms.push(`${way} loss`)
      }
    }
    last = i
  }
  return terms
}

export const changeTermsOf = (tokens: ReadonlyArray<Token>): ReadonlyArray<string> => {
  const classes = tokens.map(({ number, text }) => (number === null ? wordClassOf(text) : undefined))
  const terms: Array<string> = [...comparisons(tokens, classes)]
  for (const [at, of] of classes.entries()) {
    if (of === undefined) continue
    const isNegated = classes.slice(Math.max(0, at - 3), at).includes("negation")
    terms.push(isNegated ? `not ${of}` : of)
    if (of !== "rise" && of !== "fall") continue
    const quantity = quantityNear(classes, at)
    if (quantity !== undefined) terms.push(`${of} ${quantity}`)
  }
  return terms
}
