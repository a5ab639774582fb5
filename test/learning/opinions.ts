/** Random opinion models and questions, and the check that an artefact answers as its reference does. */
import { expect } from "vitest"
import type { OpinionValues } from "../../src/learning/OpinionModel.ts"
import type { Calibrator } from "../../src/learning/ScoreCalibrator.ts"
import type { KeyedRandom } from "../../src/protocols/wire/KeyedRandom.ts"
import { runOnnx } from "./onnx/runOnnx.ts"

export const randomCalibrator = (random: KeyedRandom): Calibrator => ({
  outcomes: 100,
  sell: { intercept: random.normal(), score: -Math.abs(random.normal()), band: random.normal() },
  buy: { intercept: random.normal(), score: Math.abs(random.normal()), band: random.normal() },
  scoreMax: 1 + random.next(),
  logBandMin: -1 - random.next(),
  logBandMax: random.next(),
  slope: 1.5 * random.next(),
  residualDeviation: 0.5 + random.next()
})

export interface Row {
  /** As float32 holds them: the artefact is given these. */
  readonly features: Float32Array
  readonly sigma: number
  readonly band: number
}

export const randomRows = (random: KeyedRandom, count: number, features: number): ReadonlyArray<Row> =>
  Array.from({ length: count }, () => ({
    features: Float32Array.from({ length: features }, () => random.normal()),
    sigma: Math.fround(Math.exp(random.normal() - 4)),
    band: Math.fround(Math.exp(random.normal() - 5))
  }))

export const askOnnx = async (
  artefact: Uint8Array,
  rows: ReadonlyArray<Row>
): Promise<ReadonlyArray<OpinionValues>> => {
  const features = rows[0]?.features.length ?? 0
  const out = await runOnnx(artefact, {
    features: { dims: [rows.length, features], values: rows.flatMap((row) => [...row.features]) },
    sigma: { dims: [rows.length, 1], values: rows.map((row) => row.sigma) },
    band: { dims: [rows.length, 1], values: rows.map((row) => row.band) }
  })
  expect(out.probabilities?.dims).toEqual([rows.length, 3])
  for (const name of ["expected_return", "spread", "score"]) expect(out[name]?.dims).toEqual([rows.length, 1])
  const at = (name: string, i: number) => out[name]?.values[i] as number
  return rows.map((_, i) => ({
    probabilities: {
      sell: at("probabilities", 3 * i),
      hold: at("probabilities", 3 * i + 1),
      buy: at("probabilities", 3 * i + 2)
    },
    expectedReturn: at("expected_return", i),
    spread: at("spread", i),
    score: at("score", i)
  }))
}

const flat = ({ probabilities: p, expectedReturn, spread, score }: OpinionValues) => [
  p.sell,
  p.hold,
  p.buy,
  expectedReturn,
  spread,
  score
]

/** Every output within 1e-5 of the reference's. */
export const expectClose = (
  actual: ReadonlyArray<OpinionValues>,
  expected: ReadonlyArray<OpinionValues>
): void => {
  expect(actual.length).toBe(expected.length)
  actual.forEach((one, i) => {
    const reference = flat(expected[i] as OpinionValues)
    flat(one).forEach((value, k) => {
      expect(Math.abs(value - (reference[k] as number))).toBeLessThan(1e-5)
    })
  })
}
