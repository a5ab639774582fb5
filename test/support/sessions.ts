/** Daily bar files of an instrument of New York: one row a session, prices of a walk. */
import { nyseSessionOn } from "../../src/market/time/NyseSessions.ts"
import { keyedRandom } from "../../src/protocols/wire/KeyedRandom.ts"

const dayMs = 86_400_000

/** The dates of the sessions from one date to another, both included. */
export const sessionDates = (first: string, last: string): ReadonlyArray<string> => {
  const days = Math.round((Date.parse(last) - Date.parse(first)) / dayMs) + 1
  return Array.from({ length: days }, (_, i) => Date.parse(first) / dayMs + i)
    .filter((day) => nyseSessionOn(day) !== undefined)
    .map((day) => new Date(day * dayMs).toISOString().slice(0, 10))
}

/** The text of a file of several instruments, one row each a date. */
export const dailyText = (dates: ReadonlyArray<string>, symbols: ReadonlyArray<string> = ["SPX"]): string => {
  const random = keyedRandom("daily bars")
  const closes = symbols.map(() => 100)
  const rows = dates.flatMap((date) =>
    symbols.map((symbol, k) => {
      const open = closes[k] as number
      const close = open * Math.exp(0.01 * random.normal())
      closes[k] = close
      const [high, low] = [Math.max(open, close) * 1.002, Math.min(open, close) * 0.998]
      return [date, symbol, open, high, low, close, 1_000 + random.int(500)].join(",")
    })
  )
  return ["date,ticker,open,high,low,close,volume", ...rows, ""].join("\n")
}
