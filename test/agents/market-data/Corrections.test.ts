import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { correctionLimits, correctionOf, isSameReport } from "../../../src/agents/market-data/Corrections.ts"
import { empty, evolve, type FeedFold } from "../../../src/agents/market-data/FeedFold.ts"
import { makeBarBook } from "../../../src/market/time/BarBook.ts"
import type { Bar, BarsEvent } from "../../../src/protocols/Bar.ts"
import { asOfAt, barOf, closed, ended, frameMs, instrumentOf, opened, timeFrame } from "../feedEvents.ts"

const alpha = instrumentOf("ALPHA")
const beta = instrumentOf("BETA")
const bar = (index: number, close: number, changes: Partial<Bar> = {}, instrument = alpha): Bar => ({
  ...barOf(instrument, index, { open: 100, close }),
  ...changes
})
const asOfs = 10
/** So many as-ofs of ALPHA, and none of BETA. */
const published = [
  opened([alpha, beta], { paceMs: frameMs }),
  ...Array.from({ length: asOfs }, (_, i) => closed(i, [bar(i, 100)]))
].reduce(evolve, empty)
const now = asOfAt(asOfs)

/** What late bars come to, and the fold with what was published of them. */
const publish = (
  state: FeedFold,
  late: ReadonlyArray<Bar>,
  { countsAnew = true, wallMs = now }: { readonly countsAnew?: boolean; readonly wallMs?: number } = {}
) => {
  const correction = correctionOf(state, late, wallMs, () => countsAnew)
  const { payload } = correction
  if (payload === undefined) return { ...correction, state }
  const event: BarsEvent = { ...ended(payload.asOf), type: "BarsCorrected", payload }
  return { ...correction, state: evolve(state, event) }
}
const none = { duplicate: 0, "too-late": 0, "too-many": 0 }

