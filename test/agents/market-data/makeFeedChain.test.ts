import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import type { ChainOutput, GapRequest } from "../../../src/agents/market-data/FeedChain.ts"
import { makeFeedChain } from "../../../src/agents/market-data/makeFeedChain.ts"
import { instrumentId } from "../../../src/protocols/Instrument.ts"
import {
  alpha,
  barAt,
  beta,
  chainOptions,
  drive,
  frameMs,
  handOvers,
  openTimeAt,
  source,
  startTime
} from "./chains.ts"

const only = <A>(items: ReadonlyArray<A>): A => {
  expect(items.length).toBe(1)
  return items[0] as A
}

/** Bars of another instrument in every interval up to one: the source lives, whatever else it leaves out. */
const keepAlive = (chain: ReturnType<typeof drive>, name: string, from: number, to: number) => {
  for (let i = from; i <= to; i++) {
    chain.at((i + 1) * frameMs)
    chain.bar(name, barAt(i, { instrument: beta }))
  }
}

describe("a chain of sources", () => {
  it("connects all that have live bars, and passes on what the first gives", () => {
    const chain = drive(chainOptions({ sources: [source("a"), source("b"), source("c", "history")] }))
    expect(chain.at(0)).toEqual([
      { type: "connect", source: "a" },
      { type: "connect", source: "b" }
    ])
    chain.at(frameMs)
    chain.bar("a", barAt(0))
    chain.bar("b", barAt(0))
    chain.at(2 * frameMs)
    chain.bar("b", barAt(1))
    expect(chain.passed()).toEqual(["a@0"])
    chain.bar("a", barAt(1))
    expect(chain.passed()).toEqual(["a@0", "a@1"])
    expect(chain.events()).toEqual([])
    expect(chain.chain.dropped()).toMatchObject({ duplicate: 1 })
    expect(chain.chain.health().map(({ name, role, state }) => [name, role, state])).toEqual([
      ["a", "active", "well"],
      ["b", "standby", "well"],
      ["c", "history", "well"]
    ])
  })

  it("hands over when the active source is so much behind, not sooner, and loses nothing", () => {
    const chain = drive(chainOptions())
    chain.at(frameMs)
    chain.bar("a", barAt(0))
    chain.bar("b", barAt(0))
    chain.at(2 * frameMs)
    chain.bar("b", barAt(1))
    chain.at(2 * frameMs + 1_999)
    expect(chain.events()).toEqual([])
    chain.at(2 * frameMs + 2_000)
    expect(chain.events()).toEqual([
      {
        type: "FeedHandedOver",
        payload: {
          from: "a",
          to: "b",
          reason: `a is more than 2000 ms behind with ${alpha}`,
          at: startTime + 2 * frameMs + 2_000,
          gapFrom: openTimeAt(1),
          gapTo: openTimeAt(1)
        }
      }
    ])
    expect(chain.passed()).toEqual(["a@0", "b@1"])
    expect(chain.chain.active()).toBe("b")
    // What the first says at last has been passed on already.
    chain.bar("a", barAt(1))
    expect(chain.passed()).toEqual(["a@0", "b@1"])
  })

  it("hands over at once from a source that is not connected, and at its seam fetches what neither gave", () => {
    const chain = drive(chainOptions({ sources: [source("a"), source("b", "both")] }))
    chain.at(frameMs)
    chain.bar("a", barAt(0))
    chain.bar("b", barAt(0))
    chain.fail("a", { reason: "connection reset", retryAfterMs: 30 * frameMs })
    chain.fail("b")
    chain.at(2 * frameMs)
    expect(chain.events()).toEqual([])
    chain.at(4 * frameMs)
    chain.bar("b", barAt(3))
    const handed = only(chain.events())
    expect(handed.payload).toMatchObject({ from: "a", to: "b", gapFrom: openTimeAt(1), gapTo: openTimeAt(3) })
    expect(handed.payload).toHaveProperty("reason", expect.stringContaining("connection reset"))
    const request = only(chain.requests())
    expect(request).toMatchObject({ source: "b", instrument: alpha, from: openTimeAt(1), to: openTimeAt(3) })
    expect(chain.passed()).toEqual(["a@0"])
    chain.filled(request, [barAt(1), barAt(2)])
    expect(chain.passed()).toEqual(["a@0", "b@1", "b@2", "b@3"])
    expect(chain.chain.missing()).toEqual({ gaps: 0, bars: 0 })
  })

  it("stays with a source that comes back before anything is missing", () => {
    const chain = drive(chainOptions())
    chain.at(frameMs)
    chain.bar("a", barAt(0))
    chain.bar("b", barAt(0))
    chain.fail("a")
    expect(chain.at(frameMs + 600)).toEqual([{ type: "connect", source: "a" }])
    chain.at(2 * frameMs)
    chain.bar("b", barAt(1))
    chain.bar("a", barAt(1))
    chain.at(2 * frameMs + 5_000)
    expect(chain.passed()).toEqual(["a@0", "a@1"])
    expect(chain.events()).toEqual([])
  })

  it("hands back once the preferred source has been well for long enough, and says that it has recovered", () => {
    const chain = drive(chainOptions({ wellForMs: 3 * frameMs }))
    chain.at(frameMs)
    chain.bar("a", barAt(0))
    chain.bar("b", barAt(0))
    chain.fail("a", { retryAfterMs: 1.5 * frameMs })
    chain.at(2 * frameMs)
    chain.bar("b", barAt(1))
    expect(handOvers(chain.events())).toEqual(["a>b"])
    for (let i = 2; i < 8; i++) {
      chain.at((i + 1) * frameMs)
      chain.bar("a", barAt(i))
      chain.bar("b", barAt(i))
    }
    // Its first bar since came at three frameMss.
    expect(chain.events().map(({ type }) => type)).toEqual([
      "FeedHandedOver",
      "FeedRecovered",
      "FeedHandedOver"
    ])
    expect(handOvers(chain.events())).toEqual(["a>b", "b>a"])
    expect(chain.events()[1]?.payload).toMatchObject({ source: "a", lostMs: 2 * frameMs })
    expect(chain.events()[2]?.payload).toMatchObject({ at: startTime + 6 * frameMs })
    expect(chain.passed()).toEqual(["a@0", "b@1", "b@2", "b@3", "b@4", "a@5", "a@6", "a@7"])
  })

  it("starts the wait for a hand-back anew with every failure", () => {
    const chain = drive(chainOptions({ wellForMs: 3 * frameMs }))
    chain.at(frameMs)
    chain.fail("a", { retryAfterMs: 1.5 * frameMs })
    for (let i = 1; i < 20; i++) {
      chain.at((i + 1) * frameMs)
      chain.bar("b", barAt(i))
      chain.bar("a", barAt(i))
      if (i % 3 === 0) chain.fail("a")
    }
    expect(handOvers(chain.events())).toEqual(["a>b"])
    expect(chain.passed().length).toBe(19)
  })

  it("takes the bars that are there already when nobody is left to lead", () => {
    const chain = drive(chainOptions({ sources: [source("a"), source("b"), source("c")] }))
    chain.at(frameMs)
    for (const name of ["a", "b", "c"]) chain.bar(name, barAt(0))
    chain.at(2 * frameMs)
    chain.bar("b", barAt(1))
    for (const name of ["b", "c"]) chain.fail(name, { retryAfterMs: frameMs })
    expect(chain.passed()).toEqual(["a@0"])
    chain.at(2 * frameMs + 2_000)
    expect(chain.passed()).toEqual(["a@0", "b@1"])
    expect(chain.events()).toEqual([])
  })

  it("gives a dead connection up and tries again, ever more slowly", () => {
    const chain = drive(chainOptions({ sources: [source("a")] }))
    chain.at(0)
    const silentMs = 2 * frameMs + 2_000
    expect(chain.at(silentMs - 1)).toEqual([])
    expect(chain.at(silentMs)).toEqual([{ type: "disconnect", source: "a" }])
    expect(only(chain.chain.health())).toMatchObject({ state: "down", breaker: "closed", failures: 1 })
    expect(chain.at(silentMs + 499)).toEqual([])
    expect(chain.at(silentMs + 500)).toEqual([{ type: "connect", source: "a" }])
    chain.fail("a")
    expect(chain.at(silentMs + 1_499)).toEqual([])
    chain.at(silentMs + 1_500)
    chain.fail("a")
    expect(only(chain.chain.health())).toMatchObject({ breaker: "open", failures: 3 })
    expect(chain.at(silentMs + 3_499)).toEqual([])
    chain.at(silentMs + 3_500)
    expect(only(chain.chain.health())).toMatchObject({ state: "connecting", breaker: "half-open" })
    chain.bar("a", barAt(1))
    expect(only(chain.chain.health())).toMatchObject({ state: "well", breaker: "closed" })
  })

  it("leaves alone for so long who asks for it, for live bars and for history", () => {
    const chain = drive(chainOptions({ sources: [source("a", "both")] }))
    chain.at(frameMs)
    chain.bar("a", barAt(0))
    chain.fail("a", { kind: "rate-limited", retryAfterMs: frameMs })
    expect(chain.at(2 * frameMs - 1)).toEqual([])
    expect(chain.at(2 * frameMs)).toEqual([{ type: "connect", source: "a" }])
    chain.at(4 * frameMs)
    chain.bar("a", barAt(3))
    const request = only(chain.requests())
    chain.notFilled(request, { kind: "rate-limited", retryAfterMs: 5_000 })
    chain.at(4 * frameMs + 4_999)
    expect(chain.requests().length).toBe(1)
    chain.at(4 * frameMs + 5_000)
    expect(chain.requests().length).toBe(2)
  })
})

