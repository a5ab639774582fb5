/** Chains of sources under random drops, delays, repetitions, disorder, disagreement and loss of connection. */
import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import type { ChainOptions, ChainOutput, GapRequest } from "../../../src/agents/market-data/FeedChain.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { type InstrumentId, instrumentId } from "../../../src/protocols/Instrument.ts"
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

const handOverMs = 2_000
const wellForMs = 3 * frameMs
const tickMs = 500
const intervals = 40
const instruments = [alpha, beta]

/** What one source does with one bar. */
interface Delivery {
  readonly isDropped: boolean
  readonly delayMs: number
  /** Whether it comes twice. */
  readonly again: boolean
  /** Share by which its close differs. */
  readonly off: number
}

interface Script {
  /** By interval, then instrument. */
  readonly deliveries: ReadonlyArray<ReadonlyArray<Delivery>>
  /** When it loses its connection, milliseconds from the start. */
  readonly failures: ReadonlyArray<number>
  readonly hasHistory: boolean
}

/** Evenly from 0 to 99: bounds and small numbers are no likelier than others. */
const percent = fc.noBias(fc.integer({ min: 0, max: 99 }))

/** Of a source that does so much wrong. */
const deliveryOf = (badPercent: number): fc.Arbitrary<Delivery> => {
  const isBad = percent.map((roll) => roll < badPercent)
  return fc
    .record({ isDropped: isBad, isLate: isBad, again: isBad, isOff: isBad, part: percent })
    .map(({ again, isDropped, isLate, isOff, part }) => ({
      isDropped,
      delayMs: Math.round((part / 100) * (isLate ? 2 * frameMs : handOverMs / 2)),
      again,
      off: isOff ? part / 1_000 : 0
    }))
}

const scriptOf: fc.Arbitrary<Script> = fc.constantFrom(0, 2, 20).chain((badPercent) =>
  fc.record({
    deliveries: fc.array(
      fc.array(deliveryOf(badPercent), { minLength: instruments.length, maxLength: instruments.length }),
      { minLength: intervals, maxLength: intervals }
    ),
    failures: fc.array(fc.integer({ min: 0, max: intervals * frameMs }), { maxLength: 3 }),
    hasHistory: fc.boolean()
  })
)

interface World {
  /** Intervals of which nobody gives live bars. */
  readonly blackout: { readonly from: number; readonly count: number }
  readonly scripts: ReadonlyArray<Script>
  /** How long a history takes to answer. */
  readonly fillMs: number
}

const worlds: fc.Arbitrary<World> = fc.record({
  blackout: fc.record({
    from: fc.integer({ min: 0, max: intervals - 1 }),
    count: fc.integer({ min: 0, max: 6 })
  }),
  scripts: fc.array(scriptOf, { minLength: 2, maxLength: 3 }),
  fillMs: fc.integer({ min: 0, max: 1_500 })
})

interface Passed {
  readonly index: number
  readonly at: number
}

interface Played {
  readonly options: ChainOptions
  readonly outputs: ReadonlyArray<readonly [at: number, output: ChainOutput]>
  /** By instrument and interval: when a connected source gave it first, and from whom it was accepted at all. */
  readonly arrivals: ReadonlyMap<string, number>
  /** By instrument: when answers for its gaps came. */
  readonly answers: ReadonlyMap<string, ReadonlyArray<number>>
  readonly passed: ReadonlyMap<string, ReadonlyArray<Passed>>
}

const names = ["a", "b", "c"] as const
const indexOf = ({ openTime }: Bar): number => (openTime - startTime) / frameMs

