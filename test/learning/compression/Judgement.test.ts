import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import * as fc from "fast-check"
import { ReplacementRefused } from "../../../src/learning/compression/errors.ts"
import {
  type CompressionCase,
  judgeCompression,
  type ModelMeasures,
  renderJudgement
} from "../../../src/learning/compression/Judgement.ts"

const rows = 200

const measures = (name: string, changes: Partial<ModelMeasures> = {}): ModelMeasures => ({
  name,
  bytes: 400_000,
  latencyMs: { rows1: 2, rows64: 40 },
  losses: Float64Array.from({ length: rows }, (_, row) => (row < 50 ? 1 : 0)),
  ...changes
})

const quick = (changes: Partial<ModelMeasures> = {}) =>
  measures("int8", { bytes: 100_000, latencyMs: { rows1: 1, rows64: 25 }, ...changes })

const caseWith = (changes: Partial<CompressionCase> = {}): CompressionCase => ({
  before: measures("float"),
  after: quick(),
  lossName: "share of wrong answers",
  bounds: { lossIncreaseMax: 0.01 },
  ...changes
})

const wrong = (count: number) => Float64Array.from({ length: rows }, (_, row) => (row < count ? 1 : 0))

const refusalOf = (given: CompressionCase): ReplacementRefused =>
  Either.getOrThrow(Either.flip(judgeCompression(given).verdict))

describe("a compressed model", () => {
  it("takes the place of the one before where it costs no more than is allowed", () => {
    const judgement = judgeCompression(caseWith({ after: quick({ losses: wrong(52) }) }))
    expect(judgement.verdict).toEqual(Either.right("replace"))
    expect(judgement.lossIncrease).toBeCloseTo(0.01, 12)
    expect(judgement.rows).toBe(rows)
  })

  it("is refused past the bound, whatever it saves", () => {
    const given = caseWith({ after: quick({ bytes: 1, losses: wrong(53) }) })
    const refused = refusalOf(given)
    expect(refused).toBeInstanceOf(ReplacementRefused)
    expect(refused.because).toBe("worse")
    expect(refused.rows).toBe(rows)
    expect(refused.message).toBe(
      '"int8" is not taken, over 200 held-out rows: the share of wrong answers grows by 0.01500, more than the 0.01000 allowed.'
    )
  })

  it("is refused exactly where the mean loss grows past the bound", () => {
    const losses = fc.array(fc.double({ min: 0, max: 5, noNaN: true }), { minLength: 100, maxLength: 130 })
    const thousandths = (min: number) => fc.integer({ min, max: 1_000 }).map((one) => one / 1_000)
    fc.assert(
      fc.property(losses, thousandths(-1_000), thousandths(0), (all, by, lossIncreaseMax) => {
        const given = caseWith({
          before: measures("float", { losses: all }),
          after: quick({ losses: all.map((loss) => loss + by) }),
          bounds: { lossIncreaseMax }
        })
        const { lossIncrease, verdict } = judgeCompression(given)
        expect(lossIncrease).toBeCloseTo(by, 9)
        expect(Either.isRight(verdict)).toBe(lossIncrease <= lossIncreaseMax)
      })
    )
  })

  it("is refused where the interval of its loss reaches past the bound", () => {
    const interval = { mean: 0, low: -0.02, high: 0.02 }
    expect(refusalOf(caseWith({ interval })).because).toBe("worse")
    expect(refusalOf(caseWith({ interval })).reason).toMatch(/may grow by up to 0.02000/)
    const narrow = { mean: 0, low: -0.002, high: 0.002 }
    expect(Either.isRight(judgeCompression(caseWith({ interval: narrow })).verdict)).toBe(true)
    expect(refusalOf(caseWith({ interval: { ...interval, high: Number.NaN } })).because).toBe("unmeasured")
  })

  it("is refused where it is slower than is allowed, or nothing is gained", () => {
    const slow = quick({ latencyMs: { rows1: 5, rows64: 25 } })
    expect(Either.isRight(judgeCompression(caseWith({ after: slow })).verdict)).toBe(true)
    const bounds = { lossIncreaseMax: 0.01, latencyTimesMax: 2 }
    expect(refusalOf(caseWith({ after: slow, bounds })).because).toBe("slower")
    expect(refusalOf(caseWith({ after: slow, bounds })).reason).toMatch(/batch 1 is 2.500 times/)
    expect(refusalOf(caseWith({ after: measures("same") })).because).toBe("no gain")
    // A twentieth is what two measurements of one model may differ by.
    const hardly = measures("hardly", { latencyMs: { rows1: 1.9, rows64: 38 }, bytes: 390_000 })
    expect(refusalOf(caseWith({ after: hardly })).because).toBe("no gain")
    const little = { lossIncreaseMax: 0.01, gainMin: 0.01 }
    expect(Either.isRight(judgeCompression(caseWith({ after: hardly, bounds: little })).verdict)).toBe(true)
  })

  it("is refused where anything was not measured", () => {
    const broken: ReadonlyArray<Partial<CompressionCase>> = [
      { after: quick({ losses: wrong(50).slice(1) }) },
      { before: measures("float", { losses: [] }), after: quick({ losses: [] }) },
      {
        before: measures("float", { losses: wrong(1).slice(0, 99) }),
        after: quick({ losses: wrong(1).slice(0, 99) })
      },
      { after: quick({ losses: wrong(50).fill(Number.NaN, 7, 8) }) },
      { before: measures("float", { losses: wrong(50).fill(Number.POSITIVE_INFINITY, 7, 8) }) },
      { after: quick({ bytes: 0 }) },
      { after: quick({ latencyMs: { rows1: Number.NaN, rows64: 1 } }) },
      { before: measures("float", { latencyMs: { rows1: 1, rows64: 0 } }) },
      { bounds: { lossIncreaseMax: Number.NaN } },
      { bounds: { lossIncreaseMax: -0.1 } },
      { bounds: { lossIncreaseMax: 0.1, rowsMin: rows + 1 } }
    ]
    for (const changes of broken) {
      expect(refusalOf(caseWith(changes)).because, JSON.stringify(changes)).toBe("unmeasured")
    }
  })

  it("is told of in plain text, before and after", () => {
    const given = caseWith({ after: quick({ losses: wrong(53) }), conditions: "one thread, a busy machine" })
    expect(renderJudgement(judgeCompression(given))).toBe(
      [
        "measure                    float     int8        change",
        "bytes                    400,000  100,000  0.2500 times",
        "latency at batch 1, ms         2        1  0.5000 times",
        "latency at batch 64, ms       40       25  0.6250 times",
        "share of wrong answers    0.2500   0.2650      +0.01500",
        "Over 200 held-out rows; it may grow by 0.01000.",
        "Latencies: one thread, a busy machine.",
        "Refused: the share of wrong answers grows by 0.01500, more than the 0.01000 allowed."
      ].join("\n")
    )
    expect(renderJudgement(judgeCompression(caseWith()))).toMatch(/\n"int8" may take the place of "float"\.$/)
  })
})
