/** What a feed has refused of its files, told to people: the first rows one by one, the rest by number. */
import type { Feed } from "./Feed.ts"

const toldMax = 5

export const refusalLines = ({
  refusals,
  rowsRefused,
  strays
}: Pick<Feed, "refusals" | "rowsRefused" | "strays">): ReadonlyArray<string> => {
  const lines = strays.map(({ bars, calendar, first, path }) => {
    const date = new Date(first).toISOString().slice(0, 10)
    return bars === 1
      ? `${path}: the bar of ${date} is left out: ${calendar} has no session on that day`
      : `${path}: ${bars} bars of days without a session of ${calendar} are left out, the first of ${date}`
  })
  const told = refusals.slice(0, toldMax)
  lines.push(...told.map(({ line, path, reason }) => `${path}:${line}: refused: ${reason}`))
  const more = rowsRefused - told.length - strays.reduce((sum, { bars }) => sum + bars, 0)
  if (more > 0) lines.push(`${more} more rows were refused`)
  return lines
}