/** Plays a world against a chain, tick by tick. */
const play = ({ blackout, fillMs, scripts }: World): Played => {
  const options = chainOptions({
    sources: scripts.map(({ hasHistory }, i) => source(names[i] as string, hasHistory ? "both" : "live")),
    instruments,
    handOverMs,
    wellForMs
  })
  const chain = drive(options, {
    next: new Map(instruments.map((id) => [id, startTime])),
    through: startTime
  })
  const outputs: Array<readonly [number, ChainOutput]> = []
  const connected = new Set<string>()
  const arrivals = new Map<string, number>()
  const answers = new Map<string, Array<number>>()
  const passed = new Map<string, Array<Passed>>(instruments.map((id) => [id as string, []]))
  type Happening = { readonly at: number; readonly happen: () => ReadonlyArray<ChainOutput> }
  const pending: Array<Happening> = []
  const later = (happening: Happening) => {
    let at = pending.length
    while (at > 0 && (pending[at - 1] as Happening).at > happening.at) at--
    pending.splice(at, 0, happening)
  }
  const take = (given: ReadonlyArray<ChainOutput>) => {
    for (const output of given) {
      outputs.push([chain.now(), output])
      if (output.type === "connect") connected.add(output.source)
      if (output.type === "disconnect") connected.delete(output.source)
      if (output.type === "emit") {
        const { bar } = output
        passed.get(bar.instrument)?.push({ index: indexOf(bar), at: chain.now() })
      }
      if (output.type === "fill") answer(output.request)
    }
  }
  /** History holds what has closed by then. */
  const answer = (request: GapRequest) =>
    later({
      at: chain.now() + fillMs,
      happen: () => {
        const id = instruments.find((instrument) => instrument === request.instrument) ?? alpha
        answers.set(id, [...(answers.get(id) ?? []), chain.now()])
        const bars: Array<Bar> = []
        for (let i = Math.ceil((request.from - startTime) / frameMs); openTimeAt(i) < request.to; i++) {
          if (openTimeAt(i + 1) <= startTime + chain.now()) bars.push(barAt(i, { instrument: id }))
        }
        return chain.filled(request, bars)
      }
    })

  scripts.forEach(({ deliveries, failures }, i) => {
    const name = names[i] as string
    deliveries.forEach((row, index) => {
      if (index >= blackout.from && index < blackout.from + blackout.count) return
      row.forEach(({ again, delayMs, isDropped, off }, k) => {
        const instrument = instruments[k] as typeof alpha
        if (isDropped) return
        const bar = barAt(index, { instrument, close: (100 + index) * (1 + off) })
        const happen = () => {
          if (!connected.has(name)) return []
          const key = `${instrument}/${index}`
          if (!arrivals.has(key)) arrivals.set(key, chain.now())
          return chain.bar(name, bar)
        }
        const at = (index + 1) * frameMs + delayMs
        later({ at, happen })
        if (again) later({ at: at + 777, happen })
      })
    })
    for (const at of failures) {
      later({
        at,
        happen: () => {
          connected.delete(name)
          return chain.fail(name)
        }
      })
    }
  })
  for (let tick = 0; tick <= (intervals + 4) * frameMs; tick += tickMs) {
    while (pending.length > 0 && (pending[0] as Happening).at < tick) {
      const { at, happen } = pending.shift() as Happening
      take(chain.at(Math.max(at, chain.now())))
      take(happen())
    }
    take(chain.at(tick))
  }
  return { options, outputs, arrivals, answers, passed }
}

const check = (property: (played: Played, world: World) => void) =>
  fc.assert(
    fc.property(worlds, (world) => property(play(world), world)),
    { numRuns: 30 }
  )

