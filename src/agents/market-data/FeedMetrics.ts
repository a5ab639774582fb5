/** What a chain of feeds counts for whoever watches the node. */
import { Metric, MetricLabel } from "effect"
import type { FeedEvent } from "./FeedChain.ts"

const counter = (name: string) => Metric.counter(name, { incremental: true })

const events: Readonly<Record<FeedEvent["type"], Metric.Metric.Counter<number>>> = {
  FeedHandedOver: counter("feed-hand-overs"),
  FeedsDisagreed: counter("feed-disagreements"),
  FeedRecovered: counter("feed-recoveries")
}
const failures = counter("feed-source-failures")
const dropped = counter("feed-bars-dropped")
const corrected = counter("feed-bars-corrected")
const eventsDropped = counter("feed-events-dropped")
const refused = counter("feed-bars-refused")

export const countEvent = (type: FeedEvent["type"]): void => events[type].unsafeUpdate(1, [])

export const countFailure = (source: string): void =>
  failures.unsafeUpdate(1, [MetricLabel.make("source", source)])

/** What a source was told that was to be a bar and is none. */
export const countRefused = (source: string): void =>
  refused.unsafeUpdate(1, [MetricLabel.make("source", source)])

export const countCorrected = (bars: number): void => corrected.unsafeUpdate(bars, [])

export const countEventsDropped = (): void => eventsDropped.unsafeUpdate(1, [])

/** Counts what has been dropped since the counts before, by why. */
export const countDropped = (
  before: Readonly<Record<string, number>>,
  now: Readonly<Record<string, number>>
): void => {
  for (const [reason, count] of Object.entries(now)) {
    const more = count - (before[reason] ?? 0)
    if (more > 0) dropped.unsafeUpdate(more, [MetricLabel.make("reason", reason)])
  }
}
