import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import fc from "fast-check"
import { parseTraceparent, rootTraceparent, Traceparent } from "../../../src/protocols/wire/Trace.ts"

/** As the W3C writes it. */
const formatTraceparent = (trace: {
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
}): Traceparent => Traceparent.make(`00-${trace.traceId}-${trace.spanId}-${trace.sampled ? "01" : "00"}`)

const hex = (length: number) => fc.hexaString({ minLength: length, maxLength: length })

describe("a traceparent", () => {
  it("comes back as the trace that it was made of", () => {
    fc.assert(
      fc.property(hex(32), hex(16), fc.boolean(), (traceId, spanId, sampled) => {
        const traceparent = formatTraceparent({ traceId, spanId, sampled })
        expect(Schema.is(Traceparent)(traceparent)).toBe(true)
        expect(parseTraceparent(traceparent)).toEqual({ traceId, spanId, sampled })
      })
    )
  })

  it("is written again as it was read", () => {
    fc.assert(
      fc.property(Arbitrary.make(Traceparent), (traceparent) => {
        expect(formatTraceparent(parseTraceparent(traceparent))).toBe(traceparent)
      })
    )
  })

  it("is nothing else than the W3C's first version says", () => {
    const good = formatTraceparent({ traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: true })
    for (const bad of [
      "",
      good.slice(1),
      `${good}0`,
      `${good}\n`,
      good.replace("00-", "01-"),
      good.toUpperCase()
    ]) {
      expect(Schema.is(Traceparent)(bad), bad).toBe(false)
    }
  })
})

describe("the trace that begins with an event", () => {
  it("is the same in every repetition, and another for another event", () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), fc.string(), fc.nat(), (runA, a, runB, b) => {
        const first = rootTraceparent(runA, a)
        expect(rootTraceparent(runA, a)).toBe(first)
        expect(rootTraceparent(runB, b) === first).toBe(runA === runB && a === b)
      })
    )
  })

  it("is one that may be sent and is sampled, with two ids of its own", () => {
    const traceparent = rootTraceparent("run", "binance:BTCUSDT:perp", 60_000)
    expect(Schema.is(Traceparent)(traceparent)).toBe(true)
    const { sampled, spanId, traceId } = parseTraceparent(traceparent)
    expect(sampled).toBe(true)
    expect(traceId.startsWith(spanId)).toBe(false)
  })
})
