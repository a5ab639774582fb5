import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import * as fc from "fast-check"
import { observationLimit } from "../../../src/market/environment/Course.ts"
import { ActionRefused } from "../../../src/market/environment/errors.ts"
import {
  buy,
  hold,
  makeTradingEnvironments,
  sell,
  type TradingEnvironments,
  type TradingOptions
} from "../../../src/market/environment/TradingEnvironments.ts"
import type { VectorEnvironment } from "../../../src/protocols/VectorEnvironment.ts"
import {
  cents,
  costly,
  costs,
  courseOf,
  environmentOf,
  exposures,
  free,
  instrument,
  path,
  sides,
  steady,
  usual
} from "./arbitraries.ts"

const act = (...actions: ReadonlyArray<number>) => Int32Array.from(actions)
const seen = (environment: VectorEnvironment, row = 0) => {
  const { size } = environment.observationSpace
  return [...environment.observations.subarray(row * size, (row + 1) * size)]
}
const seenLast = (environment: VectorEnvironment, row = 0) => {
  const { size } = environment.observationSpace
  return [...environment.finalObservations.subarray(row * size, (row + 1) * size)]
}

/** All that can be read off an environment. */
const shown = (environment: TradingEnvironments) => ({
  observations: [...environment.observations],
  rewards: [...environment.rewards],
  terminated: [...environment.terminated],
  truncated: [...environment.truncated],
  profitMicro: [...environment.profitMicro],
  shaping: [...environment.shaping],
  bars: [...environment.bars],
  courses: [...environment.courseIndices],
  cash: [...environment.accounts.cash],
  equity: [...environment.accounts.equity],
  lots: [...environment.accounts.lots]
})