describe("a chain of sources, whatever they do", () => {
  it("passes bars on strictly rising, and each of them once", () => {
    check(({ passed }) => {
      for (const bars of passed.values()) {
        for (let i = 1; i < bars.length; i++) {
          expect((bars[i] as Passed).index).toBeGreaterThan((bars[i - 1] as Passed).index)
        }
      }
    })
  })

  it("loses no bar that a live source gave or that lies between, if a history can be asked", () => {
    check(({ arrivals, passed }, { scripts }) => {
      if (!scripts.some(({ hasHistory }) => hasHistory)) return
      for (const [instrument, bars] of passed) {
        const given = [...arrivals.keys()].filter((key) => key.startsWith(`${instrument}/`))
        const last = Math.max(-1, ...given.map((key) => Number(key.split("/")[1])))
        expect(bars.map(({ index }) => index)).toEqual(Array.from({ length: last + 1 }, (_, i) => i))
      }
    })
  })

  it("loses no bar that came in time, even without a history", () => {
    check(({ arrivals, passed }) => {
      for (const [key, at] of arrivals) {
        const [instrument = "", text] = key.split("/")
        const index = Number(text)
        if (at - (index + 1) * frameMs > handOverMs / 2) continue
        expect((passed.get(instrument) ?? []).map((bar) => bar.index)).toContain(index)
      }
    })
  })

  it("keeps no bar waiting longer than a hand-over may take", () => {
    check(({ answers, arrivals, passed }, { scripts }) => {
      if (!scripts.some(({ hasHistory }) => hasHistory)) return
      for (const [instrument, bars] of passed) {
        bars.forEach(({ at, index }, i) => {
          const arrival = arrivals.get(`${instrument}/${index}`)
          if (arrival === undefined) return
          const before = i === 0 ? 0 : (bars[i - 1] as Passed).at
          const answered = (answers.get(instrument) ?? []).filter((time) => time <= at)
          const waitedFrom = Math.max(arrival, before, ...answered)
          expect(at - waitedFrom).toBeLessThanOrEqual(handOverMs + tickMs)
        })
      }
    })
  })

  it("does not go back to a source that has not been well for long enough", () => {
    check(({ options, outputs }, { scripts }) => {
      const rank = new Map(options.sources.map(({ name }, i) => [name, i]))
      const lastBack = new Map<string, number>()
      for (const [at, output] of outputs) {
        if (output.type !== "event" || output.event.type !== "FeedHandedOver") continue
        const { from, reason, to } = output.event.payload
        if (!reason.includes("has been well")) continue
        const toRank = rank.get(to) as number
        expect(toRank).toBeLessThan(rank.get(from) as number)
        const lost = (scripts[toRank] as Script).failures.filter((failed) => failed <= at)
        expect(at - Math.max(...lost, 0)).toBeGreaterThanOrEqual(wellForMs)
        expect(at - (lastBack.get(to) ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(wellForMs)
        lastBack.set(to, at)
      }
    })
  })

  it("is put to the test: sources are handed over and back, gaps filled, alarms raised", () => {
    const counts = new Map<string, number>()
    const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1)
    for (const world of fc.sample(worlds, { numRuns: 40, seed: 1 })) {
      for (const [, output] of play(world).outputs) {
        if (output.type === "fill" || output.type === "disconnect") count(output.type)
        if (output.type !== "event") continue
        const isBack =
          output.event.type === "FeedHandedOver" && output.event.payload.reason.includes("has been well")
        count(isBack ? "hand-back" : output.event.type)
      }
    }
    for (const what of ["fill", "hand-back", "FeedHandedOver", "FeedsDisagreed", "FeedRecovered"]) {
      expect(counts.get(what) ?? 0, what).toBeGreaterThan(20)
    }
  })

  it("hands over no more often than bars are lacked, however they are shared out, and misses none", () => {
    const symbols = ["A", "B", "C", "D"].map((symbol) => instrumentId("sim", symbol, "spot"))
    /** By source and instrument: when in each interval its bar comes, or never. */
    const delays = fc.array(
      fc.array(fc.option(fc.integer({ min: 0, max: handOverMs / 2 })), {
        minLength: symbols.length,
        maxLength: symbols.length
      }),
      { minLength: 2, maxLength: 3 }
    )
    fc.assert(
      fc.property(delays, (sources) => {
        const chain = drive(
          chainOptions({
            sources: sources.map((_, i) => source(names[i] as string)),
            instruments: symbols,
            handOverMs,
            wellForMs
          })
        )
        const arrivals = sources
          .flatMap((row, i) =>
            row.flatMap((delayMs, k) => (delayMs === null ? [] : [{ name: names[i] as string, delayMs, k }]))
          )
          .sort((one, other) => one.delayMs - other.delayMs)
        for (let index = 0; index < intervals; index++) {
          for (const { delayMs, k, name } of arrivals) {
            chain.at((index + 1) * frameMs + delayMs)
            chain.bar(name, barAt(index, { instrument: symbols[k] as InstrumentId }))
          }
          for (let ms = 0; ms <= handOverMs; ms += tickMs) chain.at((index + 1) * frameMs + handOverMs + ms)
        }
        const lacked = sources.flat().filter((delayMs) => delayMs === null).length
        // One that gives nothing at all loses its connection besides.
        const silent = sources.filter((row) => row.every((delayMs) => delayMs === null)).length
        expect(handOvers(chain.events()).length).toBeLessThanOrEqual(lacked + silent)
        symbols.forEach((instrument, k) => {
          const isGiven = sources.some((row) => row[k] !== null)
          expect(chain.passed(instrument).map((text) => Number(text.split("@")[1]))).toEqual(
            isGiven ? Array.from({ length: intervals }, (_, i) => i) : []
          )
        })
      }),
      { numRuns: 60 }
    )
  })

  it("does the same again when the same happens again", () => {
    fc.assert(
      fc.property(worlds, (world) => {
        expect(play(world).outputs).toEqual(play(world).outputs)
      }),
      { numRuns: 5 }
    )
  })
})
