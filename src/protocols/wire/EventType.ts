/**
 * Typed, versioned events. An event type is its name, its current version, the schema of its payload and the
 * pure upcasters that lift payloads of older versions; what is stored is never rewritten. A version newer
 * than the one known here is reported apart, because it has to wait for an upgrade and is not a dead letter.
 */
import { Either, ParseResult, Schema } from "effect"
import { Envelope, type EnvelopeHeader } from "./Envelope.ts"
import { truncateReason } from "./Ids.ts"
import { describeRefusal, parseJson, refuseNonFinite, stringifyToBytes } from "./Json.ts"

/** Lifts a payload by one version. Takes and gives plain JSON. */
export type Upcaster = (payload: unknown) => unknown

export interface EventType<Type extends string, A> {
  readonly type: Type
  readonly version: number
  /** Brands and filters only: the encoded form of a payload is the payload. */
  readonly schema: Schema.Schema<A, unknown>
  /** Upcasters by the version they start from: `{ 1: from1to2 }`. */
  readonly upcasters: Readonly<Record<number, Upcaster>>
}

export interface AnyEventType {
  readonly type: string
  readonly version: number
  readonly schema: Schema.Schema.AnyNoContext
  readonly upcasters: Readonly<Record<number, Upcaster>>
}

/**
 * Events are plain JSON: the schema may check and brand, but not transform, so that encoding cannot fail.
 */
export const make = <const Type extends string, A, I>(options: {
  readonly type: Type
  readonly version: number
  readonly schema: Schema.Schema<A, I>
  readonly upcasters?: Readonly<Record<number, Upcaster>>
}): EventType<Type, A> => ({
  type: options.type,
  version: options.version,
  schema: options.schema as unknown as Schema.Schema<A, unknown>,
  upcasters: options.upcasters ?? {}
})

export interface Event<Type extends string, A> extends Omit<EnvelopeHeader, "type"> {
  readonly type: Type
  readonly payload: A
}

/** The events that a list of event types can produce. */
export type EventOf<Types> = Types extends EventType<infer Type, infer A> ? Event<Type, A> : never

/** Why bytes are not an event. `Newer` is parked until an upgrade, the others are dead letters. */
export type EventRefusal =
  | { readonly _tag: "Malformed"; readonly reason: string }
  | { readonly _tag: "UnknownType"; readonly type: string; readonly reason: string }
  | { readonly _tag: "Newer"; readonly type: string; readonly version: number; readonly reason: string }

const decodeEnvelope = Schema.decodeUnknownEither(Envelope)

const formatIssue = (error: ParseResult.ParseError): string => {
  const [first] = ParseResult.ArrayFormatter.formatErrorSync(error)
  return truncateReason(first === undefined ? error.message : `${first.path.join(".")}: ${first.message}`)
}

const malformed = (reason: string): EventRefusal => ({ _tag: "Malformed", reason: truncateReason(reason) })

type Decoded = Either.Either<Event<string, unknown>, EventRefusal>

/**
 * Within a process the journal hands the bytes of an event to every reader. Events are never changed, so they share
 * one reading of them; and what was written here is not read at all.
 */
const written = new WeakMap<Uint8Array, Event<string, unknown>>()
const decodedBefore = new WeakMap<Uint8Array, Map<AnyEventType, Decoded>>()
const parsedBefore = new WeakMap<Uint8Array, Either.Either<Envelope, EventRefusal>>()

/**
 * Makes the bytes of an event. The payload is trusted to have its schema's type; a number that JSON cannot hold in
 * it is a bug of the caller.
 */
export const encode = <Type extends string, A>(
  eventType: EventType<Type, A>,
  event: Omit<Event<Type, A>, "type" | "version">
): Buffer => {
  const full = { ...event, type: eventType.type, version: eventType.version }
  refuseNonFinite(full)
  const bytes = stringifyToBytes(full)
  written.set(bytes, full)
  return bytes
}

const parseEnvelope = (bytes: Uint8Array): Either.Either<Envelope, EventRefusal> => {
  const before = parsedBefore.get(bytes)
  if (before !== undefined) return before
  const parsed = Either.mapLeft(parseJson(bytes), (refusal) => malformed(describeRefusal(refusal)))
  const envelope = Either.flatMap(parsed, (json) =>
    Either.mapLeft(decodeEnvelope(json), (error) => malformed(formatIssue(error)))
  )
  parsedBefore.set(bytes, envelope)
  return envelope
}

type PayloadDecoder = (payload: unknown) => Either.Either<unknown, ParseResult.ParseError>

const decodePayload = (envelope: Envelope, eventType: AnyEventType, decode: PayloadDecoder): Decoded => {
  const { type, version } = envelope
  if (version > eventType.version) {
    const reason = `${type} version ${version} is newer than ${eventType.version}, the newest known here`
    return Either.left({ _tag: "Newer", type, version, reason })
  }
  let { payload } = envelope
  for (let v = version; v < eventType.version; v++) {
    const upcast = eventType.upcasters[v]
    if (upcast === undefined) return Either.left(malformed(`no upcaster from ${type} version ${v}`))
    try {
      payload = upcast(payload)
    } catch (cause) {
      return Either.left(malformed(`upcasting ${type} from version ${v} failed: ${String(cause)}`))
    }
  }
  return Either.mapBoth(decode(payload), {
    onLeft: (error) => malformed(formatIssue(error)),
    onRight: (decoded) => ({ ...envelope, version: eventType.version, payload: decoded })
  })
}

/** A decoder for the given event types; bytes of any other type are refused by name. */
export const decoder = <const Types extends ReadonlyArray<AnyEventType>>(
  types: Types
): ((bytes: Uint8Array) => Either.Either<EventOf<Types[number]>, EventRefusal>) => {
  const known = new Map(
    types.map((eventType) => [
      eventType.type,
      { eventType, decode: Schema.decodeUnknownEither(eventType.schema) as PayloadDecoder }
    ])
  )
  return (bytes) => {
    const own = written.get(bytes)
    if (own !== undefined && known.get(own.type)?.eventType.version === own.version) {
      return Either.right(own as EventOf<Types[number]>)
    }
    const envelope = parseEnvelope(bytes)
    if (Either.isLeft(envelope)) return Either.left(envelope.left)
    const { type } = envelope.right
    const entry = known.get(type)
    if (entry === undefined) {
      return Either.left({ _tag: "UnknownType", type, reason: `no event type "${type}" is known here` })
    }
    const byType = decodedBefore.get(bytes) ?? new Map<AnyEventType, Decoded>()
    decodedBefore.set(bytes, byType)
    const before = byType.get(entry.eventType)
    const decoded = before ?? decodePayload(envelope.right, entry.eventType, entry.decode)
    if (before === undefined) byType.set(entry.eventType, decoded)
    return decoded as Either.Either<EventOf<Types[number]>, EventRefusal>
  }
}