describe("sources that each lack an instrument", () => {
  const lacking = chainOptions({ instruments: [alpha, beta] })
  /** One interval: the first has no BETA, the second no ALPHA, and both come a little apart. */
  const interval = (chain: ReturnType<typeof drive>, index: number) => {
    chain.at((index + 1) * frameMs)
    chain.bar("a", barAt(index))
    chain.at((index + 1) * frameMs + 100)
    chain.bar("b", barAt(index, { instrument: beta }))
  }

  it("do not take turns: one leads, and the other's bars are passed on as they come", () => {
    const chain = drive(lacking)
    for (let i = 0; i < 50; i++) {
      interval(chain, i)
      chain.at((i + 1) * frameMs + 2_100)
    }
    expect(handOvers(chain.events()).length).toBeLessThanOrEqual(1)
    for (const [instrument, name] of [
      [alpha, "a"],
      [beta, "b"]
    ] as const) {
      expect(chain.passed(instrument)).toEqual(Array.from({ length: 50 }, (_, i) => `${name}@${i}`))
    }
    // Once it is known that nobody better leads, nothing is waited for.
    interval(chain, 50)
    expect(chain.passed(alpha).at(-1)).toBe("a@50")
    expect(chain.passed(beta).at(-1)).toBe("b@50")
  })

  it("still have their gaps filled", () => {
    const chain = drive({ ...lacking, sources: [source("a"), source("b"), source("c", "history")] })
    for (let i = 0; i < 3; i++) {
      interval(chain, i)
      chain.at((i + 1) * frameMs + 2_100)
    }
    const before = chain.requests().length
    chain.at(4 * frameMs)
    chain.bar("a", barAt(3))
    interval(chain, 4)
    const request = only(chain.requests().slice(before))
    expect(request).toMatchObject({ instrument: beta, from: openTimeAt(3), to: openTimeAt(4) })
    chain.filled(request, [barAt(3, { instrument: beta })])
    expect(chain.passed(beta)).toEqual(["b@0", "b@1", "b@2", "c@3", "b@4"])
    expect(chain.chain.missing()).toEqual({ gaps: 0, bars: 0 })
  })

  it("are led by the one that lacks fewer", () => {
    const gamma = instrumentId("sim", "GAMMA", "spot")
    const chain = drive(chainOptions({ instruments: [alpha, beta, gamma] }))
    for (let i = 0; i < 20; i++) {
      chain.at((i + 1) * frameMs)
      chain.bar("a", barAt(i))
      for (const instrument of [beta, gamma]) chain.bar("b", barAt(i, { instrument }))
      chain.at((i + 1) * frameMs + 2_000)
    }
    expect(handOvers(chain.events())).toEqual(["a>b"])
    expect(chain.passed(alpha)).toEqual(Array.from({ length: 20 }, (_, i) => `a@${i}`))
  })

  it("are held for the barrier to know", () => {
    const chain = drive(lacking)
    chain.at(frameMs)
    chain.bar("a", barAt(0))
    chain.bar("b", barAt(0, { instrument: beta }))
    expect(chain.chain.isHolding(beta, openTimeAt(1))).toBe(true)
    expect(chain.chain.isHolding(beta, openTimeAt(1) - 1)).toBe(false)
    expect(chain.chain.isHolding(alpha, openTimeAt(1))).toBe(false)
    chain.at(frameMs + 2_000)
    expect(chain.chain.isHolding(beta, openTimeAt(1))).toBe(false)
  })
})

