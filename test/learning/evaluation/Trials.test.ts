import { describe, expect, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import { summariseTrials, Trial, trialId } from "../../../src/learning/evaluation/Trials.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"

const hour = TimeFrame.make("1h")

const trial = (name: string, given: Partial<Trial> = {}): Trial => ({
  id: trialId({ name }),
  kind: "crossing",
  at: 1_700_000_000_000,
  timeFrame: hour,
  data: { from: 1_600_000_000_000, to: 1_650_000_000_000 },
  sharpe: 0.01,
  observations: 1_000,
  skewness: 0,
  kurtosis: 3,
  meta: [],
  ...given
})

describe("trials", () => {
  it("are named by their configuration, whatever the order of its keys", () => {
    expect(trialId({ fast: 24, slow: 168 })).toBe(trialId({ slow: 168, fast: 24 }))
    expect(trialId({ fast: 24, slow: 168 })).not.toBe(trialId({ fast: 25, slow: 168 }))
  })

  it("count once, however often they were run on the same data, as they came out last", () => {
    const first = trial("a", { sharpe: 0.5 })
    const entries = [first, trial("b", { sharpe: 0.03 }), { ...first, at: first.at + 1, sharpe: 0.01 }]
    const { sharpeVariance, trials } = summariseTrials(entries, hour)
    expect(trials).toBe(2)
    expect(sharpeVariance).toBeCloseTo(0.01 ** 2 * 2, 12)
    const elsewhere = { ...first, data: { from: 1_600_000_000_000, to: 1_650_000_000_001 } }
    expect(summariseTrials([...entries, elsewhere], hour).trials).toBe(3)
  })

  it("count without a ratio, too, and say nothing of the spread then", () => {
    const silent = [trial("a", { sharpe: null }), trial("b")]
    expect(summariseTrials(silent, hour)).toEqual({ trials: 2, sharpeVariance: null })
    expect(summariseTrials([], hour)).toEqual({ trials: 0, sharpeVariance: null })
  })

  it("are brought to bars of one length", () => {
    const daily = TimeFrame.make("1d")
    const entries = [trial("a", { sharpe: 0 }), trial("b", { sharpe: 0.2 * Math.sqrt(24), timeFrame: daily })]
    expect(summariseTrials(entries, hour).sharpeVariance).toBeCloseTo(0.02, 12)
    expect(summariseTrials(entries, daily).sharpeVariance).toBeCloseTo(0.02 * 24, 12)
  })

  it("are decoded as strictly as they are written", () => {
    const decode = Schema.decodeUnknownEither(Trial)
    expect(Either.isRight(decode(JSON.parse(JSON.stringify(trial("a")))))).toBe(true)
    for (const wrong of [
      { id: "a" },
      { sharpe: Number.POSITIVE_INFINITY },
      { observations: -1 },
      { data: { from: 2, to: 1 } },
      { timeFrame: "1x" },
      { meta: [{ name: "not a name", value: 1 }] }
    ]) {
      expect(Either.isLeft(decode({ ...trial("a"), ...wrong }))).toBe(true)
    }
  })
})