describe("a step", () => {
  const prices = [100, 100, 110, 99, 120]

  it("fills at the first price of the next bar and earns from there to its close", () => {
    const environment = environmentOf([
      courseOf({ ...steady(prices), open: [1, 101, 102, 103, 104] }, { costs: free })
    ])
    environment.step(act(buy))
    // 100 lots of a unit's ten-thousandth per unit of a price of 100: 10,000 quote units buy 100 units.
    expect(environment.accounts.lots[0]).toBe(1_000_000)
    expect(environment.profitMicro[0]).toBe(-100 * 1_000_000)
    expect(environment.rewards[0]).toBe(Math.log(9_900 / 10_000))
    environment.step(act(hold))
    expect(environment.profitMicro[0]).toBe(1_000 * 1_000_000)
    expect(environment.rewards[0]).toBe(Math.log(10_900 / 9_900))
  })

  it("shows the features of the bar, the exposure and the unrealised profit, as shares of the equity", () => {
    const environment = environmentOf([courseOf(steady(prices), { costs: free })])
    expect(seen(environment)).toEqual([0, 0, 0])
    environment.step(act(buy))
    expect(seen(environment)).toEqual([Math.fround(0.1), 1, 0])
    environment.step(act(hold))
    expect(seen(environment)).toEqual([Math.fround(0.2), 1, Math.fround(1_000 / 11_000)])
    environment.step(act(sell))
    // Turned round at 110, 11,000 quote units: short of 100 units at 99 with a profit of 11 each.
    const [index, exposure, unrealised] = seen(environment) as [number, number, number]
    expect(index).toBe(Math.fround(0.3))
    expect(exposure).toBeCloseTo(-9_900 / 12_100, 5)
    expect(unrealised).toBeCloseTo(1_100 / 12_100, 5)
  })

  it("shows the profit over the mean price of what is held, which a partial sale does not change", () => {
    const path = {
      open: [100, 100, 200, 400, 400],
      close: [100, 100, 200, 400, 400],
      volume: null,
      closeOnly: false
    }
    const environment = environmentOf([courseOf(path, { costs: free })], {
      actions: { kind: "box", low: 0, high: 1 }
    })
    const step = (exposure: number) => {
      environment.step(Float32Array.of(exposure))
      return [environment.accounts.lots[0] as number, environment.accounts.entryTicks[0] as number] as const
    }
    const [first, firstEntry] = step(0.25)
    expect(firstEntry).toBe(10_000)
    const [second, secondEntry] = step(0.75)
    expect(secondEntry).toBeCloseTo((first * 10_000 + (second - first) * 20_000) / second, 6)
    const perUnit = 400 - secondEntry / 100
    const [third, thirdEntry] = step(0.5)
    expect(third).toBeLessThan(second)
    expect(thirdEntry).toBe(secondEntry)
    const equity = environment.accounts.equity[0] as number
    expect(seen(environment)[2]).toBeCloseTo((third * cents.lot * perUnit * 1e6) / equity, 5)
    expect(step(0)).toEqual([0, 0])
  })

  it("leaves the lots as they are on hold and on the side that it is on", () => {
    const environment = environmentOf([courseOf(steady(prices))])
    environment.step(act(buy))
    const lots = environment.accounts.lots[0] as number
    for (const action of [buy, hold]) {
      const cash = environment.accounts.cash[0]
      environment.step(act(action))
      expect(environment.accounts.lots[0]).toBe(lots)
      expect(environment.accounts.cash[0]).toBe(cash)
    }
  })

  it("goes flat on a sale where shorting is off, and pays what a trade costs", () => {
    const environment = environmentOf([courseOf(steady([100, 100, 100, 100]))], {
      actions: { kind: "discrete", shorting: false }
    })
    environment.step(act(sell))
    expect(environment.accounts.lots[0]).toBe(0)
    environment.step(act(buy))
    // 100 units, 3 basis points worse to the cent above: 100.03, and a fee of 4 basis points of that.
    expect(environment.profitMicro[0]).toBe(-3_000_000 - 4_001_200)
    environment.step(act(sell))
    expect(environment.profitMicro[0]).toBe(-3_000_000 - 3_998_800)
    expect(environment.accounts.lots[0]).toBe(0)
  })

  it("does nothing in a bar that nobody trades in", () => {
    const environment = environmentOf([courseOf({ ...steady(prices), volume: [1, 0, 1, 1, 1] })])
    environment.step(act(buy))
    expect([environment.accounts.lots[0], environment.rewards[0]]).toEqual([0, 0])
    environment.step(act(hold))
    expect(environment.accounts.lots[0]).toBe(0)
  })

  it("takes a box action as the exposure itself, and its bounds are actions", () => {
    const environment = environmentOf([courseOf(steady([100, 100, 100, 100]), { costs: free })], {
      actions: { kind: "box", low: -0.3, high: 0.7 }
    })
    environment.step(Float32Array.of(0.7))
    expect(seen(environment)[1]).toBeCloseTo(0.7, 5)
    environment.step(Float32Array.of(-0.3))
    expect(seen(environment)[1]).toBeCloseTo(-0.3, 5)
  })

  it("multiplies the reward by its scale, and not the profit", () => {
    const course = courseOf(steady(prices))
    const rows = [1, 250].map((rewardScale) => {
      const environment = environmentOf([course], {
        rewardScale,
        reward: { kind: "drawdown-penalised", lambda: 2 }
      })
      for (const action of [buy, hold, hold]) environment.step(act(action))
      return shown(environment)
    })
    expect(rows[1]?.rewards[0]).toBeCloseTo(250 * (rows[0]?.rewards[0] as number), 12)
    expect(rows[1]?.shaping[0]).toBeCloseTo(250 * (rows[0]?.shaping[0] as number), 12)
    expect(rows[1]?.profitMicro).toEqual(rows[0]?.profitMicro)
  })
})

