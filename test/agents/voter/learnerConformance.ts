/** What every learner has to do. Each suite runs the same sentences against its own. */
import { expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import type { Settings } from "../../../src/agents/Settings.ts"
import { firstFitEveryBars, type Learner } from "../../../src/agents/voter/Learner.ts"
import { windowCloses } from "../../../src/market/Features.ts"
import type { BarsClosed } from "../../../src/protocols/Bar.ts"
import type { InstrumentId } from "../../../src/protocols/Instrument.ts"
import { ModelManifest } from "../../../src/protocols/Model.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
import { askOnnx } from "../../learning/opinions.ts"
import { asOfAt, simulated } from "../feedEvents.ts"
import { settingsWith } from "../settings.ts"
import { featuresOf, fitOf, learn, restarted, signature } from "./learning.ts"

export interface Conformance<State, Encoded> {
  readonly make: (settings: Settings) => Learner<State, Encoded>
  /** Small enough that a fit takes milliseconds. */
  readonly changes: Readonly<Record<string, string | number | boolean>>
  /** Bars from which on it can be fitted with these. */
  readonly fittableFrom: number
  /** The key of the configuration that says how often it is fitted. */
  readonly refitEveryBars: string
}

/** Bars after the as-of for which a window is held. */
const lateBars = 20
const count = 460
const { events, instruments } = simulated({ seed: 71, count, instruments: 2 })
const ids = instruments.map(({ id }) => id) as ReadonlyArray<InstrumentId>

/** Another future: from an index on every price is another. */
const withFuture = (from: number, factor: number): ReadonlyArray<BarsClosed> =>
  events.map((event) =>
    event.payload.index < from
      ? event
      : {
          ...event,
          payload: {
            ...event.payload,
            bars: event.payload.bars.map((bar) => ({
              ...bar,
              open: bar.open * factor,
              high: bar.high * factor,
              low: bar.low * factor,
              close: bar.close * factor
            }))
          }
        }
  )

export const learnerConformance = <State, Encoded>(options: Conformance<State, Encoded>) => {
  const { changes, fittableFrom, make } = options
  const learner = make(settingsWith(changes))
  const anyCut = fc.integer({ min: windowCloses + 1, max: count - lateBars })
  const fittable = fc.integer({ min: fittableFrom, max: count - lateBars })

  it("gives the same features of a truncated history as of the full one at the same as-of", () => {
    fc.assert(
      fc.property(anyCut, fc.integer({ min: 1, max: lateBars }), (cut, later) => {
        const asOf = asOfAt(cut - 1)
        const truncated = learn(learner, events.slice(0, cut))
        const longer = learn(learner, events.slice(0, cut + later))
        for (const id of ids) {
          const expected = featuresOf(learner, truncated, id, asOf)
          expect(expected?.sigma).toBeGreaterThan(0)
          expect(featuresOf(learner, longer, id, asOf)).toEqual(expected)
        }
      }),
      { numRuns: 30 }
    )
  })

  it("sees nothing of the future, whatever it will be", () => {
    fc.assert(
      fc.property(anyCut, fc.constantFrom(0.2, 0.9, 1.7), (cut, factor) => {
        const asOf = asOfAt(cut - 1)
        const truncated = learn(learner, events.slice(0, cut))
        const other = learn(learner, withFuture(cut, factor).slice(0, cut + lateBars))
        for (const id of ids) {
          expect(featuresOf(learner, other, id, asOf)).toEqual(featuresOf(learner, truncated, id, asOf))
        }
      }),
      { numRuns: 20 }
    )
  })

  it("holds no window before there are bars enough, at no other as-of and of no other instrument", () => {
    const [id] = ids as [InstrumentId]
    const short = learn(learner, events.slice(0, windowCloses - 1))
    expect(learner.window(short, id, asOfAt(windowCloses - 2))).toBeUndefined()
    const state = learn(learner, events.slice(0, windowCloses))
    expect(learner.window(state, id, asOfAt(windowCloses - 1))).toBeDefined()
    expect(learner.window(state, id, asOfAt(windowCloses - 1) + 1)).toBeUndefined()
    expect(learner.window(state, "sim:NOBODY:spot" as InstrumentId, asOfAt(windowCloses - 1))).toBeUndefined()
  })

  it("fits the same model on a truncated history as on the full one when it has come to the same as-of", () => {
    fc.assert(
      fc.property(fittable, (cut) => {
        const truncated = signature(fitOf(learner, learn(learner, events.slice(0, cut))))
        // On the way it has been fitted before, asked, and told of what it knows already.
        let state = learner.initial()
        for (const event of events.slice(0, cut)) {
          state = learner.evolve(learner.evolve(state, event), events[0] as BarsClosed)
          if (event.payload.index === fittableFrom - 10) fitOf(learner, state)
          featuresOf(learner, state, ids[0] as InstrumentId, event.payload.asOf)
        }
        expect(truncated).toBeDefined()
        expect(signature(fitOf(learner, state))).toEqual(truncated)
      }),
      { numRuns: 5 }
    )
  })

  it("has the same opinions on a truncated history as on the full one", async () => {
    const cut = fittableFrom + 20
    const asOf = asOfAt(cut - 1)
    const truncated = learn(learner, events.slice(0, cut))
    const fitted = fitOf(learner, truncated)
    const rowsOf = (state: State) =>
      ids.map((id) => {
        const found = featuresOf(learner, state, id, asOf)
        return {
          features: Float32Array.from(found?.features ?? []),
          sigma: Math.fround((found?.sigma ?? 0) * Math.sqrt(learner.horizonBars)),
          band: Math.fround(0.005)
        }
      })
    const artefact = fitted?.artefact as Uint8Array
    const expected = await askOnnx(artefact, rowsOf(truncated))
    const longer = learn(learner, withFuture(cut, 1.3).slice(0, cut + lateBars))
    expect(await askOnnx(artefact, rowsOf(longer))).toEqual(expected)
    for (const { probabilities } of expected) {
      expect(probabilities.sell + probabilities.hold + probabilities.buy).toBeCloseTo(1, 5)
    }
  })

  it("goes on after a restart as if there had been none", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: count - 1 }), (cut) => {
        const whole = learn(learner, events)
        const resumed = learn(
          learner,
          events.slice(cut),
          restarted(learner, learn(learner, events.slice(0, cut)))
        )
        const encode = Schema.encodeSync(learner.snapshot)
        expect(encode(resumed)).toEqual(encode(whole))
        if (cut % 3 === 0) {
          expect(signature(fitOf(learner, resumed))).toEqual(signature(fitOf(learner, whole)))
        }
      }),
      { numRuns: 12 }
    )
  })

  it("reads its own snapshot to the last digit, the empty one too", () => {
    const encode = Schema.encodeSync(learner.snapshot)
    for (const cut of [0, 1, windowCloses, fittableFrom, count]) {
      const state = learn(learner, events.slice(0, cut))
      expect(encode(restarted(learner, state))).toEqual(encode(state))
    }
    expect(() => Schema.decodeUnknownSync(learner.snapshot)({ asOf: "yesterday" })).toThrow()
  })

  it("is due first when it can be fitted, every few bars until there is a model, then at its interval", () => {
    const refitEveryBars = 60
    const scheduled = make(settingsWith({ ...changes, [options.refitEveryBars]: refitEveryBars }))
    const due = (hasModel: boolean) => {
      let state = scheduled.initial()
      return events.flatMap((event) => {
        state = scheduled.evolve(state, event)
        return scheduled.isDue(state, hasModel) ? [event.payload.index] : []
      })
    }
    const without = due(false)
    const [first] = without as [number]
    const every = (step: number) =>
      Array.from({ length: Math.floor((count - 1 - first) / step) + 1 }, (_, i) => first + i * step)
    expect(first).toBeGreaterThan(windowCloses)
    expect(without).toEqual(every(firstFitEveryBars))
    expect(due(true)).toEqual(every(refitEveryBars))
  })

  it("is not due before any bar, and makes no model of too few", () => {
    const empty = learner.initial()
    expect([learner.isDue(empty, false), learner.isDue(empty, true)]).toEqual([false, false])
    expect(learner.timeFrame(empty)).toBeNull()
    expect(fitOf(learner, empty)).toBeUndefined()
    expect(fitOf(learner, learn(learner, events.slice(0, windowCloses + 10)))).toBeUndefined()
  })

  it("says of a model what it was made of, and nothing later than its as-of", () => {
    const cut = fittableFrom + 5
    const fitted = fitOf(learner, learn(learner, events.slice(0, cut)))
    const { artefact, manifest, reason } = fitted as NonNullable<typeof fitted>
    const whole = { ...manifest, digest: sha256(artefact), bytes: artefact.byteLength, parent: null }
    expect(Schema.is(ModelManifest)(whole)).toBe(true)
    expect(manifest).toMatchObject({
      kind: learner.kind,
      voter: learner.name,
      horizonBars: learner.horizonBars,
      features: learner.features,
      fittedAsOf: asOfAt(cut - 1)
    })
    expect(manifest.data.to).toBe(asOfAt(cut - 1))
    expect(manifest.data.from).toBeLessThan(manifest.data.to)
    expect(manifest.metrics.map(({ name }) => name)).toEqual(["log-loss", "base-log-loss", "held-out"])
    expect(reason).toContain("log loss")
  })

  it("configured otherwise says so in its manifest", () => {
    const state = (changed: Readonly<Record<string, string | number>>) => {
      const other = make(settingsWith({ ...changes, ...changed }))
      return fitOf(other, learn(other, events.slice(0, fittableFrom + 5)))?.manifest
    }
    expect(state({})?.configuration).toBe(state({})?.configuration)
    expect(state({ "costs.feeBps": 6 })?.configuration).not.toBe(state({})?.configuration)
    expect(state({ "run.seed": 9 })?.seed).toBe(9)
  })
}
