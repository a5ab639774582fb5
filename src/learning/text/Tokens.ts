/**
 * A sentence as tokens: words in lower case, and numbers by what they count. An amount of money is one token whatever its
 * currency and size, so that what has been learned of one holds for another; its value is kept beside it.
 *
 * What can go wrong: nothing; what is neither a word nor a number (punctuation, symbols) gives no token.
 * Invariants: the same sentence gives the same tokens; no more tokens than characters.
 */

export type NumberKind = "year" | "number" | "percent" | "money"

export interface Token {
  /** The word, or the kind of the number in angle brackets. */
  readonly text: string
  /** Null for a word. */
  readonly number: { readonly kind: NumberKind; readonly value: number } | null
}

const currency =
  /^(?:[$€£¥]|eur|euros?|usd|dollars?|gbp|pounds?|sek|nok|dkk|chf|jpy|yen|cny|yuan|inr|rub|roubles?|cad|aud)$/
const magnitudes: ReadonlyMap<string, number> = new Map([
  ...["k", "thousand"].map((word) => [word, 1e3] as const),
  ...["m", "mn", "mln", "million"].map((word) => [word, 1e6] as const),
  ...["bn", "bln", "billion"].map((word) => [word, 1e9] as const),
  ...["tn", "trillion"].map((word) => [word, 1e12] as const)
])

/** Words with what joins them, numbers with their separators, and the signs that say what a number is. */
const pieces = /\p{L}+(?:['’&.-]\p{L}+)*|\d+(?:[.,]\d+)*|[%$€£¥]|(?<![\p{L}\d])[-–−+](?=[$€£¥]?\d)/gu

const yearsFrom = 1900
const yearsTo = 2100
/** An integer of four digits that stands alone. */
const isYear = (piece: string) =>
  /^\d{4}$/.test(piece) && Number(piece) >= yearsFrom && Number(piece) < yearsTo

/**
 * Commas part thousands, except a single one before other than three digits. What is no number (a date like 1.2.2008) or too
 * large for one counts 0.
 */
const valueOf = (piece: string, magnitude: number): number => {
  const decimalComma = /^\d+,(?:\d{1,2}|\d{4,})$/.test(piece)
  const value = magnitude * Number(decimalComma ? piece.replace(",", ".") : piece.replaceAll(",", ""))
  return Number.isFinite(value) ? value : 0
}

/** Words and digits that were written together, and numbers that were taken apart ("EUR5 .7 m"). */
const separated = (sentence: string): string =>
  sentence
    .normalize("NFKC")
    .toLowerCase()
    .replace(/(\d) ([.,])(?=\d)/g, "$1$2")
    .replace(/(\p{L})(?=\d)/gu, "$1 ")
    .replace(/(\d)(?=\p{L})/gu, "$1 ")

const isPercent = (piece: string | undefined, next: string | undefined): 0 | 1 | 2 => {
  if (piece === "%" || piece === "percent" || piece === "pct" || piece === "percentage") return 1
  return piece === "per" && next === "cent" ? 2 : 0
}

export const tokensOf = (sentence: string): ReadonlyArray<Token> => {
  const found = separated(sentence).match(pieces) ?? []
  const tokens: Array<Token> = []
  for (let i = 0; i < found.length; i++) {
    const piece = found[i] as string
    if (!/^\d/.test(piece)) {
      const isSign = /^[-–−+%$€£¥]$/.test(piece)
      // A currency belongs to its number.
      const leads = currency.test(piece) && /^\d/.test(found[i + 1] ?? "")
      if (!isSign && !leads) tokens.push({ text: piece, number: null })
      continue
    }
    const before = found[i - 1] ?? ""
    const isMoneyBefore = currency.test(before)
    const sign = isMoneyBefore ? found[i - 2] : before
    const isNegative = sign === "minus" || /^[-–−]$/.test(sign ?? "")
    const magnitude = magnitudes.get(found[i + 1] ?? "")
    const after = i + (magnitude === undefined ? 1 : 2)
    const percent = magnitude === undefined ? isPercent(found[after], found[after + 1]) : 0
    const isMoneyAfter = percent === 0 && currency.test(found[after] ?? "")
    const value = (isNegative ? -1 : 1) * valueOf(piece, magnitude ?? 1)
    const kind: NumberKind =
      percent > 0
        ? "percent"
        : isMoneyBefore || isMoneyAfter
          ? "money"
          : magnitude === undefined && isYear(piece)
            ? "year"
            : "number"
    tokens.push({ text: `<${isNegative ? "-" : ""}${kind}>`, number: { kind, value } })
    i = after - 1 + percent
    // The amount again in another currency ("16.5 mn euro $ 21 mn") is a number of its own.
    if (isMoneyAfter && !/^\d/.test(found[after + 1] ?? "")) i++
  }
  return tokens
}
