import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import * as Ledger from "../../../src/market/execution/Ledger.ts"
import { microPerTickLot, shareOfBps } from "../../../src/market/execution/Money.ts"
import { consideration, feeOn } from "../../../src/market/execution/Pricing.ts"
import { lotsOf, moneyOf } from "./conservation.ts"

const contracts = [
  { tick: 0.01, lot: 0.0001 },
  { tick: 1e-6, lot: 1e-6 },
  { tick: 0.25, lot: 1 },
  { tick: 5, lot: 0.001 }
] as const

const entry = fc.oneof(
  fc.record({
    kind: fc.constant("fill" as const),
    instrument: fc.nat(contracts.length - 1),
    lots: fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }).filter((lots) => lots !== 0),
    ticks: fc.integer({ min: 1, max: 10_000_000_000 }),
    feeBps: fc.double({ min: 0, max: 100, noNaN: true })
  }),
  fc.record({
    kind: fc.constantFrom(...Ledger.chargeKinds),
    instrument: fc.nat(contracts.length - 1),
    micro: fc.integer({ min: -1_000_000_000_000, max: 1_000_000_000_000 })
  })
)
type Entry = typeof entry extends fc.Arbitrary<infer A> ? A : never

const post = (ledger: Ledger.OpenLedger, one: Entry) => {
  const instrument = String(one.instrument)
  if (one.kind !== "fill") return Ledger.postCharge(ledger, { instrument, kind: one.kind, micro: one.micro })
  const contract = contracts[one.instrument] as (typeof contracts)[number]
  const paid = consideration(microPerTickLot(contract), one.lots, one.ticks)
  const fee = Number.isNaN(paid) ? Number.NaN : feeOn(paid, shareOfBps(one.feeBps))
  return Ledger.postFill(ledger, { instrument, lots: one.lots, paid, fee })
}

describe("the ledger", () => {
  it("conserves money and lots to the unit, whatever is posted, and is as it was where a post is refused", () => {
    let posted = 0
    let refused = 0
    fc.assert(
      fc.property(
        fc.nat(Number.MAX_SAFE_INTEGER),
        fc.array(entry, { maxLength: 60, size: "max" }),
        (cash, entries) => {
          const ledger = Ledger.open(cash)
          for (const one of entries) {
            const before = Ledger.copyOf(ledger)
            const done = post(ledger, one)
            if (Either.isLeft(done)) {
              expect(done.left._tag).toBe("AmountTooLarge")
              expect(ledger).toEqual(before)
              refused++
            } else posted++
            expect(moneyOf(ledger)).toBe(BigInt(cash))
            expect(lotsOf(ledger)).toBe(0n)
            const paid = [...ledger.positions.values()].reduce(
              (sum, position) => sum + BigInt(position.paid),
              0n
            )
            expect(paid).toBe(BigInt(cash) - BigInt(ledger.cash))
          }
        }
      )
    )
    expect(posted).toBeGreaterThan(1_000)
    expect(refused).toBeGreaterThan(100)
  })

  it("posts to a copy as to itself, and leaves the original alone", () => {
    const fill = { instrument: "a", lots: 5, paid: 500, fee: 1 }
    const original = Ledger.open(1_000)
    const before = Ledger.copyOf(original)
    const copy = Ledger.copyOf(original)
    Ledger.postFill(copy, fill)
    expect(original).toEqual(before)
    Ledger.postFill(original, fill)
    expect(copy).toEqual(original)
    expect(copy).toMatchObject({ cash: 499, counterparty: 500, fees: 1, turnover: 500 })
    expect(copy.positions.get("a")).toEqual({ lots: 5, counterparty: -5, paid: 501 })
  })

  it("takes whatever fits into the room that it says there is, and refuses what is one beyond", () => {
    const ledger = Ledger.open(9_000_000_000_000_000)
    const room = Ledger.roomOf(ledger, "a")
    expect(
      Either.isLeft(Ledger.postFill(ledger, { instrument: "a", lots: -1, paid: -room - 1, fee: 0 }))
    ).toBe(true)
    expect(Either.isRight(Ledger.postFill(ledger, { instrument: "a", lots: -1, paid: -room, fee: 0 }))).toBe(
      true
    )
    expect(ledger.cash).toBe(Number.MAX_SAFE_INTEGER)
  })

  it("says in its refusal what was not entered, and why", () => {
    const refused = Ledger.postCharge(Ledger.open(0), { instrument: "a", kind: "funding", micro: 2 ** 53 })
    expect(Either.isLeft(refused) && refused.left.message).toContain("The funding of a cannot be entered")
  })

  it("lets the venue put in what an account owes only once it holds nothing", () => {
    const ledger = Ledger.open(100)
    Ledger.postFill(ledger, { instrument: "a", lots: 5, paid: 500, fee: 0 })
    expect(Ledger.settleShortfall(ledger)).toBe(0)
    Ledger.postFill(ledger, { instrument: "a", lots: -5, paid: -300, fee: 1 })
    expect(Ledger.settleShortfall(ledger)).toBe(101)
    expect(ledger).toMatchObject({ cash: 0, shortfall: -101 })
    expect(moneyOf(ledger)).toBe(100n)
    expect(Ledger.settleShortfall(ledger)).toBe(0)
  })
})