describe("an episode", () => {
  const rising = steady(Array.from({ length: 8 }, (_, i) => 100 + i))

  it("is truncated at the last bar of its course, and the next one begins in the same step", () => {
    const short = courseOf(steady([50, 51, 52]))
    const environment = environmentOf([short, courseOf(rising)])
    const first = seen(environment)
    environment.step(act(buy))
    expect([environment.truncated[0], environment.terminated[0]]).toEqual([0, 0])
    environment.step(act(hold))
    expect([environment.truncated[0], environment.terminated[0]]).toEqual([1, 0])
    expect(seenLast(environment)[0]).toBeCloseTo(0.2, 6)
    expect(seenLast(environment)[1]).toBeCloseTo(1, 2)
    expect(environment.finalEquityMicro[0]).toBeGreaterThan(10_000e6)
    expect(environment.rewards[0]).toBeCloseTo(Math.log(52 / 51), 4)
    // The next one, on the other course.
    expect(seen(environment)).toEqual(first)
    expect([environment.bars[0], environment.courseIndices[0]]).toEqual([0, 1])
    expect([environment.accounts.cash[0], environment.accounts.lots[0]]).toEqual([10_000e6, 0])
    environment.step(act(hold))
    expect([environment.truncated[0], environment.rewards[0]]).toEqual([0, 0])
  })

  it("is truncated after its steps", () => {
    const environment = environmentOf([courseOf(rising)], { episodeSteps: 3 })
    const ends: Array<number> = []
    for (let t = 0; t < 9; t++) {
      environment.step(act(hold))
      ends.push(environment.truncated[0] as number)
    }
    expect(ends).toEqual([0, 0, 1, 0, 0, 1, 0, 0, 1])
  })

  it("is terminated, and not truncated, where the account is ruined", () => {
    const environment = environmentOf([courseOf(steady([100, 100, 250, 250]), { costs: free })])
    environment.step(act(sell))
    environment.step(act(hold))
    expect([environment.terminated[0], environment.truncated[0]]).toEqual([1, 0])
    // It owes more than it had: told as it is, rewarded as the fall to the floor.
    expect(environment.profitMicro[0]).toBe(-15_000e6)
    expect(environment.finalEquityMicro[0]).toBe(-5_000e6)
    expect(environment.rewards[0]).toBeCloseTo(Math.log(0.1), 12)
    expect(seenLast(environment).every((value) => Math.abs(value) <= observationLimit)).toBe(true)
    expect(environment.accounts.cash[0]).toBe(10_000e6)
  })

  it("is terminated, and not truncated, where ruin comes in its last bar", () => {
    const environment = environmentOf([courseOf(steady([100, 100, 250]), { costs: free })])
    environment.step(act(sell))
    environment.step(act(hold))
    expect([environment.terminated[0], environment.truncated[0]]).toEqual([1, 0])
  })

  it("is truncated where the account outgrows exact counting, by its equity or by its position", () => {
    const truncatedAt = (exposure: number, prices: ReadonlyArray<number>) => {
      const environment = environmentOf([courseOf(steady(prices), { costs: free })], {
        cash: 30e6,
        ruinShare: 0.001,
        actions: { kind: "box", low: -2, high: 2 }
      })
      environment.step(Float32Array.of(exposure))
      return [environment.truncated[0], environment.finalEquityMicro[0]]
    }
    const more = [100, 116, 116, 116]
    expect(truncatedAt(1, [100, 100, 100, 100])).toEqual([0, 0])
    // 34.8 of 35.2 million, and 36.
    expect(truncatedAt(1, more)).toEqual([0, 0])
    expect(truncatedAt(1, [100, 120, 120])).toEqual([1, 36e12])
    // Short of twice 30 million that are worth 70.8: the equity is small.
    expect(truncatedAt(-2, [100, 118, 118])).toEqual([1, 19.2e12])
  })

  it("is truncated before an account that grows tenfold a bar can no longer be counted", () => {
    const prices = Array.from({ length: 12 }, (_, i) => 10 * 10 ** i)
    const environment = environmentOf([courseOf(steady(prices), { costs: free })])
    environment.step(act(buy))
    let steps = 1
    while (environment.truncated[0] === 0) {
      environment.step(act(hold))
      steps++
    }
    // 10,000 quote units bought at 10 are more than 35 million after four times ten.
    expect(steps).toBe(4)
    expect(environment.finalEquityMicro[0]).toBe(1e8 * 1e6)
  })

  it("begins where its stream says, with room for its steps, and otherwise for each row", () => {
    const course = courseOf(steady(Array.from({ length: 60 }, () => 100)))
    const environment = environmentOf([course], { environments: 50, episodeSteps: 20, starts: "random" })
    const starts = [...environment.bars]
    expect(Math.max(...starts)).toBeLessThanOrEqual(39)
    expect(new Set(starts).size).toBeGreaterThan(15)
    for (let t = 0; t < 20; t++) {
      expect([...environment.truncated]).toEqual(Array(50).fill(0))
      environment.step(new Int32Array(50).fill(hold))
    }
    expect([...environment.truncated]).toEqual(Array(50).fill(1))
    expect([...environment.bars]).not.toEqual(starts)
    environment.reset()
    expect([...environment.bars]).toEqual(starts)
    const other = environmentOf([course], {
      environments: 50,
      episodeSteps: 20,
      starts: "random",
      key: ["b"]
    })
    expect([...other.bars]).not.toEqual(starts)
    const fewer = environmentOf([course], { environments: 7, episodeSteps: 20, starts: "random" })
    expect([...fewer.bars]).toEqual(starts.slice(0, 7))
  })

  it("reaches every last bar when it begins anywhere", () => {
    const course = courseOf(steady([100, 100, 100, 100]))
    const environment = environmentOf([course], { environments: 40, starts: "random" })
    expect([...new Set(environment.bars)].sort()).toEqual([0, 1, 2])
    const limited = environmentOf([course], { environments: 40, starts: "random", episodeSteps: 2 })
    expect([...new Set(limited.bars)].sort()).toEqual([0, 1])
  })

  it("runs over the courses in turn", () => {
    const courses = [3, 4, 5].map((bars) => courseOf(steady(Array.from({ length: bars }, () => 100))))
    const environment = environmentOf(courses, { environments: 2, episodeSteps: 1 })
    const visited = [[...environment.courseIndices]]
    for (let t = 0; t < 2; t++) {
      environment.step(act(hold, hold))
      visited.push([...environment.courseIndices])
    }
    expect(visited).toEqual([
      [0, 1],
      [2, 0],
      [1, 2]
    ])
  })
})

