/**
 * Sources of live bars as a feed, in the order of preference: a warm-up from their history, then their bars as they
 * come, and after a pause what has been missed.
 *
 * What can go wrong: settings that lead nowhere, instruments that nobody has, a source that cannot be asked for its
 * instruments at all. What happens later is the chain's affair and ends nothing.
 */
import { Effect, Either, Schedule } from "effect"
import type { Instrument } from "../../protocols/Instrument.ts"
import { toMs } from "../../protocols/TimeFrame.ts"
import { contentHash } from "../../protocols/wire/Json.ts"
import { retrying } from "../../runtime/retrying.ts"
import type { Settings } from "../Settings.ts"
import type { BarSource } from "./BarSource.ts"
import { NoSource, type SourceFailed } from "./errors.ts"
import type { Feed } from "./Feed.ts"
import { type RunningChain, runChain } from "./runChain.ts"
import { Venues } from "./Venues.ts"

const instrumentsMaxOfAll = 500
const askAgain = Schedule.intersect(Schedule.exponential("500 millis"), Schedule.recurs(3))
const dayMs = 86_400_000

/** Intervals that hold so many bars of a market that is not always open: weekends, or nights as well. */
const lookBackOf = (instruments: ReadonlyArray<Instrument>, frameMs: number, warmUp: number): number => {
  if (instruments.every(({ calendar }) => calendar === "always")) return warmUp
  const share = instruments.some(({ calendar }) => calendar === "nyse") && frameMs < dayMs ? 6 : 1.6
  return Math.ceil(warmUp * share)
}

const listOf = (source: BarSource) =>
  retrying(source.instruments, {
    schedule: askAgain,
    while: ({ kind }: SourceFailed) => kind === "unavailable" || kind === "rate-limited" || kind === "stalled"
  })

/**
 * The instruments that are followed: those chosen, of the first source with live bars that knows them all, or all of
 * the first. Whichever source is to take its place has to know them too.
 */
const chooseInstruments = Effect.fnUntraced(function* (
  sources: ReadonlyArray<BarSource>,
  { instrumentsMax, symbols }: Settings["marketData"]
) {
  let reason = "the sources have no instruments"
  let failed: SourceFailed | undefined
  for (const source of sources.filter(({ live }) => live !== null)) {
    const listed = yield* Effect.either(listOf(source))
    if (Either.isLeft(listed)) {
      // Without names the others cannot say what this one would have.
      if (symbols.length === 0) return yield* listed.left
      failed ??= listed.left
      continue
    }
    const isNamed = (symbol: string) => (instrument: Instrument) =>
      instrument.id === symbol || instrument.symbol === symbol
    const missing = symbols.filter((symbol) => !listed.right.some(isNamed(symbol)))
    if (missing.length > 0) {
      reason = `${source.name} has no ${missing.join(", ")}`
      continue
    }
    const wanted =
      symbols.length === 0
        ? listed.right
        : listed.right.filter((one) => symbols.some((symbol) => isNamed(symbol)(one)))
    const instruments = instrumentsMax === 0 ? wanted : wanted.slice(0, instrumentsMax)
    if (instruments.length === 0) break
    if (instruments.length <= instrumentsMaxOfAll) return instruments
    reason = `${instruments.length} instruments are more than ${instrumentsMaxOfAll}: choose some by --symbol`
    break
  }
  return yield* failed ?? new NoSource({ reason })
})

export const openLiveFeed = Effect.fnUntraced(function* (settings: Settings["marketData"]) {
  const { history, live, timeFrame, warmUpBarsMin } = settings
  const venues = yield* Venues
  const sources = yield* Effect.forEach(venues.names, venues.get)
  if (!sources.some((source) => source.live !== null)) {
    return yield* new NoSource({ reason: "marketData.sources names none with live bars" })
  }
  const instruments = yield* chooseInstruments(sources, settings)
  const frameMs = toMs(timeFrame)
  const warmUp = Math.max(history, warmUpBarsMin)
  const { barrierMs, backoffMaxMs, backoffMs, failuresMax, ...chain } = live
  let running: RunningChain | undefined
  return {
    source: sources.map(({ kind, name }) => `${name} (${kind})`).join(", "),
    kind: "live",
    // Where the bars come from may change from one life of a run to the next.
    fingerprint: contentHash({ instruments: instruments.map(({ id }) => id), timeFrame }),
    timeFrame,
    instruments,
    total: null,
    warmUp,
    paceMs: frameMs,
    isLive: true,
    // No exchange tells a revision: those of its candles are counted while it is open.
    countsAnew: (name) => sources.some((source) => source.name === name && source.kind === "ccxt"),
    files: [],
    get rowsRefused() {
      return sources.reduce((sum, source) => sum + source.refused(), 0)
    },
    get gaps() {
      return running?.chain.missing().gaps ?? 0
    },
    get barsMissing() {
      return running?.barsMissing() ?? 0
    },
    refusals: [],
    strays: [],
    from: (position) =>
      Effect.map(
        runChain(
          {
            sources,
            request: { instruments, timeFrame },
            chain: { ...chain, frameMs, breaker: { failuresMax, backoffMs, backoffMaxMs } },
            barrierMs,
            warmUp,
            lookBack: lookBackOf(instruments, frameMs, warmUp)
          },
          position
        ),
        (started) => {
          running = started
          return started.take
        }
      ),
    sources: () =>
      running?.chain.health().map((health, i) => ({ ...health, refused: sources[i]?.refused() ?? 0 })) ?? []
  } satisfies Feed
})