describe("bars that come out of order", () => {
  it("are put in order again", () => {
    const chain = drive(chainOptions({ sources: [source("a")], instruments: [alpha, beta] }))
    chain.at(frameMs)
    chain.bar("a", barAt(0))
    keepAlive(chain, "a", 1, 3)
    chain.bar("a", barAt(3))
    chain.bar("a", barAt(1))
    expect(chain.passed()).toEqual(["a@0", "a@1"])
    chain.bar("a", barAt(2))
    expect(chain.passed()).toEqual(["a@0", "a@1", "a@2", "a@3"])
    expect(chain.chain.missing()).toEqual({ gaps: 0, bars: 0 })
  })

  it("are given out as late once their turn is over, if they say anything new", () => {
    const chain = drive(chainOptions({ sources: [source("a")] }))
    chain.at(frameMs)
    chain.bar("a", barAt(0))
    chain.at(3 * frameMs)
    chain.bar("a", barAt(2))
    chain.at(3 * frameMs + 1_999)
    expect(chain.passed()).toEqual(["a@0"])
    // Without history there is nobody to ask.
    chain.at(3 * frameMs + 2_000)
    expect(chain.passed()).toEqual(["a@0", "a@2"])
    expect(chain.chain.missing()).toEqual({ gaps: 1, bars: 1 })
    expect(only(chain.bar("a", barAt(1)))).toMatchObject({
      type: "late",
      bar: { openTime: openTimeAt(1), knownAt: startTime + 3 * frameMs + 2_000 }
    })
    expect(chain.bar("a", barAt(2))).toEqual([])
    expect(chain.chain.dropped()).toMatchObject({ duplicate: 1, refused: 0 })
    expect(only(chain.bar("a", barAt(2, { revision: 1, close: 103 })))).toMatchObject({
      type: "late",
      bar: { revision: 1, close: 103 }
    })
    // Of an older revision, or of the same one, it says nothing new.
    expect(chain.bar("a", barAt(2, { close: 104 }))).toEqual([])
    expect(chain.bar("a", barAt(2, { close: 104, revision: 1 }))).toEqual([])
    // Said again under a higher one, it is still the latest.
    expect(chain.bar("a", barAt(2, { close: 103, revision: 3 }))).toEqual([])
    expect(chain.bar("a", barAt(2, { close: 105, revision: 2 }))).toEqual([])
    chain.bar("a", barAt(2, { revision: 4, closeTime: openTimeAt(3) - 1 }))
    expect(chain.chain.dropped()).toMatchObject({ duplicate: 5, refused: 1 })
    expect(chain.passed()).toEqual(["a@0", "a@2"])
  })

  it("come to the report of the highest revision, whatever their order", () => {
    const reports = fc.uniqueArray(
      fc.record({ revision: fc.integer({ min: 0, max: 6 }), close: fc.integer({ min: 1, max: 2 }) }),
      { selector: ({ revision }) => revision, minLength: 1 }
    )
    fc.assert(
      fc.property(reports, fc.boolean(), (given, isHeldFirst) => {
        const chain = drive(chainOptions({ sources: [source("a")], instruments: [alpha, beta] }))
        chain.at(frameMs)
        chain.bar("a", barAt(0))
        keepAlive(chain, "a", 1, 3)
        if (!isHeldFirst) chain.bar("a", barAt(1))
        const closes: Array<number> = []
        const note = (outputs: ReadonlyArray<ChainOutput>) => {
          for (const output of outputs) {
            const isGiven = output.type === "emit" || output.type === "late"
            if (isGiven && output.bar.instrument === alpha && output.bar.openTime === openTimeAt(2)) {
              closes.push(output.bar.close)
            }
          }
        }
        for (const report of given) note(chain.bar("a", barAt(2, report)))
        if (isHeldFirst) note(chain.bar("a", barAt(1)))
        const highest = given.toSorted((a, b) => b.revision - a.revision)[0]
        expect(closes.at(-1)).toBe(highest?.close)
      })
    )
  })

  it("are not given out as late because another source says them too", () => {
    const chain = drive(chainOptions())
    chain.at(frameMs)
    chain.bar("a", barAt(0))
    expect(chain.bar("b", barAt(0, { close: 100.1 }))).toEqual([])
    expect(chain.chain.dropped()).toMatchObject({ duplicate: 1 })
  })

  it("take a correction into account that comes before their turn", () => {
    const chain = drive(chainOptions())
    chain.at(2 * frameMs)
    chain.bar("b", barAt(1, { close: 5 }))
    chain.bar("b", barAt(1, { close: 6, revision: 1 }))
    chain.bar("b", barAt(1, { close: 5 }))
    chain.at(2 * frameMs + 2_000)
    const [passed] = chain.outputs.flatMap((output) => (output.type === "emit" ? [output.bar] : []))
    expect(passed).toMatchObject({ close: 6, revision: 1 })
  })

  it("are refused where they cannot be true", () => {
    const chain = drive(chainOptions())
    chain.at(frameMs)
    chain.bar("a", barAt(0, { instrument: beta }))
    chain.bar("a", barAt(0, { closeTime: openTimeAt(0) + 2 * frameMs }))
    chain.bar("a", barAt(0, { closeTime: openTimeAt(0) }))
    chain.bar("a", barAt(500))
    chain.fail("b")
    chain.bar("b", barAt(0))
    expect(chain.chain.dropped()).toMatchObject({ refused: 5 })
    expect(chain.passed()).toEqual([])
  })

  it("refuses elapsed time that falls, and changes nothing by it", () => {
    const chain = makeFeedChain(chainOptions(), { active: null, next: new Map(), through: startTime })
    const wallMs = startTime + frameMs
    chain.step({ type: "tick", now: 100, wallMs })
    const input = { type: "bar", source: "a", bar: barAt(0), wallMs } as const
    const refused = chain.step({ ...input, now: 99 })
    expect(Either.getLeft(refused)).toMatchObject({
      value: { _tag: "ClockSteppedBack", before: 100, now: 99 }
    })
    expect(chain.next(alpha)).toBeNull()
    // The time of day may: it only says what has closed.
    expect(Either.getOrThrow(chain.step({ ...input, now: 100, wallMs: wallMs - 30_000 })).length).toBe(1)
  })
})

