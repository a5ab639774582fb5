/** How the sources of a live feed do, for people. */
import type { FeedState } from "../protocols/rpc/MarketDataRpcs.ts"
import { table } from "./output.ts"

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`

/** A line for each source in the order of preference; none for other feeds. */
export const feedSourceLines = ({
  corrections = 0,
  handOvers = 0,
  sources = []
}: FeedState): ReadonlyArray<string> => {
  if (sources.length === 0) return []
  const rows = sources.map(({ refused = 0, ...source }) => [
    `  ${source.name}`,
    source.role,
    source.breaker === "closed" ? source.state : `${source.state}, breaker ${source.breaker}`,
    `${source.bars} bars`,
    source.latencyMs === null ? "" : `${seconds(source.latencyMs)} after the close`,
    source.wellForMs === null ? "" : `well for ${seconds(source.wellForMs)}`,
    `${source.failures} failures, ${source.disagreements} disagreements${refused === 0 ? "" : `, ${refused} refused`}`,
    source.lastFailure ?? ""
  ])
  return [table(rows), `  ${handOvers} hand-overs, ${corrections} bars corrected or late`]
}
