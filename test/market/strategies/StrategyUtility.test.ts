import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { bestPosition, type Horizon, utilityOf } from "../../../src/market/strategies/StrategyUtility.ts"

const horizon = (changes: Partial<Horizon> = {}): Horizon => ({
  logReturn: 0.02,
  sigma: 0.03,
  roundTripCost: 0.001,
  ...changes
})
const number = (most: number) => fc.double({ min: -most, max: most, noNaN: true })

describe("the utility of a position", () => {
  it("is its return less costs and less half the risk aversion times its variance", () => {
    expect(utilityOf(0.5, horizon(), 4)).toBeCloseTo(0.5 * 0.02 - 0.5 * 0.001 - 2 * 0.25 * 0.0009, 15)
    expect(utilityOf(-1, horizon(), 3)).toBeCloseTo(-0.02 - 0.001 - 1.5 * 0.0009, 15)
    expect(utilityOf(0, horizon())).toBe(0)
  })

  it("is the best for the position of the highest, and of equals for the first", () => {
    fc.assert(
      fc.property(
        fc.array(number(1), { minLength: 1, maxLength: 8 }),
        number(0.1),
        (positions, logReturn) => {
          const of = horizon({ logReturn })
          const utilities = positions.map((position) => utilityOf(position, of))
          expect(bestPosition(positions, of)).toBe(utilities.indexOf(Math.max(...utilities)))
        }
      )
    )
    expect(bestPosition([0, 1, 1, -1], horizon())).toBe(1)
    expect(bestPosition([0, 0, 1], horizon({ logReturn: 0.0005 }))).toBe(0)
    expect(bestPosition([0, 1, -1], horizon({ logReturn: -0.05 }))).toBe(2)
  })

  it("makes no position better than none where the move does not pay for its costs and its risk", () => {
    fc.assert(
      fc.property(number(0.001), (logReturn) => {
        expect(bestPosition([0, 1, -1, 0.5, -0.5], horizon({ logReturn }))).toBe(0)
      })
    )
  })
})
