/**
 * What the worlds promise about their returns. Seeds are fixed, so that these tests are deterministic; each
 * bound is a number of standard errors, or lies well inside what the definition of the world gives.
 */
import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { simulate } from "../../src/market/Simulator.ts"
import { type WorldName, worlds } from "../../src/market/worlds.ts"
import { TimeFrame } from "../../src/protocols/TimeFrame.ts"

type Numbers = ReadonlyArray<number>

interface Sample {
  /** Simple returns from close to close. */
  readonly returns: Numbers
  readonly volumes: Numbers
  /** Logarithm of high over low. */
  readonly ranges: Numbers
}

const sample = (world: WorldName, seed: number, bars: number, instruments = 2): ReadonlyArray<Sample> => {
  const { next } = Either.getOrThrow(
    simulate({ world: worlds[world], seed, instruments, timeFrame: TimeFrame.make("1h"), startTime: 0 })
  )
  const rows = Array.from({ length: bars }, next)
  return Array.from({ length: instruments }, (_, j) => {
    const own = rows.flatMap((row) => row.slice(j, j + 1))
    return {
      returns: own.map(({ open, close }) => close / open - 1),
      volumes: own.map(({ volume }) => volume ?? Number.NaN),
      ranges: own.map(({ high, low }) => Math.log(high / low))
    }
  })
}

const mean = (xs: Numbers) => xs.reduce((sum, x) => sum + x, 0) / xs.length
const centred = (xs: Numbers) => {
  const m = mean(xs)
  return xs.map((x) => x - m)
}
const deviation = (xs: Numbers) => Math.sqrt(mean(centred(xs).map((x) => x * x)))
const correlation = (xs: Numbers, ys: Numbers) => {
  const a = centred(xs)
  const b = centred(ys)
  return mean(a.map((x, i) => x * (b[i] as number))) / (deviation(xs) * deviation(ys))
}
const kurtosis = (xs: Numbers) => mean(centred(xs).map((x) => x ** 4)) / deviation(xs) ** 4

/** sum(x y) over its standard error, allowing for clustered volatility; N(0, 1) without correlation. */
const productStatistic = (xs: Numbers, ys: Numbers) => {
  const products = xs.map((x, i) => x * (ys[i] as number))
  return products.reduce((sum, p) => sum + p, 0) / Math.sqrt(products.reduce((sum, p) => sum + p * p, 0))
}

/** Exponential mean of the returns up to and including each bar. */
const trailingMean = (returns: Numbers, weight: number): Numbers => {
  let value = 0
  return returns.map((r) => {
    value = (1 - weight) * value + weight * r
    return value
  })
}

const seeds = [1, 2, 3, 4, 5, 6]
const warmUp = 200
const standardErrors = 4

describe("the efficient world", () => {
  const samples = seeds.flatMap((seed) => sample("efficient", seed, 3_000))

  it("has a mean return of zero within its standard error", () => {
    for (const { returns } of samples) {
      expect(Math.abs(mean(returns))).toBeLessThan(
        (standardErrors * deviation(returns)) / Math.sqrt(returns.length)
      )
    }
    const all = samples.flatMap(({ returns }) => returns)
    expect(Math.abs(mean(all))).toBeLessThan((standardErrors * deviation(all)) / Math.sqrt(all.length))
  })

  it("has no autocorrelation of returns at any of ten lags", () => {
    for (const { returns } of samples) {
      for (let lag = 1; lag <= 10; lag++) {
        expect(Math.abs(productStatistic(returns.slice(lag), returns.slice(0, -lag)))).toBeLessThan(
          standardErrors
        )
      }
    }
  })

  it("has a direction that does not depend on the trend so far", () => {
    for (const { returns } of samples) {
      const directions = returns.map(Math.sign)
      for (const weight of [1, 0.3, 0.05]) {
        const trend = trailingMean(returns, weight).map(Math.sign)
        const statistic = productStatistic(directions.slice(warmUp + 1), trend.slice(warmUp, -1))
        expect(Math.abs(statistic)).toBeLessThan(standardErrors)
      }
    }
  })

  it("has volatility that clusters", () => {
    const magnitudes = samples.map(({ returns }) => returns.map(Math.abs))
    const lagged = magnitudes.map((xs) => correlation(xs.slice(1), xs.slice(0, -1)))
    expect(mean(lagged)).toBeGreaterThan(0.1)
  })
})

describe("the momentum world", () => {
  const samples = seeds.flatMap((seed) => sample("momentum", seed, 4_000))

  it("has a next return that a trailing mean of returns predicts", () => {
    const found = samples.map(({ returns }) =>
      correlation(returns.slice(warmUp + 1), trailingMean(returns, 0.18).slice(warmUp, -1))
    )
    expect(mean(found)).toBeGreaterThan(0.15)
    expect(Math.min(...found)).toBeGreaterThan(0.1)
  })

  it("pays a simple follower of the trend after costs of 14 basis points a round trip", () => {
    for (const { returns } of samples) {
      const trend = trailingMean(returns, 0.18)
      let position = 0
      let profit = 0
      for (let i = warmUp; i < returns.length - 1; i++) {
        const expected = 0.5 * (trend[i] as number)
        const target = expected > 0.001 ? 1 : expected < -0.001 ? -1 : position
        profit += target * (returns[i + 1] as number) - 0.0007 * Math.abs(target - position)
        position = target
      }
      expect(profit / (returns.length - warmUp)).toBeGreaterThan(0.0005)
    }
  })

  it("moves by about one percent a bar", () => {
    for (const { returns } of samples) expect(Math.abs(deviation(returns) - 0.011)).toBeLessThan(0.002)
  })
})

describe("every world", () => {
  const names: ReadonlyArray<WorldName> = ["market", "momentum", "efficient"]

  it("has fat tails", () => {
    for (const name of names) {
      for (const { returns } of sample(name, 11, 4_000))
        expect([name, kurtosis(returns) > 3.5]).toEqual([name, true])
    }
  })

  it("has instruments that move together as its definition says", () => {
    for (const name of names) {
      const [a, b] = sample(name, 12, 4_000)
      const share = worlds[name].momentum?.share ?? 0
      // The planted part is each instrument's own, and dilutes the correlation of the rest.
      const expected = worlds[name].correlation * (1 - share * share)
      expect(Math.abs(correlation(a?.returns ?? [], b?.returns ?? []) - expected)).toBeLessThan(0.1)
    }
  })

  it("has ranges inside the bar as wide as a random walk of its steps has", () => {
    // 4 ln 2 = 2.77 times the variance for a continuous walk (Parkinson 1980), less for one of twelve steps.
    for (const name of names) {
      for (const { returns, ranges } of sample(name, 14, 3_000)) {
        const ratio = mean(ranges.map((x) => x * x)) / mean(returns.map((x) => x * x))
        expect(ratio).toBeGreaterThan(1.65)
        expect(ratio).toBeLessThan(2.2)
      }
    }
  })

  it("trades more when prices move", () => {
    for (const name of names) {
      for (const { returns, volumes } of sample(name, 13, 2_000)) {
        expect(correlation(returns.map(Math.abs), volumes.map(Math.log))).toBeGreaterThan(0.25)
      }
    }
  })
})
