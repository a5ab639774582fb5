/** Spans that belong to the trace an event or request came with. Without tracing they cost nothing. */
import { Effect, Tracer } from "effect"
import { parseTraceparent, type Traceparent } from "../protocols/wire/Trace.ts"

/** Runs the effect in a span of the given trace. */
export const inTrace =
  (isTracing: boolean, name: string, traceparent: Traceparent) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    isTracing
      ? Effect.withSpan(effect, name, {
          parent: Tracer.externalSpan(parseTraceparent(traceparent)),
          captureStackTrace: false
        })
      : effect
