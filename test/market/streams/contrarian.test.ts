import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import { contrarianAt, type Lean, leansMax } from "../../../src/market/streams/contrarian.ts"
import { ContrarianReading, opportunitiesMax } from "../../../src/protocols/Streams.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { asOfAt, barOf, followedOf, frameMs, instrumentOf, recentOf, simulated } from "./bars.ts"

const world = simulated({ seed: 17, count: 240, instruments: 3 })
const alpha = instrumentOf("ALPHA")
const available = (reading: ContrarianReading) => {
  if (reading.status === "unavailable") throw new Error(reading.reason)
  return reading
}

/** Closes that wander by a hundredth, and at last move by so much five times. */
const stretched = (step: number) => {
  const random = keyedRandom("stretched")
  let log = Math.log(100)
  return Array.from({ length: 80 }, (_, i) => {
    log += i < 75 ? 0.01 * random.normal() : step
    return barOf(alpha, i, { close: Math.exp(log) })
  })
}
/** Leans of a twentieth either way, and the last one. */
const leaning = (last: number): ReadonlyArray<Lean> =>
  Array.from({ length: 30 }, (_, i) => ({ asOf: asOfAt(50 + i), lean: i === 29 ? last : 0.05 * (-1) ** i }))
const readingOf = (step: number, last: number) =>
  contrarianAt([{ instrument: alpha, bars: stretched(step) }], () => leaning(last), asOfAt(79))

describe("contrarian opportunities", () => {
  it("are against a pool that says more than ever after a move that went far the same way", () => {
    const up = available(readingOf(0.02, 0.4)).opportunities
    expect(up).toMatchObject([{ instrument: alpha.id, side: "sell", extremity: 1, lean: 0.4 }])
    expect(up[0]?.score).toBeGreaterThan(0.9)
    expect(up[0]?.move).toBeCloseTo(0.1, 12)
    expect(up[0]?.stretch).toBeGreaterThan(3)
    expect(up[0]?.reasons).toHaveLength(2)
    expect(available(readingOf(-0.02, -0.4)).opportunities).toMatchObject([{ side: "buy" }])
  })

  it("are none where the pool leans against the move, leans no more than usual, or nothing has moved", () => {
    expect(available(readingOf(0.02, -0.4))).toMatchObject({ opportunities: [], examined: 1, passedOver: 0 })
    expect(available(readingOf(0, 0.4)).opportunities).toEqual([])
    expect(available(readingOf(0.02, 0)).opportunities).toEqual([])
    const usual = available(readingOf(0.02, 0.05)).opportunities[0]?.extremity
    // Of thirty that all have one size, half are counted as smaller.
    expect(usual).toBe(0.5)
    expect(available(readingOf(0.02, 0.01)).opportunities).toEqual([])
  })

  it("are not looked for with too few bars or leans, or where the last lean is old", () => {
    const bars = stretched(0.02)
    const one = { instrument: alpha, bars }
    expect(
      contrarianAt([{ instrument: alpha, bars: bars.slice(20) }], () => leaning(0.4), asOfAt(79))
    ).toMatchObject({
      status: "unavailable"
    })
    expect(contrarianAt([one], () => leaning(0.4).slice(-16), asOfAt(79))).toMatchObject({
      status: "unavailable"
    })
    expect(contrarianAt([one], () => leaning(0.4), asOfAt(79) + 9 * frameMs)).toMatchObject({
      status: "unavailable"
    })
    const nobody = { instrument: instrumentOf("NOBODY"), bars: [] }
    expect(contrarianAt([one, nobody], () => leaning(0.4), asOfAt(79))).toMatchObject({
      examined: 1,
      passedOver: 1
    })
  })

  it("come with the highest score first, a bounded number of them", () => {
    const many = Array.from({ length: 40 }, (_, i) => {
      const instrument = instrumentOf(`I${i}`)
      return {
        instrument,
        bars: stretched(0.01 + 0.0005 * i).map((bar) => ({ ...bar, instrument: instrument.id }))
      }
    })
    const { opportunities } = available(contrarianAt(many, () => leaning(0.4), asOfAt(79)))
    expect(opportunities).toHaveLength(opportunitiesMax)
    const scores = opportunities.map(({ score }) => score)
    expect(scores).toEqual([...scores].sort((a, b) => b - a))
  })

  it("stay within their bounds whatever the prices and leans", () => {
    const close = fc.double({ min: 1e-6, max: 1e6, noNaN: true })
    const lean = fc.double({ min: -1, max: 1, noNaN: true })
    fc.assert(
      fc.property(
        fc.array(close, { minLength: 70, maxLength: 80 }),
        fc.array(lean, { minLength: 10, maxLength: 40 }),
        (closes, leans) => {
          const bars = closes.map((price, i) => barOf(alpha, i, { close: price }))
          const said = leans.map((one, i) => ({ asOf: asOfAt(closes.length - leans.length + i), lean: one }))
          const reading = contrarianAt([{ instrument: alpha, bars }], () => said, asOfAt(closes.length - 1))
          expect(Schema.is(ContrarianReading)(reading)).toBe(true)
        }
      )
    )
  })

  it("of a history that was cut off are those of the whole", () => {
    const random = keyedRandom("leans")
    const leans = Array.from({ length: 240 }, (_, i) => ({ asOf: asOfAt(i), lean: 2 * random.next() - 1 }))
    const whole = followedOf(world, 240)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 240 }), (count) => {
        const asOf = asOfAt(count - 1)
        const cut = contrarianAt(
          recentOf(world, count),
          () => leans.slice(Math.max(0, count - leansMax - 1), count),
          asOf
        )
        expect(contrarianAt(whole, () => leans, asOf)).toEqual(cut)
      })
    )
  })
})
