import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import {
  decodeHistory,
  EncodedHistory,
  emptyHistory,
  encodeHistory,
  push,
  windowAt
} from "../../../src/agents/voter/CloseHistory.ts"
import { windowCloses } from "../../../src/market/Features.ts"
import { asOfAt, barOf, instrumentOf } from "../feedEvents.ts"

const alpha = instrumentOf("ALPHA")
const bar = (index: number, close = 100 + index) => barOf(alpha, index, { open: close - 0.5, close })

const historyOf = (count: number, keep = 1_000) => {
  const history = emptyHistory()
  for (let i = 0; i < count; i++) push(history, bar(i), keep)
  return history
}

describe("the history of closes", () => {
  it("takes bars in as they come, and none twice or out of order", () => {
    const history = historyOf(10)
    expect(push(history, bar(9, 777), 1_000)).toBe(false)
    expect(push(history, bar(4, 777), 1_000)).toBe(false)
    expect(history).toEqual(historyOf(10))
    expect(push(history, bar(12), 1_000)).toBe(true)
    expect(history.asOfs.slice(-2)).toEqual([asOfAt(9), asOfAt(12)])
    expect(history.opens.at(-1)).toBe(bar(12).open)
  })

  it("is the same in whatever order bars are delivered again", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(29), { maxLength: 80 }), (again) => {
        const history = emptyHistory()
        for (let i = 0; i < 30; i++) {
          push(history, bar(i), 1_000)
          for (const index of again) if (index <= i) push(history, bar(index, 1), 1_000)
        }
        expect(history).toEqual(historyOf(30))
      })
    )
  })

  it("keeps as many bars as it is told to and few more, its columns alike", () => {
    for (const count of [99, 100, 163, 164, 165, 500]) {
      const { asOfs, closes, opens, openTimes } = historyOf(count, 100)
      const { length } = asOfs
      expect([openTimes.length, opens.length, closes.length]).toEqual([length, length, length])
      expect(asOfs.length).toBeGreaterThanOrEqual(Math.min(count, 100))
      expect(asOfs.length).toBeLessThanOrEqual(164)
      expect(asOfs.at(-1)).toBe(asOfAt(count - 1))
      expect(asOfs[0]).toBe(asOfAt(count - asOfs.length))
    }
  })

  it("gives the window that ends at an as-of, when it is whole", () => {
    const history = historyOf(windowCloses + 3)
    expect(windowAt(history, asOfAt(windowCloses - 2))).toBeUndefined()
    for (let end = windowCloses - 1; end < windowCloses + 3; end++) {
      const window = windowAt(history, asOfAt(end))
      expect(window?.end).toBe(end)
      expect(window?.closes[end]).toBe(100 + end)
    }
    expect(windowAt(history, asOfAt(windowCloses + 3))).toBeUndefined()
    expect(windowAt(history, asOfAt(windowCloses) + 1)).toBeUndefined()
    expect(windowAt(undefined, asOfAt(windowCloses))).toBeUndefined()
  })

  it("comes back from a snapshot to the last bit, whatever numbers it holds", () => {
    const number = fc.double({ noNaN: true, noDefaultInfinity: true })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(number, number, number, number), { maxLength: 50 }),
        fc.boolean(),
        (rows, closeOnly) => {
          const history = {
            openTimes: rows.map(([openTime]) => openTime),
            asOfs: rows.map(([, asOf]) => asOf),
            opens: rows.map(([, , open]) => open),
            closes: rows.map(([, , , close]) => close),
            closeOnly
          }
          const json = Schema.parseJson(EncodedHistory)
          const stored = Schema.decodeSync(json)(Schema.encodeSync(json)(encodeHistory(history)))
          expect(decodeHistory(stored)).toEqual(history)
        }
      )
    )
  })
})