describe("gaps", () => {
  const sources = [source("a"), source("b", "both"), source("c", "history")]
  const withGap = () => {
    const chain = drive(chainOptions({ sources, instruments: [alpha, beta] }))
    chain.at(frameMs)
    chain.bar("a", barAt(0))
    keepAlive(chain, "a", 1, 4)
    chain.bar("a", barAt(4))
    return { ...chain, request: only(chain.requests()) }
  }

  it("are asked of one source after the other until nothing is missing", () => {
    const chain = withGap()
    expect(chain.request).toMatchObject({ source: "b", from: openTimeAt(1), to: openTimeAt(4) })
    chain.filled(chain.request, [barAt(1)], false)
    expect(chain.passed()).toEqual(["a@0", "b@1"])
    chain.filled(chain.request, [barAt(3)])
    expect(chain.passed()).toEqual(["a@0", "b@1"])
    const second = chain.requests()[1] as GapRequest
    expect(second).toMatchObject({ source: "c", from: openTimeAt(2), to: openTimeAt(4) })
    chain.filled(second, [barAt(2), barAt(3)])
    expect(chain.passed()).toEqual(["a@0", "b@1", "c@2", "b@3", "a@4"])
  })

  it("are left as they are when all have answered", () => {
    const chain = withGap()
    chain.filled(chain.request, [barAt(2)])
    chain.filled(chain.requests()[1] as GapRequest, [])
    expect(chain.passed()).toEqual(["a@0", "b@2", "a@4"])
    expect(chain.chain.missing()).toEqual({ gaps: 1, bars: 2 })
  })

  it("are asked again after a failure, and given up when nobody answers in time", () => {
    const chain = withGap()
    let asked = 0
    const refuse = () => {
      for (; asked < chain.requests().length; asked++) chain.notFilled(chain.requests()[asked] as GapRequest)
    }
    refuse()
    for (let ms = 100; ms < 10_000; ms += 100) {
      chain.at(5 * frameMs + ms)
      refuse()
    }
    expect(chain.passed()).toEqual(["a@0"])
    const bySource = chain.requests().map(({ source }) => source)
    // Each after pauses of 0.5, 1, 2 and 4 seconds.
    expect(bySource).toEqual(["b", "c", "b", "c", "b", "c", "b", "c", "b", "c"])
    chain.at(5 * frameMs + 10_000)
    expect(chain.passed()).toEqual(["a@0", "a@4"])
    expect(chain.chain.missing()).toEqual({ gaps: 1, bars: 3 })
  })

  it("are not asked again of a source that refuses", () => {
    const chain = withGap()
    chain.notFilled(chain.request, { kind: "refused" })
    chain.notFilled(chain.requests()[1] as GapRequest, { kind: "refused" })
    expect(chain.passed()).toEqual(["a@0", "a@4"])
  })

  it("are not asked a third time of a source whose answer was malformed twice", () => {
    const chain = withGap()
    for (let asked = 0; asked < 4; asked++) {
      expect(chain.requests().length).toBe(asked + 1)
      chain.notFilled(chain.requests()[asked] as GapRequest, { kind: "malformed" })
      if (asked === 1) chain.at(5 * frameMs + 500)
    }
    expect(chain.passed()).toEqual(["a@0", "a@4"])
    expect(chain.requests().map(({ source }) => source)).toEqual(["b", "c", "b", "c"])
  })

  it("are closed by bars that come after all; an answer that comes then changes nothing", () => {
    const chain = withGap()
    for (const i of [2, 3, 1]) chain.bar("a", barAt(i))
    expect(chain.passed()).toEqual(["a@0", "a@1", "a@2", "a@3", "a@4"])
    chain.filled(chain.request, [barAt(1), barAt(2), barAt(3)])
    expect(chain.passed().length).toBe(5)
  })

  it("of the past are filled first, in parts, whatever comes meanwhile", () => {
    const count = 5_000
    const chain = drive(chainOptions({ sources }), {
      next: new Map([[alpha, openTimeAt(-count)]]),
      through: openTimeAt(0)
    })
    chain.at(0)
    expect(chain.chain.isCatchingUp()).toBe(true)
    chain.at(frameMs)
    chain.bar("a", barAt(0))
    expect(chain.passed()).toEqual([])
    let answered = 0
    for (;;) {
      const request = chain.requests()[answered++]
      if (request === undefined) break
      expect((request.to - request.from) / frameMs).toBeLessThanOrEqual(2_000)
      const first = (request.from - startTime) / frameMs
      const bars = Array.from({ length: (request.to - request.from) / frameMs }, (_, i) =>
        barAt(first + i, { close: 7 })
      )
      chain.filled(request, bars)
    }
    expect(answered).toBe(4)
    expect(chain.chain.isCatchingUp()).toBe(false)
    expect(chain.passed()).toEqual([...Array.from({ length: count }, (_, i) => `b@${i - count}`), "a@0"])
  })

  it("make bars known no earlier than they were fetched, but for those of before the start", () => {
    const chain = withGap()
    chain.filled(chain.request, [barAt(1), barAt(2), barAt(3)])
    const known = chain.outputs.flatMap((output) =>
      output.type === "emit" && output.bar.instrument === alpha ? [output.bar.knownAt] : []
    )
    const fetched = startTime + 5 * frameMs
    expect(known).toEqual([startTime + frameMs, fetched, fetched, fetched, fetched])
  })
})

