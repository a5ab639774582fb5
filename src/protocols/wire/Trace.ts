/**
 * W3C trace context. The trace id of a bar is derived from its run and as-of, so that it is the same in every
 * repetition, and travels in envelopes and RPC requests from the bar to the fill.
 */
import { Schema } from "effect"
import { derivedId } from "./Ids.ts"

export const Traceparent = Schema.String.pipe(Schema.pattern(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/))
export type Traceparent = typeof Traceparent.Type

export interface TraceContext {
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
}

/** The trace that begins with something that happened: a bar, a command. */
export const rootTraceparent = (...parts: ReadonlyArray<unknown>): Traceparent => {
  const traceId = derivedId("trace", ...parts)
  return `00-${traceId}-${derivedId("span", traceId).slice(0, 16)}-01`
}

export const parseTraceparent = (traceparent: Traceparent): TraceContext => ({
  traceId: traceparent.slice(3, 35),
  spanId: traceparent.slice(36, 52),
  sampled: traceparent.endsWith("01")
})
