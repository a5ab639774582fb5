/** Chains of sources in a test: their options, bars with prices of their own, and a chain that is driven by hand. */
import { Either } from "effect"
import { SourceFailed } from "../../../src/agents/market-data/errors.ts"
import type {
  ChainInput,
  ChainOptions,
  ChainOutput,
  ChainStart,
  FeedEvent,
  GapRequest
} from "../../../src/agents/market-data/FeedChain.ts"
import { makeFeedChain } from "../../../src/agents/market-data/makeFeedChain.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { type InstrumentId, instrumentId } from "../../../src/protocols/Instrument.ts"
import { TimeFrame, toMs } from "../../../src/protocols/TimeFrame.ts"

export const timeFrame = TimeFrame.make("10s")
export const frameMs = toMs(timeFrame)
/** Of the first bar; a whole number of intervals. */
export const startTime = Date.UTC(2024, 0, 1)
export const alpha = instrumentId("sim", "ALPHA", "spot")
export const beta = instrumentId("sim", "BETA", "spot")

export const openTimeAt = (index: number): number => startTime + index * frameMs

/** The bar at an index as a source says it. */
export const barAt = (
  index: number,
  changes: Partial<Bar> & { readonly instrument?: InstrumentId } = {}
): Bar => {
  const openTime = openTimeAt(index)
  const close = changes.close ?? 100 + index
  return {
    instrument: alpha,
    timeFrame,
    openTime,
    closeTime: openTime + frameMs,
    open: close,
    high: close,
    low: close,
    close,
    volume: 1,
    closeOnly: false,
    source: "a",
    sequence: index,
    revision: 0,
    knownAt: openTime + frameMs,
    ...changes
  }
}

export const failure = (source: string, changes: Partial<SourceFailed> = {}): SourceFailed =>
  new SourceFailed({ source, kind: "unavailable", reason: "it is gone", retryAfterMs: null, ...changes })

export const source = (name: string, sides: "both" | "live" | "history" = "live") => ({
  name,
  kind: "companion",
  hasLive: sides !== "history",
  hasHistory: sides !== "live"
})

export const chainOptions = (changes: Partial<ChainOptions> = {}): ChainOptions => ({
  sources: [source("a"), source("b")],
  instruments: [alpha],
  frameMs,
  handOverMs: 2_000,
  wellForMs: 300_000,
  fillMs: 10_000,
  disagreeShare: 0.005,
  breaker: { failuresMax: 3, backoffMs: 500, backoffMaxMs: 8_000 },
  ...changes
})

type Untimed<Input> = Input extends unknown ? Omit<Input, "now" | "wallMs"> : never

/** A chain with a clock that is set by hand: milliseconds since the first bar opened. */
export const drive = (options: ChainOptions, start: Partial<ChainStart> = {}) => {
  const chain = makeFeedChain(options, { active: null, next: new Map(), through: startTime, ...start })
  const outputs: Array<ChainOutput> = []
  let now = 0
  const give = (input: Untimed<ChainInput>): ReadonlyArray<ChainOutput> => {
    const given = Either.getOrThrow(chain.step({ ...input, now, wallMs: startTime + now } as ChainInput))
    outputs.push(...given)
    return given
  }
  return {
    chain,
    outputs,
    now: () => now,
    /** Lets time pass, a tick at its end. */
    at: (ms: number) => {
      now = ms
      return give({ type: "tick" })
    },
    bar: (source: string, bar: Bar) => give({ type: "bar", source, bar: { ...bar, source } }),
    fail: (source: string, changes: Partial<SourceFailed> = {}) =>
      give({ type: "failed", source, failure: failure(source, changes) }),
    filled: (request: GapRequest, bars: ReadonlyArray<Bar>, isLast = true) =>
      give({
        type: "filled",
        request,
        bars: bars.map((bar) => ({ ...bar, source: request.source })),
        isLast
      }),
    notFilled: (request: GapRequest, changes: Partial<SourceFailed> = {}) =>
      give({ type: "not-filled", request, failure: failure(request.source, changes) }),
    /** What has been passed on so far, as `source@index`. */
    passed: (instrument: InstrumentId = alpha) =>
      outputs.flatMap((output) =>
        output.type === "emit" && output.bar.instrument === instrument
          ? [`${output.bar.source}@${(output.bar.openTime - startTime) / frameMs}`]
          : []
      ),
    events: () => outputs.flatMap((output) => (output.type === "event" ? [output.event] : [])),
    requests: () => outputs.flatMap((output) => (output.type === "fill" ? [output.request] : []))
  }
}

export const handOvers = (events: ReadonlyArray<FeedEvent>): ReadonlyArray<string> =>
  events.flatMap((event) =>
    event.type === "FeedHandedOver" ? [`${event.payload.from}>${event.payload.to}`] : []
  )