describe("sources that disagree", () => {
  it("raise one alarm a spell, and count every bar", () => {
    const chain = drive(chainOptions())
    const closes = [100, 101, 101, 100.2, 102]
    closes.forEach((close, i) => {
      chain.at((i + 1) * frameMs)
      chain.bar("a", barAt(i, { close: 100 }))
      chain.bar("b", barAt(i, { close }))
    })
    const events = chain.events()
    expect(events.map(({ type }) => type)).toEqual(["FeedsDisagreed", "FeedsDisagreed"])
    expect(events[0]?.payload).toMatchObject({
      instrument: alpha,
      openTime: openTimeAt(1),
      sources: ["a", "b"],
      closes: [100, 101],
      share: 1 / 101
    })
    expect(chain.chain.health().map(({ disagreements }) => disagreements)).toEqual([3, 3])
    expect(chain.passed()).toEqual(["a@0", "a@1", "a@2", "a@3", "a@4"])
  })

  it("are compared whichever came first, and after a correction again", () => {
    const chain = drive(chainOptions())
    chain.at(frameMs)
    chain.bar("b", barAt(0, { close: 100 }))
    chain.bar("a", barAt(0, { close: 100 }))
    chain.bar("b", barAt(0, { close: 90, revision: 1 }))
    expect(only(chain.events()).payload).toMatchObject({ closes: [100, 90], share: 0.1 })
  })
})

describe("a chain that is taken up again", () => {
  it("goes on with the source that was active, and asks for what has been missed", () => {
    const chain = drive(chainOptions({ sources: [source("a", "both"), source("b", "both")] }), {
      active: "b",
      next: new Map([[alpha, openTimeAt(3)]]),
      through: openTimeAt(6)
    })
    chain.at(6 * frameMs)
    expect(chain.chain.active()).toBe("b")
    const request = only(chain.requests())
    expect(request).toMatchObject({ source: "b", from: openTimeAt(3), to: openTimeAt(6) })
    chain.filled(request, [barAt(3), barAt(4), barAt(5)])
    expect(chain.passed()).toEqual(["b@3", "b@4", "b@5"])
  })

  it("begins with the first that is left when the active one is gone from the settings", () => {
    expect(drive(chainOptions(), { active: "gone" }).chain.active()).toBe("a")
    expect(() => drive(chainOptions({ sources: [source("c", "history")] }))).toThrow(RangeError)
  })
})
