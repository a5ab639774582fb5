/**
 * Puts the bars of a chain together as-of by as-of: whoever ranks or correlates instruments must have all bars of an
 * instant at once. An as-of is let go when every instrument has got so far, or `barrierMs` after its first bar; then
 * what is not there is absent. For bars that are being fetched it waits up to `fillMs`, and without a limit while the
 * past of the run is still being fetched, since then nothing is late.
 *
 * Invariants: as-ofs are let go strictly rising; of an as-of every instrument has at most one bar, in the order of the
 * instruments. A bar whose as-of is gone is dropped and counted.
 */
import type { Bar } from "../../protocols/Bar.ts"
import type { FeedChain } from "./FeedChain.ts"

export interface BarrierOptions {
  readonly instruments: ReadonlyArray<string>
  readonly barrierMs: number
  readonly fillMs: number
}

interface Waiting {
  readonly since: number
  readonly bars: Map<string, Bar>
}

export interface AsOfBarrier {
  readonly push: (bar: Bar, now: number) => void
  /** The bars of the next as-of, if it may go. */
  readonly next: (
    now: number,
    chain: Pick<FeedChain, "next" | "isFilling" | "isCatchingUp">
  ) => ReadonlyArray<Bar> | undefined
  /** Forgets all that wait but the last so many as-ofs. */
  readonly keepLast: (asOfs: number) => void
  /** Bars that came after their as-of, or when there was no room. */
  readonly late: () => number
}

/** As-ofs that wait for whoever takes them; bars of further ones are dropped. */
const waitingMax = 100_000

/** @param after the latest as-of that is gone already */
export const makeAsOfBarrier = (options: BarrierOptions, after: number | null): AsOfBarrier => {
  const { barrierMs, fillMs, instruments } = options
  const waiting = new Map<number, Waiting>()
  /** Of what waits, rising. */
  const order: Array<number> = []
  let gone = after ?? Number.NEGATIVE_INFINITY
  let late = 0

  const enter = (asOf: number, now: number): Waiting => {
    const entered: Waiting = { since: now, bars: new Map() }
    waiting.set(asOf, entered)
    // Nearly always the last.
    let at = order.length
    while (at > 0 && (order[at - 1] as number) > asOf) at--
    order.splice(at, 0, asOf)
    return entered
  }

  return {
    push: (bar, now) => {
      const at = waiting.get(bar.closeTime)
      if (bar.closeTime <= gone || (at === undefined && order.length >= waitingMax)) late++
      else (at ?? enter(bar.closeTime, now)).bars.set(bar.instrument, bar)
    },
    next: (now, chain) => {
      const asOf = order[0]
      const at = asOf === undefined ? undefined : waiting.get(asOf)
      if (asOf === undefined || at === undefined) return undefined
      const absent = instruments.filter(
        (instrument) =>
          !at.bars.has(instrument) && (chain.next(instrument) ?? Number.NEGATIVE_INFINITY) < asOf
      )
      if (absent.length > 0) {
        if (chain.isCatchingUp()) return undefined
        const patienceMs = absent.some(chain.isFilling) ? Math.max(fillMs, barrierMs) : barrierMs
        if (now - at.since < patienceMs) return undefined
      }
      waiting.delete(asOf)
      order.shift()
      gone = asOf
      return instruments.flatMap((instrument) => at.bars.get(instrument) ?? [])
    },
    keepLast: (asOfs) => {
      for (const asOf of order.splice(0, Math.max(0, order.length - asOfs))) waiting.delete(asOf)
    },
    late: () => late
  }
}
