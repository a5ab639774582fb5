import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, Either, Schema } from "effect"
import fc from "fast-check"
import { EnvelopeHeader } from "../../../src/protocols/wire/Envelope.ts"
import * as EventType from "../../../src/protocols/wire/EventType.ts"
import { epochZero, RunId } from "../../../src/protocols/wire/Ids.ts"
import { Limits } from "../../../src/protocols/wire/Limits.ts"
import { rootTraceparent } from "../../../src/protocols/wire/Trace.ts"

const Payload = Schema.Struct({
  price: Schema.Finite,
  lots: Schema.Int,
  note: Schema.String.pipe(Schema.maxLength(40)),
  side: Schema.Literal("buy", "sell"),
  tags: Schema.Array(Schema.String.pipe(Schema.maxLength(10))).pipe(Schema.maxItems(4))
})

const Traded = EventType.make({ type: "traded", version: 1, schema: Payload })
const Settled = EventType.make({ type: "settled", version: 1, schema: Schema.Struct({ at: Schema.Int }) })

/** The third version of an event: of a price in euros, then in cents, then with its currency. */
const PriceV3 = EventType.make({
  type: "price",
  version: 3,
  schema: Schema.Struct({ cents: Schema.Int, currency: Schema.String }),
  upcasters: {
    1: (payload) => ({ cents: Math.round((payload as { readonly euros: number }).euros * 100) }),
    2: (payload) => ({ ...(payload as object), currency: "EUR" })
  }
})
const PriceV2 = EventType.make({
  type: "price",
  version: 2,
  schema: Schema.Struct({ cents: Schema.Int }),
  upcasters: { 1: PriceV3.upcasters[1] as EventType.Upcaster }
})
const PriceV1 = EventType.make({ type: "price", version: 1, schema: Schema.Struct({ euros: Schema.Finite }) })

const header = {
  id: "e1",
  run: RunId.make("test"),
  source: "probe",
  occurredAt: 1_000,
  knownAt: 1_001,
  correlation: "round",
  causation: "",
  traceparent: rootTraceparent("e1"),
  epoch: epochZero
}

/** As another process sees it: bytes, and nothing that this one remembers of them. */
const received = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes)

const raw = (change: object = {}, payload: unknown = { at: 5 }): Uint8Array =>
  Buffer.from(JSON.stringify({ ...header, type: "settled", version: 1, payload, ...change }))

/** With numbers that JSON.stringify does not write. */
const withText = (from: string, to: string): Uint8Array =>
  Buffer.from(Buffer.from(raw()).toString("utf8").replace(from, to))

const decode = EventType.decoder([Traded, Settled])
const refusal = (bytes: Uint8Array) => Either.getOrThrow(Either.flip(decode(bytes)))

describe("an event", () => {
  it("comes back as it was written, whatever its envelope and payload hold", () => {
    const { type: _, version: __, ...fields } = EnvelopeHeader.fields
    const arbitrary = Arbitrary.make(Schema.Struct({ ...fields, payload: Payload }))
    const withoutMinusZero = (value: unknown) => JSON.parse(JSON.stringify(value))
    fc.assert(
      fc.property(arbitrary, (event) => {
        const bytes = EventType.encode(Traded, event)
        const expected = { ...event, type: "traded", version: 1 }
        expect(Either.getOrThrow(decode(bytes))).toEqual(expected)
        expect(Either.getOrThrow(decode(received(bytes)))).toEqual(withoutMinusZero(expected))
      })
    )
  })

  it("is told by its type from the others that are known", () => {
    const settled = EventType.encode(Settled, { ...header, payload: { at: 7 } })
    expect(Either.getOrThrow(decode(received(settled)))).toMatchObject({
      type: "settled",
      payload: { at: 7 }
    })
  })

  it("is read once for all readers of the same bytes, and by each as its own type", () => {
    const bytes = received(raw())
    const first = Either.getOrThrow(decode(bytes))
    expect(Either.getOrThrow(EventType.decoder([Settled])(bytes))).toBe(first)
    expect(Either.isLeft(EventType.decoder([Traded])(bytes))).toBe(true)
    const Other = EventType.make({
      type: "settled",
      version: 1,
      schema: Schema.Struct({ at: Schema.String })
    })
    expect(Either.isLeft(EventType.decoder([Other])(bytes))).toBe(true)
  })

  it("loses what its reader does not know, in the envelope and in the payload", () => {
    const decoded = Either.getOrThrow(decode(raw({ mood: "good" }, { at: 5, color: "red" })))
    expect(decoded).not.toHaveProperty("mood")
    expect(decoded.payload).toEqual({ at: 5 })
  })

  it("cannot be written with a number that JSON does not hold", () => {
    for (const price of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const payload = { price, lots: 1, note: "", side: "buy" as const, tags: [] }
      expect(() => EventType.encode(Traded, { ...header, payload })).toThrow("cannot be written as JSON")
    }
  })
})

