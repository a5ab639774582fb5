import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { runThrough } from "../../../src/learning/steps.ts"
import { prepareCourse } from "../../../src/market/environment/Course.ts"
import {
  noVariation,
  type SimulatedCourse,
  type SimulatedCoursesOptions,
  simulatedCourses
} from "../../../src/market/environment/simulatedCourses.ts"
import type { FeatureMatrix } from "../../../src/market/features/FeatureMatrix.ts"
import { fitFeatureScaling, scaleMatrix } from "../../../src/market/features/FeatureScaling.ts"
import { sequenceFeatures } from "../../../src/market/SequenceFeatures.ts"
import { worlds } from "../../../src/market/worlds.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { costly, environmentOf } from "./arbitraries.ts"

const usual: SimulatedCoursesOptions = {
  world: worlds.efficient,
  costs: costly,
  variation: noVariation,
  worlds: 3,
  instrumentsPerWorld: 2,
  bars: 60,
  timeFrame: TimeFrame.make("1h"),
  startTime: 0,
  features: sequenceFeatures.bars,
  key: ["test"]
}

const made = (change: Partial<SimulatedCoursesOptions> = {}): ReadonlyArray<SimulatedCourse> => {
  return runThrough(Either.getOrThrow(simulatedCourses({ ...usual, ...change })))
}

const variation = {
  volatility: { low: 0.5, high: 2 },
  costs: { low: 0, high: 3 },
  correlation: { low: 0.1, high: 0.9 },
  momentum: { share: { low: 0, high: 0.5 }, persistence: { low: 0.5, high: 0.95 } }
}

describe("simulated courses", () => {
  it("come as the world is, without variation", () => {
    const courses = made()
    expect(courses.length).toBe(6)
    for (const { bars, costs, features, world } of courses) {
      expect(world).toEqual(worlds.efficient)
      expect(costs).toEqual(costly)
      expect(bars.close.length).toBe(60)
      expect(features.names.length).toBe(10)
      expect(features.first).toBe(20)
    }
    expect(new Set(courses.map(({ bars }) => bars.close[50])).size).toBe(6)
  })

  it("are the bars that the simulator plays, with the features of each", () => {
    const [course] = made({ worlds: 1 })
    const { bars, features } = course as SimulatedCourse
    const column = Float32Array.from({ length: 10 })
    sequenceFeatures.bars.fill({ ...bars, timeFrame: usual.timeFrame }, 33, column, 0)
    expect([...features.values.subarray(330, 340)]).toEqual([...column])
    expect([...bars.open.subarray(1)]).toEqual([...bars.close.subarray(0, 59)])
  })

  it("lie within the ranges, and reach over them", () => {
    const courses = made({ variation, worlds: 40, instrumentsPerWorld: 1, bars: 22 })
    const base = worlds.efficient.regimes[0]?.volatility as number
    const drawn = courses.map(({ costs, world }) => [
      (world.regimes[0]?.volatility as number) / base,
      costs.feeBps / costly.feeBps,
      world.correlation,
      world.momentum?.share as number,
      world.momentum?.persistence as number
    ])
    const ranges = [
      variation.volatility,
      variation.costs,
      variation.correlation,
      variation.momentum.share,
      variation.momentum.persistence
    ]
    for (const [i, { high, low }] of ranges.entries()) {
      const values = drawn.map((row) => row[i] as number)
      expect(Math.min(...values)).toBeGreaterThanOrEqual(low)
      expect(Math.max(...values)).toBeLessThanOrEqual(high)
      expect(Math.max(...values) - Math.min(...values)).toBeGreaterThan(0.7 * (high - low))
    }
  })

  it("are the same for the same key, however many there are", () => {
    const some = made({ variation, worlds: 2, bars: 30 })
    const more = made({ variation, worlds: 4, bars: 30 })
    expect(more.slice(0, 4)).toEqual(some)
    expect(made({ variation, worlds: 2, bars: 30, key: ["other"] })).not.toEqual(some)
  })

  it("make an environment: scaled by one scaling, each with its own costs", () => {
    const pool = made({ variation })
    const matrixOf = (rows: ReadonlyArray<Float32Array>, names: ReadonlyArray<string>): FeatureMatrix => {
      const matrix = Float32Array.from(rows.flatMap((row) => [...row]))
      const asOf = new Float64Array(matrix.length / names.length)
      return { schema: { version: 1, names }, names, asOf, matrix, validFrom: 0 }
    }
    const { names } = (pool[0] as SimulatedCourse).features
    const withFeatures = pool.map(({ features }) => features.values.subarray(features.first * names.length))
    const all = matrixOf(withFeatures, names)
    const scaling = fitFeatureScaling(all, { from: 0, to: all.asOf.length })
    const courses = pool.map((course) => {
      const values = scaleMatrix(matrixOf([course.features.values], names), scaling)
      return Either.getOrThrow(prepareCourse({ ...course, features: { ...course.features, values } }))
    })
    const environment = environmentOf(courses, { environments: 6 })
    expect(environment.observationSpace.size).toBe(12)
    const costs: Array<number> = []
    environment.step(new Int32Array(6).fill(2))
    for (let row = 0; row < 6; row++) costs.push(-(environment.profitMicro[row] as number))
    expect(new Set(costs).size).toBe(6)
  })

  it("are made in steps", () => {
    const steps = Either.getOrThrow(simulatedCourses(usual))
    let yields = 0
    while (steps.next().done !== true) yields++
    expect(yields).toBeGreaterThanOrEqual(3)
  })

  it("are refused before anything is simulated where a world or a range cannot be", () => {
    const refusedBy = (change: Partial<SimulatedCoursesOptions>) =>
      Either.getOrThrow(Either.flip(simulatedCourses({ ...usual, ...change })))
    const varied = (change: Partial<SimulatedCoursesOptions["variation"]>) =>
      refusedBy({ variation: { ...noVariation, ...change } })
    expect(refusedBy({ world: { ...worlds.efficient, correlation: 2 } })._tag).toBe("ImpossibleWorld")
    expect(varied({ correlation: { low: 1, high: 1 } })._tag).toBe("ImpossibleWorld")
    expect(varied({ volatility: { low: 2, high: 1 } }).message).toContain("the range of volatility is 2 to 1")
    expect(varied({ costs: { low: Number.NaN, high: 1 } }).message).toContain("NaN")
    expect(varied({ costs: { low: 0, high: Number.POSITIVE_INFINITY } }).message).toContain("Infinity")
    expect(refusedBy({ bars: 21 }).message).toContain("a course of 21 bars is too short")
    expect(refusedBy({ worlds: 0 }).message).toContain("0 worlds")
    expect(refusedBy({ instrumentsPerWorld: 0 }).message).toContain("0 instruments")
    expect(refusedBy({ bars: 1_000_000 }).message).toContain("more than the 1000000")
  })
})
