/** A context in memory, of given bars, which notes what it was asked. */
import { Effect } from "effect"
import type { Context } from "../../../src/agents/deep-learning/history.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { type ContextItem, contextItemId } from "../../../src/protocols/ContextItem.ts"
import { toMs } from "../../../src/protocols/TimeFrame.ts"
import { canonicalJson } from "../../../src/protocols/wire/Json.ts"

type Asked<Call extends "Bars" | "Range" | "Keep" | "Latest"> = Parameters<Context[Call]>[0]

export const contextOf = (bars: ReadonlyArray<Bar>) => {
  const asked: Array<Asked<"Bars">> = []
  const kept: Array<ContextItem> = []
  const context = {
    Bars: (question: Asked<"Bars">) =>
      Effect.sync(() => {
        asked.push(question)
        const { asOf, before = asOf + 1, count, instrument, timeFrame } = question
        return bars
          .filter((bar) => bar.instrument === instrument && Math.max(bar.closeTime, bar.knownAt) <= asOf)
          .filter(({ closeTime }) => closeTime < before)
          .slice(-count)
          .filter((bar) => toMs(bar.timeFrame) === toMs(timeFrame))
      }),
    Keep: ({ item }: Asked<"Keep">) =>
      Effect.sync(() => {
        const id = contextItemId(item, canonicalJson(item.payload))
        const isNew = kept.every((other) => other.id !== id)
        // As it comes back: through JSON.
        if (isNew) kept.push({ ...item, id, payload: JSON.parse(canonicalJson(item.payload)) })
        return { id, isNew }
      }),
    Range: ({ from, instrument, limit, to, type }: Asked<"Range">) =>
      Effect.sync(() =>
        kept
          .filter((item) => item.type === type && item.instrument === instrument)
          .filter(({ occurredAt }) => occurredAt >= from && occurredAt < to)
          .sort((a, b) => a.occurredAt - b.occurredAt)
          .slice(0, limit)
      )
  } as unknown as Context
  return { context, asked, kept }
}