describe("rows", () => {
  const rewards: fc.Arbitrary<TradingOptions["reward"]> = fc.constantFrom(
    { kind: "log-wealth" } as const,
    { kind: "differential-sharpe", eta: 0.05 } as const,
    { kind: "drawdown-penalised", lambda: 0.5 } as const
  )

  it("earn over an episode exactly what their equity has changed by, and growth apart from shaping", () => {
    fc.assert(
      fc.property(path, instrument, costs, sides, rewards, (bars, terms, charged, actions, reward) => {
        const environment = environmentOf([courseOf(bars, { instrument: terms, costs: charged })], { reward })
        const begun = environment.accounts.equity[0] as number
        let profit = 0
        let growth = 0
        for (const action of actions) {
          environment.step(act(action))
          profit += environment.profitMicro[0] as number
          growth += (environment.rewards[0] as number) - (environment.shaping[0] as number)
          if (environment.truncated[0] === 1 || environment.terminated[0] === 1) break
          expect(environment.accounts.equity[0]).toBe(begun + profit)
        }
        const ended = environment.finalEquityMicro[0] as number
        expect(profit).toBe(ended - begun)
        expect(growth).toBeCloseTo(Math.log(Math.max(ended, 0.1 * begun) / begun), 8)
        if (reward.kind === "log-wealth") expect(environment.shaping[0]).toBe(0)
      })
    )
  })

  it("see nothing of the bars that follow", () => {
    fc.assert(
      fc.property(path, path, sides, (bars, other, actions) => {
        const cut = Math.ceil(bars.close.length / 2)
        // The same bars up to the cut, and others from there on.
        const ratioOfEnds = (bars.close[cut - 1] as number) / (other.close[0] as number)
        const joined = (column: "open" | "close") => [
          ...bars[column].slice(0, cut),
          ...other[column].map((price) => price * ratioOfEnds)
        ]
        const whole = { ...bars, volume: null }
        const changed = { ...whole, open: joined("open"), close: joined("close") }
        const [a, b] = [whole, changed].map((bars) => environmentOf([courseOf(bars)])) as [
          TradingEnvironments,
          TradingEnvironments
        ]
        for (let t = 0; t + 1 < cut && a.truncated[0] === 0 && a.terminated[0] === 0; t++) {
          expect(seen(a)).toEqual(seen(b))
          a.step(act(actions[t] as number))
          b.step(act(actions[t] as number))
          expect(a.profitMicro[0]).toBe(b.profitMicro[0])
        }
      })
    )
  })

  it("do not mind each other: many at once are what each is alone", () => {
    fc.assert(
      fc.property(fc.array(path, { minLength: 3, maxLength: 3 }), exposures, (paths, actions) => {
        const courses = paths.map((bars) => courseOf(bars))
        const options = { actions: { kind: "box", low: -1, high: 1 } } as const
        const together = environmentOf(courses, { ...options, environments: 3 })
        const alone = courses.map((course) => environmentOf([course], options))
        for (let t = 0; t < 12; t++) {
          const chosen = [0, 1, 2].map((row) => actions[(t + 5 * row) % actions.length] as number)
          together.step(Float32Array.from(chosen))
          for (const [row, single] of alone.entries()) {
            single.step(Float32Array.of(chosen[row] as number))
            expect(together.rewards[row]).toBe(single.rewards[0])
            expect(together.profitMicro[row]).toBe(single.profitMicro[0])
            expect(seen(together, row)).toEqual(seen(single))
          }
        }
      }),
      { numRuns: 50 }
    )
  })

  it("are the same for equal actions, and again after a reset", () => {
    fc.assert(
      fc.property(path, sides, (bars, actions) => {
        const options = { starts: "random", episodeSteps: 7, environments: 2 } as const
        const [a, b] = [0, 1].map(() => environmentOf([courseOf(bars)], options)) as [
          TradingEnvironments,
          TradingEnvironments
        ]
        const run = (environment: TradingEnvironments) =>
          actions.map((action) => {
            environment.step(act(action, 2 - action))
            return shown(environment)
          })
        const once = run(a)
        expect(run(b)).toEqual(once)
        a.reset()
        expect(run(a)).toEqual(once)
      }),
      { numRuns: 30 }
    )
  })

  it("never show a number that is not finite or beyond the limit", () => {
    fc.assert(
      fc.property(path, instrument, costs, exposures, (bars, terms, charged, actions) => {
        const environment = environmentOf([courseOf(bars, { instrument: terms, costs: charged })], {
          actions: { kind: "box", low: -2, high: 2 }
        })
        const { high, low } = environment.observationSpace
        for (const action of actions) {
          environment.step(Float32Array.of(2 * action))
          expect(seen(environment).every((value) => value >= low && value <= high)).toBe(true)
          expect(seenLast(environment).every((value) => value >= low && value <= high)).toBe(true)
          expect(Number.isFinite(environment.rewards[0])).toBe(true)
          expect(Number.isSafeInteger(environment.accounts.equity[0])).toBe(true)
          expect(Number.isSafeInteger(environment.accounts.cash[0])).toBe(true)
        }
      })
    )
  })
})

