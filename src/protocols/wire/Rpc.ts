/** Calls between agents: `@effect/rpc` with the errors that any call may have. */
import { Rpc } from "@effect/rpc"
import { Schema } from "effect"
import { CallError } from "./errors.ts"

/** A call answered once. */
export const call = <
  const Tag extends string,
  P extends Schema.Struct.Fields,
  S extends Schema.Schema.Any,
  E extends Schema.Schema.All = typeof Schema.Never
>(
  tag: Tag,
  options: { readonly payload: P; readonly success: S; readonly error?: E }
) =>
  Rpc.make(tag, {
    payload: options.payload,
    success: options.success,
    error: Schema.Union(CallError, (options.error ?? Schema.Never) as E)
  })

/** A call answered by a stream. */
export const streamingCall = <
  const Tag extends string,
  P extends Schema.Struct.Fields,
  S extends Schema.Schema.Any,
  E extends Schema.Schema.All = typeof Schema.Never
>(
  tag: Tag,
  options: { readonly payload: P; readonly success: S; readonly error?: E }
) =>
  Rpc.make(tag, {
    payload: options.payload,
    success: options.success,
    error: Schema.Union(CallError, (options.error ?? Schema.Never) as E),
    stream: true
  })
