import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, Either, Schema } from "effect"
import fc from "fast-check"
import { Envelope } from "../../../src/protocols/wire/Envelope.ts"
import { rootTraceparent } from "../../../src/protocols/wire/Trace.ts"

const decode = Schema.decodeUnknownEither(Envelope)

const good = {
  id: "e1",
  type: "bar-closed",
  version: 1,
  run: "run-1",
  source: "market-data",
  occurredAt: 0,
  knownAt: 8_640_000_000_000_000,
  correlation: "",
  causation: "",
  traceparent: rootTraceparent("x"),
  epoch: 0,
  payload: { any: ["thing"] }
}

describe("Envelope", () => {
  it("comes back through JSON as it was", () => {
    fc.assert(
      fc.property(
        Arbitrary.make(Schema.Struct({ ...Envelope.fields, payload: Schema.String })),
        (envelope) => {
          const text = JSON.stringify(Schema.encodeSync(Envelope)(envelope))
          expect(Either.getOrThrow(decode(JSON.parse(text)))).toEqual(JSON.parse(text))
        }
      )
    )
  })

  it("takes a payload of any JSON as it is, and drops fields it does not know", () => {
    expect(decode(good)).toEqual(Either.right(good))
    expect(decode({ ...good, mood: 1 })).toEqual(Either.right(good))
    expect(decode({ ...good, deadline: 5 })).toEqual(Either.right({ ...good, deadline: 5 }))
  })

  it("needs every field but the deadline", () => {
    for (const name of Object.keys(good).filter((key) => key !== "payload")) {
      const { [name as keyof typeof good]: _, ...rest } = good
      expect(Either.isLeft(decode(rest)), name).toBe(true)
    }
  })

  it("refuses numbers that are none, none of its own, or not exact", () => {
    const numbers = [
      Number.NaN,
      Number.POSITIVE_INFINITY,
      JSON.parse("1e999"),
      JSON.parse("9007199254740993"),
      1.5,
      -1,
      "1",
      null
    ]
    for (const field of ["version", "occurredAt", "knownAt", "epoch", "deadline"]) {
      for (const number of numbers) {
        expect(Either.isLeft(decode({ ...good, [field]: number })), `${field} ${number}`).toBe(true)
      }
    }
    expect(Either.isLeft(decode({ ...good, knownAt: 8_640_000_000_000_001 }))).toBe(true)
  })

  it("refuses texts that are too long or no names", () => {
    for (const bad of [
      { id: "x".repeat(65) },
      { correlation: "x".repeat(129) },
      { causation: "x".repeat(129) },
      { run: "a.b" },
      { run: "a*" },
      { source: ">" },
      { type: "" },
      { type: "x".repeat(129) },
      { traceparent: `${good.traceparent}0` },
      { traceparent: good.traceparent.toUpperCase() }
    ]) {
      expect(Either.isLeft(decode({ ...good, ...bad })), JSON.stringify(bad).slice(0, 60)).toBe(true)
    }
  })
})