describe("a refusal", () => {
  const course = courseOf(steady([100, 101, 102, 103, 104, 105]))

  it("of an action leaves every row as it was", () => {
    const discrete = environmentOf([course], { environments: 3 })
    const box = environmentOf([course], { environments: 3, actions: { kind: "box", low: -1, high: 1 } })
    discrete.step(act(buy, hold, sell))
    box.step(Float32Array.of(1, 0, -1))
    const refused = (environment: TradingEnvironments, actions: Int32Array | Float32Array, row: number) => {
      const before = shown(environment)
      let thrown: unknown
      try {
        environment.step(actions)
      } catch (cause) {
        thrown = cause
      }
      expect(thrown).toBeInstanceOf(ActionRefused)
      expect(thrown).toMatchObject({ row })
      expect(shown(environment)).toEqual(before)
    }
    refused(discrete, act(buy, buy, 3), 2)
    refused(discrete, act(-1, buy, buy), 0)
    refused(discrete, act(buy, buy), -1)
    refused(discrete, Float32Array.of(1, 1, 1), -1)
    refused(box, Float32Array.of(0, Number.NaN, 0), 1)
    refused(box, Float32Array.of(0, 0, 1.000_001), 2)
    refused(box, Float32Array.of(Number.NEGATIVE_INFINITY, 0, 0), 0)
    refused(box, act(1, 0, 1), -1)
    refused(box, Float32Array.of(0), -1)
  })

  it("says which courses and options make no environment", () => {
    const reasonOf = (
      courses: Parameters<typeof makeTradingEnvironments>[0],
      options: Partial<TradingOptions> = {}
    ) => Either.getOrThrow(Either.flip(makeTradingEnvironments(courses, { ...usual, ...options }))).message
    expect(reasonOf([])).toContain("there is no course")
    const features = { names: ["other"], values: new Float32Array(3), first: 0 }
    expect(reasonOf([course, courseOf(steady([1, 1, 1]), { features })])).toContain("index, another other")
    expect(reasonOf([course], { environments: 0 })).toContain("0 rows")
    expect(reasonOf([course], { cash: Number.NaN })).toContain("NaN")
    expect(reasonOf([course], { cash: 1e9 })).toContain("1000000000")
    expect(reasonOf([course], { ruinShare: 0 })).toContain("ruin")
    expect(reasonOf([course], { episodeSteps: 0 })).toContain("0 steps")
    expect(reasonOf([course], { rewardScale: 0 })).toContain("reward scale")
    expect(reasonOf([course], { actions: { kind: "box", low: 1, high: -1 } })).toContain("from 1 to -1")
    expect(reasonOf([course], { actions: { kind: "box", low: -5, high: 1 } })).toContain("from -5 to 1")
    expect(reasonOf([course], { reward: { kind: "differential-sharpe", eta: 1 } })).toContain("eta")
    expect(reasonOf([course], { reward: { kind: "drawdown-penalised", lambda: -1 } })).toContain("lambda")
  })
})

describe("costs", () => {
  it("are paid on every trade: with them an account never has more", () => {
    fc.assert(
      fc.property(path, sides, (bars, actions) => {
        const options = { actions: { kind: "discrete", shorting: false } } as const
        const paying = environmentOf([courseOf(bars, { costs: costly })], options)
        const unpaying = environmentOf([courseOf(bars, { costs: free })], options)
        for (const action of actions) {
          paying.step(act(action))
          unpaying.step(act(action))
          if (paying.truncated[0] === 1 || paying.terminated[0] === 1) break
          if (unpaying.truncated[0] === 1 || unpaying.terminated[0] === 1) break
          expect(paying.accounts.equity[0]).toBeLessThanOrEqual(unpaying.accounts.equity[0] as number)
        }
      })
    )
  })
})
