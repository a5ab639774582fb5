import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  type BarBook,
  type BarBookOptions,
  makeBarBook,
  visibleAt
} from "../../../src/market/time/BarBook.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { InstrumentId } from "../../../src/protocols/Instrument.ts"
import { arrivals } from "./arrivals.ts"
import { barAt, day, hour, hourMs, instrument, midnight } from "./bars.ts"

const book = (options: Partial<BarBookOptions> = {}) =>
  makeBarBook({ instrument, timeFrame: hour, ...options })

const filled = (bars: ReadonlyArray<Bar>, options: Partial<BarBookOptions> = {}): BarBook => {
  const made = book(options)
  for (const bar of bars) made.accept(bar)
  return made
}

const kindOf = (verdict: ReturnType<BarBook["accept"]>) =>
  verdict.kind === "refused" ? verdict.reason : verdict.kind

/** What the bars say without a book: of each open time the latest version that was visible. */
const seenIn = (bars: ReadonlyArray<Bar>, asOf: number): ReadonlyArray<Bar> => {
  const latest = new Map<number, Bar>()
  for (const bar of bars) if (visibleAt(bar) <= asOf) latest.set(bar.openTime, bar)
  return [...latest.values()].sort((a, b) => a.openTime - b.openTime)
}

describe("a bar book", () => {
  it("shows a bar from its close on, and not before it was known", () => {
    const made = filled([barAt(0), barAt(1, { knownAt: midnight + 5 * hourMs })])
    expect(made.asOfView(midnight + hourMs - 1)).toEqual([])
    expect(made.asOfView(midnight + hourMs)).toHaveLength(1)
    expect(made.asOfView(midnight + 5 * hourMs - 1)).toHaveLength(1)
    expect(made.asOfView(midnight + 5 * hourMs)).toHaveLength(2)
    expect(made.asOfView(midnight + 5 * hourMs, 1)).toEqual([barAt(1, { knownAt: midnight + 5 * hourMs })])
  })

  it("tells apart what is new, late, corrected and there already", () => {
    const late = barAt(1, { knownAt: midnight + 3 * hourMs })
    const corrected = barAt(0, { revision: 2, close: 102, knownAt: midnight + 4 * hourMs })
    const made = book()
    expect([barAt(0), barAt(2), late, corrected, barAt(0), corrected].map(made.accept)).toEqual([
      { kind: "accepted" },
      { kind: "accepted" },
      { kind: "late" },
      { kind: "revision", replaced: 0 },
      { kind: "duplicate" },
      { kind: "duplicate" }
    ])
    expect(made.size()).toBe(3)
    const closesAt = (hours: number) => made.asOfView(midnight + hours * hourMs).map(({ close }) => close)
    expect(closesAt(4)).toEqual([102, late.close, barAt(2).close])
    expect(closesAt(3)).toEqual([barAt(0).close, late.close, barAt(2).close])
  })

  it.each<[reason: string, bar: Bar]>([
    ["other-instrument", barAt(9, { instrument: InstrumentId.make("test:Y:spot") })],
    ["mixed-time-frame", barAt(9, { timeFrame: day })],
    ["price-invalid", barAt(9, { low: 0 })],
    ["price-invalid", barAt(9, { open: 0, high: 0, low: 0, close: 0 })],
    ["price-invalid", barAt(9, { close: Number.NaN })],
    ["price-invalid", barAt(9, { high: 1 })],
    ["volume-invalid", barAt(9, { volume: -1 })],
    ["volume-invalid", barAt(9, { volume: Number.POSITIVE_INFINITY })],
    ["interval-invalid", barAt(9, { closeTime: midnight + 9 * hourMs })],
    ["interval-invalid", barAt(9, { closeTime: midnight + 11 * hourMs })],
    ["interval-invalid", barAt(9, { knownAt: Number.NaN })],
    ["overlapping", barAt(9, { openTime: midnight + 8.5 * hourMs, closeTime: midnight + 9.5 * hourMs })],
    ["overlapping", barAt(9, { openTime: midnight + 1.5 * hourMs, closeTime: midnight + 2.5 * hourMs })],
    ["out-of-order", barAt(-1, { knownAt: midnight + 10 * hourMs })],
    ["clock-stepped-back", barAt(4)],
    ["revision-conflict", barAt(8, { close: 107, knownAt: midnight + 10 * hourMs })],
    ["clock-stepped-back", barAt(3, { revision: 1, knownAt: midnight + 5 * hourMs })],
    ["too-many-revisions", barAt(2, { revision: 9, knownAt: midnight + 10 * hourMs })]
  ])("refuses a bar by %s, and takes nothing of it", (reason, bar) => {
    const made = filled(
      [
        ...[0, 1, 2, 3, 5, 6, 7, 8].map((place) => barAt(place)),
        barAt(2, { revision: 1, knownAt: midnight + 9 * hourMs })
      ],
      { lateBarsMax: 8, revisionsMax: 2 }
    )
    const end = midnight + 100 * hourMs
    const before = made.asOfView(end)
    const verdict = made.accept(bar)
    expect(kindOf(verdict)).toBe(reason)
    if (verdict.kind === "refused") expect(verdict.sentence).toMatch(/^[A-Z].*\.$/)
    expect(made.asOfView(end)).toEqual(before)
  })

  it("shows at every as-of what was known then, whatever came later", () => {
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 0, max: 45 }), (bars, hours) => {
        const asOf = midnight + hours * hourMs
        const whole = filled(bars).asOfView(asOf)
        const truncated = filled(bars.filter((bar) => visibleAt(bar) <= asOf)).asOfView(asOf)
        expect(truncated).toEqual(whole)
        expect(whole).toEqual(seenIn(bars, asOf))
      })
    )
  })

  it("changes by nothing that is delivered twice", () => {
    fc.assert(
      fc.property(arrivals, (bars) => {
        const twice = book()
        for (const [i, bar] of bars.entries()) {
          twice.accept(bar)
          for (const again of bars.slice(0, i + 1)) expect(twice.accept(again)).toEqual({ kind: "duplicate" })
        }
        const end = midnight + 100 * hourMs
        expect(twice.asOfView(end)).toEqual(filled(bars).asOfView(end))
      }),
      { numRuns: 30 }
    )
  })

  it("keeps the newest bars and forgets the others, which are too late from then on", () => {
    const made = filled(
      Array.from({ length: 1_000 }, (_, i) => barAt(i)),
      { barsMax: 50 }
    )
    const end = midnight + 2_000 * hourMs
    expect(made.size()).toBeLessThan(50 + 100)
    const places = made.asOfView(end).map(({ sequence }) => sequence)
    expect(places).toEqual(Array.from({ length: 50 }, (_, i) => 950 + i))
    expect(kindOf(made.accept(barAt(10, { revision: 1, knownAt: end })))).toBe("out-of-order")
  })
})
