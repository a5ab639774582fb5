import { createHash } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Logger, type Scope } from "effect"
import fc from "fast-check"
import { contextStore } from "../../../src/agents/context/ContextStore.ts"
import { type ContextItem, contextItemId } from "../../../src/protocols/ContextItem.ts"
import type { InstrumentId } from "../../../src/protocols/Instrument.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { canonicalJson } from "../../../src/protocols/wire/Json.ts"
import { Store } from "../../../src/runtime/Store.ts"
import { asOfAt, barOf, instrumentOf, timeFrame } from "../feedEvents.ts"
import { nodeServices } from "../nodeServices.ts"

const alpha = instrumentOf("ALPHA")
const beta = instrumentOf("BETA")

const contextItem = (item: Omit<ContextItem, "id">): ContextItem => ({
  id: contextItemId(item, canonicalJson(item.payload)),
  ...item
})

const itemAt = (index: number, changes: Partial<Omit<ContextItem, "id">> = {}): Omit<ContextItem, "id"> => ({
  type: "note",
  version: 1,
  source: "test",
  occurredAt: asOfAt(index),
  knownAt: asOfAt(index),
  instrument: null,
  payload: { index },
  ...changes
})

const barItem = (index: number, instrument = alpha, changes: Partial<Omit<ContextItem, "id">> = {}) =>
  itemAt(index, {
    type: "bar",
    instrument: instrument.id,
    payload: barOf(instrument, index, { open: 100, close: 100 + index }),
    ...changes
  })

const check = (name: string, body: Effect.Effect<void, unknown, Store | Scope.Scope>) =>
  it.scopedLive(name, () => Effect.provide(body, nodeServices()))

/** A store with items in it. */
const storeOf = (items: ReadonlyArray<Omit<ContextItem, "id">>) =>
  Effect.gen(function* () {
    const store = yield* contextStore
    yield* (yield* Store).write("keep items", store.insert(items))
    return store
  })

const indexes = (items: ReadonlyArray<ContextItem>) =>
  items.map(({ payload }) => (payload as { readonly index: number }).index)

describe("a context item", () => {
  it("is named by the SHA-256 of the canonical JSON of type, version, source, occurredAt and payload", () => {
    const item = contextItem(itemAt(0, { payload: { b: [1, "é", null], a: 1e21 } }))
    // RFC 8785 by hand: keys sorted, no spaces, numbers as ECMAScript writes them.
    const canonical = `{"occurredAt":${item.occurredAt},"payload":{"a":1e+21,"b":[1,"é",null]},"source":"test","type":"note","version":1}`
    expect(item.id).toBe(createHash("sha256").update(canonical, "utf8").digest("hex"))
  })

  it("has one name whatever the order of its keys, and another when anything that it says is another", () => {
    const { id } = contextItem(itemAt(0, { payload: { a: 1, b: 2 } }))
    expect(contextItem(itemAt(0, { payload: { b: 2, a: 1 } })).id).toBe(id)
    const others = [
      itemAt(0, { payload: { a: 1, b: 3 } }),
      itemAt(1, { payload: { a: 1, b: 2 } }),
      itemAt(0, { payload: { a: 1, b: 2 }, type: "remark" }),
      itemAt(0, { payload: { a: 1, b: 2 }, version: 2 }),
      itemAt(0, { payload: { a: 1, b: 2 }, source: "another" })
    ]
    for (const other of others) expect(contextItem(other).id).not.toBe(id)
  })

  it("has the same name whoever heard of it when", () => {
    const { id } = contextItem(itemAt(0))
    expect(contextItem(itemAt(0, { knownAt: asOfAt(9), instrument: alpha.id })).id).toBe(id)
  })

  it("keeps apart whatever JSON keeps apart", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (first, second) => {
        const [a, b] = [first, second].map((payload) => contextItem(itemAt(0, { payload })).id)
        expect(a === b).toBe(canonicalJson(first) === canonicalJson(second))
        const same = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown
        expect(contextItem(itemAt(0, { payload: same(first) })).id).toBe(a)
      })
    )
  })
})

