import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { pricesAt } from "../../../src/market/streams/prices.ts"
import { asOfAt, barOf, followedOf, frameMs, instrumentOf, recentOf, simulated } from "./bars.ts"

const world = simulated({ seed: 3, count: 300, instruments: 3 })

describe("the prices", () => {
  it("are those of the latest closed bars, with where they came from and how old they are", () => {
    const [alpha, bravo] = [instrumentOf("ALPHA"), instrumentOf("BRAVO")]
    const followed = [
      { instrument: alpha, bars: [barOf(alpha, 0, {}), barOf(alpha, 1, { close: 103, revision: 2 })] },
      { instrument: bravo, bars: [barOf(bravo, 0, { close: 7 })] },
      { instrument: instrumentOf("NOBODY"), bars: [] }
    ]
    const reading = pricesAt(followed, asOfAt(1))
    expect(reading).toMatchObject({
      status: "available",
      prices: [
        { instrument: alpha.id, price: 103, revision: 2, source: "test", barSequence: 1, ageMs: 0 },
        { instrument: bravo.id, price: 7, revision: 0, barSequence: 0, ageMs: frameMs }
      ]
    })
  })

  it("are unavailable before a bar has closed", () => {
    const alpha = instrumentOf("ALPHA")
    const followed = [{ instrument: alpha, bars: [barOf(alpha, 3, {})] }]
    expect(pricesAt(followed, asOfAt(2))).toEqual({ status: "unavailable", reason: "no bar has closed yet" })
  })

  it("of a history that was cut off are those of the whole", () => {
    const whole = followedOf(world, 300)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), (count) => {
        expect(pricesAt(whole, asOfAt(count - 1))).toEqual(
          pricesAt(recentOf(world, count), asOfAt(count - 1))
        )
      })
    )
  })
})