describe("what is published of late bars", () => {
  it("is what was left out, and what its own source says anew, known from now on", () => {
    const { payload, refused } = publish(published, [
      bar(3, 50, {}, beta),
      bar(4, 101, { revision: 1 }),
      bar(5, 102, { source: "another", revision: 7 }),
      bar(6, 100, { revision: 1 })
    ])
    expect(payload).toEqual({
      asOf: now,
      timeFrame,
      bars: [bar(3, 50, { knownAt: now }, beta), bar(4, 101, { revision: 1, knownAt: now })]
    })
    expect(refused).toEqual({ ...none, duplicate: 2 })
  })

  it("is nothing of before what is remembered", () => {
    const ahead = Array.from({ length: correctionLimits.asOfsMax }, (_, i) =>
      closed(asOfs + i, [bar(asOfs + i, 100)])
    )
    const state = ahead.reduce(evolve, published)
    expect(publish(state, [bar(9, 101, { revision: 1 })])).toMatchObject({
      payload: undefined,
      refused: { ...none, "too-late": 1 }
    })
    expect(publish(state, [bar(10, 101, { revision: 1 })]).payload?.bars.length).toBe(1)
    expect(publish(empty, [bar(0, 100)]).refused).toEqual({ ...none, "too-late": 1 })
  })

  it("has revisions that rise, whatever its source counts, and so many of them", () => {
    let state = published
    const revisions: Array<number> = []
    for (let i = 0; i < correctionLimits.revisionsMax + 2; i++) {
      // One that was opened anew every time.
      const result = publish(state, [bar(4, 101 + i)])
      revisions.push(...(result.payload?.bars.map(({ revision }) => revision) ?? []))
      state = result.state
    }
    expect(revisions).toEqual(Array.from({ length: correctionLimits.revisionsMax - 1 }, (_, i) => i + 1))
    // What was said before is an old report, unless the source says that it is not.
    expect(publish(state, [bar(4, 101)]).refused).toEqual({ ...none, duplicate: 1 })
    const twice = publish(published, [bar(4, 101, { revision: 3 })]).state
    expect(publish(twice, [bar(4, 100, { revision: 4 })]).payload?.bars).toMatchObject([
      { close: 100, revision: 4 }
    ])
  })

  it("is the report of the highest revision in the end, whatever the order, of a source that tells its own", () => {
    const orders = fc.shuffledSubarray([1, 2, 3, 4, 5], { minLength: 5 })
    fc.assert(
      fc.property(orders, fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), (revisions, seams) => {
        let state = published
        let part: Array<Bar> = []
        revisions.forEach((revision, i) => {
          part.push(bar(4, 100 + revision, { revision }))
          // As many at a time as it happens.
          if (seams[i] === false && i < revisions.length - 1) return
          state = publish(state, part, { countsAnew: false }).state
          part = []
        })
        expect(state.corrected.at(-1)).toMatchObject({ close: 105, revision: 5 })
        expect(state.corrected.map(({ close, revision }) => close - revision)).toEqual(
          state.corrected.map(() => 100)
        )
      })
    )
  })

  it("is nothing of the same revision, of a source that tells its own", () => {
    const { payload, refused } = publish(published, [bar(4, 101)], { countsAnew: false })
    expect({ payload, refused }).toEqual({ payload: undefined, refused: { ...none, duplicate: 1 } })
  })

  it("has as-ofs that rise, though the clock went back and what was corrected is forgotten", () => {
    const first = publish(published, [bar(4, 101, { revision: 1 })], { wallMs: asOfAt(1_000) })
    const ahead = Array.from({ length: correctionLimits.asOfsMax }, (_, i) =>
      closed(asOfs + i, [bar(asOfs + i, 100)])
    )
    const state = ahead.reduce(evolve, first.state)
    expect(state.corrected).toEqual([])
    const { payload } = publish(state, [bar(asOfs + 9, 101, { revision: 1 })], { wallMs: asOfAt(50) })
    expect(payload?.asOf).toBe(asOfAt(1_000) + 1)
  })

  it("is found without looking through everything that was published for each of many bars", () => {
    const many = Array.from({ length: 200 }, (_, i) => instrumentOf(`X${i}`))
    let looks = 0
    /** Counts how often anybody asks for its instrument. */
    const watched = (one: Bar): Bar =>
      Object.defineProperty({ ...one }, "instrument", {
        enumerable: true,
        get: () => {
          looks++
          return one.instrument
        }
      })
    const recent = Array.from({ length: 5 }, (_, i) => ({
      asOf: asOfAt(i),
      bars: many.map((instrument) => watched(bar(i, 100, {}, instrument)))
    }))
    const late = many.flatMap((instrument) =>
      [2, 3].map((index) => bar(index, 101, { revision: 1 }, instrument))
    )
    const { payload } = correctionOf({ ...published, asOf: asOfAt(4), recent }, late, now, () => false)
    expect(payload?.bars.length).toBe(400)
    expect(looks).toBeLessThanOrEqual(2 * 1_000)
  })

  it("becomes known after whatever was published before, though the clock went back", () => {
    const first = publish(published, [bar(4, 101, { revision: 1 })], { wallMs: 0 })
    expect(first.payload?.asOf).toBe(asOfAt(asOfs - 1) + 1)
    const second = publish(first.state, [bar(4, 102, { revision: 2 })], { wallMs: 0 })
    expect(second.payload?.asOf).toBe(asOfAt(asOfs - 1) + 2)
  })

  it("is the same in one life as in many, comes once, and fits into a book of the bars", () => {
    const report = fc.record({
      index: fc.integer({ min: 0, max: asOfs - 1 }),
      close: fc.integer({ min: 100, max: 103 }),
      revision: fc.integer({ min: 0, max: 3 }),
      isBeta: fc.boolean(),
      isOther: fc.boolean(),
      ahead: fc.integer({ min: -5, max: 5 })
    })
    fc.assert(
      fc.property(fc.array(fc.array(report, { minLength: 1, maxLength: 3 }), { maxLength: 20 }), (parts) => {
        let state = published
        const books = [alpha, beta].map(({ id }) => makeBarBook({ instrument: id, timeFrame }))
        for (const { bars } of published.recent) for (const one of bars) books[0]?.accept(one)
        parts.forEach((part, i) => {
          const late = part.map(({ close, index, isBeta, isOther, revision }) =>
            bar(index, close, { revision, source: isOther ? "other" : "test" }, isBeta ? beta : alpha)
          )
          const wallMs = now + i * 3 + (part[0]?.ahead ?? 0)
          const { payload, refused, state: after } = publish(state, late, { wallMs })
          const taken = payload?.bars.length ?? 0
          expect(taken + Object.values(refused).reduce((sum, count) => sum + count, 0)).toBe(late.length)
          expect(payload?.asOf ?? Number.POSITIVE_INFINITY).toBeGreaterThan(
            state.corrected.at(-1)?.knownAt ?? 0
          )
          // The same again, in this life or after a restart, is nothing new.
          for (const one of payload?.bars ?? []) {
            const verdict = books[one.instrument === alpha.id ? 0 : 1]?.accept(one)
            expect(["late", "accepted", "revision"]).toContain(verdict?.kind)
          }
          const final = (payload?.bars ?? []).filter(
            (one, at, all) =>
              !all
                .slice(at + 1)
                .some((next) => next.openTime === one.openTime && next.instrument === one.instrument)
          )
          expect(publish(after, final, { wallMs }).payload).toBeUndefined()
          state = after
        })
        expect(state.corrections).toBe(state.corrected.length)
        for (const one of state.corrected) {
          const reports = state.corrected.filter(
            ({ instrument, openTime }) => instrument === one.instrument && openTime === one.openTime
          )
          reports.slice(1).forEach((next, at) => {
            expect(next.revision).toBeGreaterThan(reports[at]?.revision ?? Number.POSITIVE_INFINITY)
            expect(isSameReport(next, reports[at] as Bar)).toBe(false)
          })
        }
      }),
      { numRuns: 100 }
    )
  })
})
