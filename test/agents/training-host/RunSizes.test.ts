import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { parameterCount, runSizesOf } from "../../../src/agents/training-host/RunSizes.ts"
import { networkManifest } from "../../../src/learning/NetworkOpinion.ts"
import {
  type BodySpec,
  type NetworkSpec,
  patternRecogniser,
  pricePredictor,
  transformerPredictor
} from "../../../src/learning/networks/NetworkSpec.ts"
import { specs } from "../../learning/networks/specs.ts"

const mlp = (...hidden: ReadonlyArray<number>): NetworkSpec => ({
  ...pricePredictor,
  body: { kind: "mlp", hidden: hidden as unknown as readonly [number] }
})

describe("the sizes of runs", () => {
  it("cut a batch into equal parts where it is too much for a run, and put steps together where it is little", () => {
    expect(runSizesOf(pricePredictor, 32)).toEqual({ microRows: null, stepsPerRun: 1 })
    expect(runSizesOf(transformerPredictor, 32)).toEqual({ microRows: 4, stepsPerRun: 1 })
    expect(runSizesOf(patternRecogniser, 32).microRows).toBeNull()
    expect(runSizesOf(mlp(16), 32)).toEqual({ microRows: null, stepsPerRun: 16 })
    for (const rows of [1, 7, 32, 100, 1_000]) {
      const { microRows, stepsPerRun } = runSizesOf(transformerPredictor, rows)
      expect(rows % (microRows ?? rows)).toBe(0)
      if (microRows !== null) expect(stepsPerRun).toBe(1)
    }
  })

  it("are there for every kind of network", () => {
    for (const [, spec] of specs) {
      const { microRows, stepsPerRun } = runSizesOf(spec, 8)
      expect(microRows).toBeNull()
      expect(stepsPerRun).toBeGreaterThan(0)
    }
  })
})

describe("a network", () => {
  it("is counted before it is trained", () => {
    expect(parameterCount(pricePredictor)).toEqual(Either.right(networkManifest(pricePredictor).size))
  })

  it("is refused where it cannot be built, or what it comes to could not be served", () => {
    const refusal = (body: BodySpec) =>
      Either.getOrThrow(Either.flip(parameterCount({ ...pricePredictor, body }))).message
    expect(refusal({ kind: "transformer", width: 10, heads: 3, layers: 1, inner: 8, dropout: 0 })).toContain(
      "a width of 10 cannot be shared out to 3 heads"
    )
    expect(refusal({ kind: "mlp", hidden: [4_096, 4_096, 4_096] })).toMatch(
      /its \d+ parameters make an artefact of \d+ MiB/
    )
  })
})