describe("an event of another version", () => {
  const [v1, v2, v3] = [
    EventType.encode(PriceV1, { ...header, payload: { euros: 1.5 } }),
    EventType.encode(PriceV2, { ...header, payload: { cents: 150 } }),
    EventType.encode(PriceV3, { ...header, payload: { cents: 150, currency: "EUR" } })
  ]

  it("is lifted step by step when it is older", () => {
    const latest = EventType.decoder([PriceV3])
    for (const bytes of [v1, v2, v3, received(v1), received(v2), received(v3)]) {
      expect(Either.getOrThrow(latest(bytes))).toMatchObject({
        version: 3,
        payload: { cents: 150, currency: "EUR" }
      })
    }
    expect(Either.getOrThrow(EventType.decoder([PriceV2])(v1)).payload).toEqual({ cents: 150 })
  })

  it("is reported as newer when it is, by those who wrote it too", () => {
    for (const bytes of [v3, received(v3)]) {
      expect(Either.flip(EventType.decoder([PriceV2])(bytes))).toEqual(
        Either.right({
          _tag: "Newer",
          type: "price",
          version: 3,
          reason: "price version 3 is newer than 2, the newest known here"
        })
      )
    }
  })

  it("is newer even when its payload is nothing that is known here", () => {
    expect(refusal(raw({ version: 2 }, { anything: [1, 2] }))._tag).toBe("Newer")
    expect(refusal(raw({ version: 10_000 }, null))._tag).toBe("Newer")
  })

  it("is malformed when the way to lift it is missing, throws, or leads to something else", () => {
    const schema = Schema.Struct({ cents: Schema.Int })
    const decodeWith = (upcasters: Record<number, EventType.Upcaster>) =>
      Either.getOrThrow(
        Either.flip(EventType.decoder([EventType.make({ type: "price", version: 3, schema, upcasters })])(v1))
      )
    expect(decodeWith({ 2: (payload) => payload })).toEqual({
      _tag: "Malformed",
      reason: "no upcaster from price version 1"
    })
    const throwing = () => {
      throw new Error("no euros")
    }
    expect(decodeWith({ 1: throwing, 2: (payload) => payload }).reason).toContain("no euros")
    expect(decodeWith({ 1: () => ({ cents: "many" }), 2: (payload) => payload }).reason).toContain("cents")
  })
})

describe("bytes that are no event", () => {
  it("are refused by name when their type is unknown", () => {
    expect(refusal(raw({ type: "sung" }))).toEqual({
      _tag: "UnknownType",
      type: "sung",
      reason: 'no event type "sung" is known here'
    })
  })

  const cases: ReadonlyArray<readonly [string, Uint8Array, string]> = [
    ["no JSON", Buffer.from("{"), "not JSON"],
    ["another JSON", Buffer.from("[1]"), "Expected"],
    ["too deep", Buffer.from(`{"payload":${"[".repeat(100_000)}`), "nested deeper"],
    ["too large", new Uint8Array(Limits.payloadBytesMax + 1), "more than"],
    ["with a poisonous key", Buffer.from('{"payload":{"__proto__":{}}}'), "__proto__"],
    ["without an id", raw({ id: undefined }), "id"],
    ["with an id too long", raw({ id: "x".repeat(65) }), "id"],
    ["with a type that is no identifier", raw({ type: "a.b" }), "type"],
    ["of version 0", raw({ version: 0 }), "version"],
    ["of half a version", raw({ version: 1.5 }), "version"],
    ["of a run that would be two tokens", raw({ run: "a.b" }), "run"],
    ["before 1970", raw({ occurredAt: -1 }), "occurredAt"],
    ["of an epoch below zero", raw({ epoch: -1 }), "epoch"],
    ["of an epoch beyond exact integers", withText('"epoch":0', '"epoch":9007199254740993'), "epoch"],
    ["known at infinity", withText('"knownAt":1001', '"knownAt":1e999'), "knownAt"],
    ["without a trace", raw({ traceparent: "00-0-0-01" }), "traceparent"],
    ["without its payload's field", raw({}, {}), "at"],
    ["with a payload of another kind", raw({}, "text"), "Expected"],
    ["with infinity in its payload", withText('"at":5', '"at":1e999'), "at"],
    ["with an integer that is none in its payload", withText('"at":5', '"at":9007199254740993'), "at"]
  ]
  for (const [what, bytes, reason] of cases) {
    it(`are malformed: ${what}`, () => {
      const refused = refusal(bytes)
      expect(refused._tag).toBe("Malformed")
      expect(refused.reason).toContain(reason)
      expect(refused.reason.length).toBeLessThanOrEqual(Limits.reasonCharsMax)
    })
  }

  it("never make the decoder throw, whatever they are", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.json().map(Buffer.from)), (bytes) => {
        expect(Either.isLeft(decode(bytes))).toBe(true)
      })
    )
  })
})
