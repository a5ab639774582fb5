/** Whether the sources of a chain say the same of one bar. */
import type { Bar } from "../../protocols/Bar.ts"

export interface Disagreement {
  /** In the order of their names. */
  readonly sources: readonly [string, string]
  readonly closes: readonly [number, number]
  /** Difference of the closes by the greater of them. */
  readonly share: number
  /** Whether the two agreed the time before: one alarm a spell, not one a bar. */
  readonly isNew: boolean
}

/**
 * Compares a source's bar with what the others said of the same open time.
 * @param disagreeing pairs that disagree at the moment, kept up to date here
 */
export const disagreements = (
  bar: Bar,
  source: string,
  others: ReadonlyMap<string, Bar>,
  disagreeShare: number,
  disagreeing: Set<string>
): ReadonlyArray<Disagreement> => {
  const found: Array<Disagreement> = []
  for (const [name, other] of others) {
    if (name === source) continue
    const isFirst = source < name
    const sources: readonly [string, string] = isFirst ? [source, name] : [name, source]
    const pair = sources.join("/")
    const share = Math.abs(bar.close - other.close) / Math.max(bar.close, other.close)
    if (share <= disagreeShare) disagreeing.delete(pair)
    else {
      const closes: readonly [number, number] = isFirst ? [bar.close, other.close] : [other.close, bar.close]
      found.push({ sources, closes, share, isNew: !disagreeing.has(pair) })
      disagreeing.add(pair)
    }
  }
  return found
}