describe("the context store", () => {
  check(
    "keeps an item once, and says whether it is new",
    Effect.gen(function* () {
      const store = yield* contextStore
      const item = itemAt(3, { instrument: alpha.id })
      const { id } = contextItem(item)
      expect(yield* store.keep(item)).toEqual({ id, isNew: true })
      expect(yield* store.keep(item)).toEqual({ id, isNew: false })
      expect((yield* store.state).items).toBe(1)
      expect(yield* store.latest({ type: "note" })).toEqual({ id, ...item })
    })
  )

  check(
    "comes to the same whatever the order and however often items arrive",
    Effect.gen(function* () {
      const items = Array.from({ length: 12 }, (_, i) => itemAt(i))
      const whole = { type: "note", from: 0, to: asOfAt(99), limit: 500 }
      const expected = yield* Effect.flatMap(storeOf(items), (store) => store.range(whole))
      const orders = fc.sample(fc.shuffledSubarray([...items, ...items], { minLength: 24 }), {
        numRuns: 5,
        seed: 1
      })
      for (const order of orders) {
        const { sql, write } = yield* Store
        yield* write("forget", [sql`DELETE FROM context_items`])
        const store = yield* storeOf(order)
        expect(yield* store.range(whole)).toEqual(expected)
      }
      expect(expected.length).toBe(12)
    })
  )

  check(
    "gives the latest of a type, of one instrument too, and null where there is none",
    Effect.gen(function* () {
      const store = yield* storeOf([
        itemAt(5, { instrument: beta.id }),
        itemAt(2, { instrument: alpha.id }),
        itemAt(9, { type: "remark" })
      ])
      const latest = (options: { instrument?: InstrumentId; type?: string }) =>
        Effect.map(store.latest({ type: "note", ...options }), (item) => item && indexes([item])[0])
      expect(yield* latest({})).toBe(5)
      expect(yield* latest({ instrument: alpha.id })).toBe(2)
      expect(yield* latest({ type: "remark" })).toBe(9)
      expect(yield* latest({ type: "silence" })).toBeNull()
      expect(yield* latest({ type: "remark", instrument: alpha.id })).toBeNull()
    })
  )

  check(
    "gives a range from its beginning up to but without its end, oldest first, as many as are wanted",
    Effect.gen(function* () {
      const store = yield* storeOf([7, 3, 5, 4, 6].map((index) => itemAt(index)))
      const range = (from: number, to: number, limit = 500) =>
        Effect.map(store.range({ type: "note", from: asOfAt(from), to: asOfAt(to), limit }), indexes)
      expect(yield* range(4, 7)).toEqual([4, 5, 6])
      expect(yield* range(0, 99, 2)).toEqual([3, 4])
      expect(yield* range(8, 99)).toEqual([])
      expect(yield* range(5, 5)).toEqual([])
    })
  )

  check(
    "shows as of an instant nothing that was known later, whenever it occurred",
    Effect.gen(function* () {
      const store = yield* storeOf([
        itemAt(1),
        itemAt(2, { knownAt: asOfAt(8) }),
        itemAt(3),
        itemAt(4, { knownAt: asOfAt(5) })
      ])
      const asOf = (index: number) =>
        Effect.all([
          Effect.map(
            store.latest({ type: "note", asOf: asOfAt(index) }),
            (item) => item && indexes([item])[0]
          ),
          Effect.map(
            store.range({ type: "note", from: 0, to: asOfAt(99), limit: 500, asOf: asOfAt(index) }),
            indexes
          )
        ])
      expect(yield* asOf(0)).toEqual([null, []])
      expect(yield* asOf(4)).toEqual([3, [1, 3]])
      expect(yield* asOf(5)).toEqual([4, [1, 3, 4]])
      expect(yield* asOf(8)).toEqual([4, [1, 2, 3, 4]])
    })
  )

  check(
    "gives the last bars visible at an as-of, oldest first, of one instrument and time frame",
    Effect.gen(function* () {
      const store = yield* storeOf([
        ...Array.from({ length: 30 }, (_, i) => barItem(i)),
        ...Array.from({ length: 30 }, (_, i) => barItem(i, beta)),
        barItem(30, alpha, { knownAt: asOfAt(40) })
      ])
      const closes = (index: number, count: number, frame = timeFrame) =>
        Effect.map(
          store.bars({ instrument: alpha.id, timeFrame: frame, asOf: asOfAt(index), count }),
          (bars) => bars.map(({ close }) => close - 100)
        )
      expect(yield* closes(10, 4)).toEqual([7, 8, 9, 10])
      expect(yield* closes(2, 10)).toEqual([0, 1, 2])
      expect(yield* closes(30, 2)).toEqual([28, 29])
      expect(yield* closes(40, 2)).toEqual([29, 30])
      expect(yield* closes(10, 4, TimeFrame.make("1d"))).toEqual([])
    })
  )

  check(
    "gives bars as they were published first, or with what had become known of them by the as-of",
    Effect.gen(function* () {
      const correction = (index: number, known: number, close: number, revision: number) =>
        barItem(index, alpha, {
          type: "bar-correction",
          knownAt: asOfAt(known),
          payload: { ...barOf(alpha, index, { open: 100, close }), revision, knownAt: asOfAt(known) }
        })
      const store = yield* storeOf([
        ...[0, 1, 2, 4, 5, 6].map((index) => barItem(index)),
        // One that was late, one that was corrected twice.
        correction(3, 5, 103, 0),
        correction(4, 5, 94, 1),
        correction(4, 8, 84, 2)
      ])
      const closes = (
        corrected: boolean,
        index: number,
        count: number,
        options: { readonly before?: number; readonly timeFrame?: TimeFrame } = {}
      ) =>
        Effect.map(
          store.bars({ instrument: alpha.id, timeFrame, asOf: asOfAt(index), count, corrected, ...options }),
          (bars) => bars.map(({ close }) => close)
        )
      expect(yield* closes(false, 8, 9)).toEqual([100, 101, 102, 104, 105, 106])
      expect(yield* closes(true, 4, 9)).toEqual([100, 101, 102, 104])
      expect(yield* closes(true, 5, 9)).toEqual([100, 101, 102, 103, 94, 105])
      expect(yield* closes(true, 8, 9)).toEqual([100, 101, 102, 103, 84, 105, 106])
      expect(yield* closes(true, 8, 3)).toEqual([84, 105, 106])
      expect(yield* closes(true, 8, 2, { before: asOfAt(5) })).toEqual([103, 84])
      expect(yield* closes(false, 8, 2, { before: asOfAt(5) })).toEqual([102, 104])
      expect(yield* closes(true, 8, 9, { timeFrame: TimeFrame.make("1d") })).toEqual([])
      expect(yield* closes(true, 8, 3, { timeFrame: TimeFrame.make("60m") })).toEqual([84, 105, 106])
      expect((yield* store.latest({ type: "bar" }))?.payload).toMatchObject({ close: 106 })
    })
  )

  check(
    "says which of the bars with their corrections do not fit, and gives the others",
    Effect.gen(function* () {
      const said: Array<string> = []
      const logger = Logger.make(({ message }) => said.push(String(message)))
      const conflict = barItem(4, alpha, {
        type: "bar-correction",
        knownAt: asOfAt(5),
        payload: { ...barOf(alpha, 4, { open: 100, close: 94 }), knownAt: asOfAt(5) }
      })
      const store = yield* storeOf([...[3, 4, 5].map((index) => barItem(index)), conflict])
      const question = { instrument: alpha.id, timeFrame, asOf: asOfAt(8), count: 9, corrected: true }
      const bars = yield* Effect.provide(store.bars(question), Logger.replace(Logger.defaultLogger, logger))
      expect(bars.map(({ close }) => close)).toEqual([103, 104, 105])
      expect(said.length).toBe(1)
      expect(said[0]).toContain(`1 of 4 bars of ${alpha.id} are left out, the first because: Revision 0`)
    })
  )

  check(
    "counts what it keeps by type",
    Effect.gen(function* () {
      const store = yield* storeOf([itemAt(1), itemAt(4), barItem(2)])
      expect(yield* store.state).toEqual({
        items: 3,
        byType: [
          { type: "bar", items: 1, latest: asOfAt(2) },
          { type: "note", items: 2, latest: asOfAt(4) }
        ]
      })
    })
  )

  check(
    "keeps no more than its limit, and lets the oldest go",
    Effect.gen(function* () {
      const store = yield* storeOf(Array.from({ length: 40 }, (_, i) => itemAt(i)))
      const kept = Effect.map(store.range({ type: "note", from: 0, to: asOfAt(99), limit: 500 }), indexes)
      yield* store.trim(100)
      expect((yield* kept).length).toBe(40)
      yield* store.trim(15)
      expect(yield* kept).toEqual(Array.from({ length: 15 }, (_, i) => i + 25))
      yield* store.trim(15)
      expect((yield* kept).length).toBe(15)
    })
  )

  for (const [what, damage] of [
    ["payload", `{"index":4}`],
    ["source", "forged"],
    ["known_at", asOfAt(0)],
    ["instrument", "sim:BETA:spot"],
    ["hash", "0".repeat(32)]
  ] as const) {
    check(
      `gives out no row whose ${what} was changed under its hands`,
      Effect.gen(function* () {
        const store = yield* storeOf([itemAt(3, { instrument: alpha.id })])
        const { sql, write } = yield* Store
        yield* write("damage", [sql`UPDATE context_items SET ${sql.update({ [what]: damage })}`])
        const error = yield* Effect.flip(store.latest({ type: "note" }))
        expect(error._tag).toBe("StorageFailed")
        expect(error.message).toContain("damaged")
      })
    )
  }
})
