import { describe, expect, it } from "@effect/vitest"
import { exactFigure, tradingCases } from "../../../../src/agents/training/reinforcement/tradingCases.ts"
import {
  growthFigure,
  shareFigure,
  tradingWorlds,
  turnoverFigure
} from "../../../../src/agents/training/reinforcement/tradingWorlds.ts"
import type { Act } from "../../../../src/learning/rl/acting.ts"
import { runThrough } from "../../../../src/learning/steps.ts"
import { buy, hold, sell } from "../../../../src/market/environment/TradingEnvironments.ts"

const judged = (world: keyof typeof tradingWorlds, act: Act, rows: number) =>
  runThrough(tradingWorlds[world].judge(act, rows, ["test", world]))

/** Acts by the first number and the exposure that each row sees; there are two numbers of the account at the end. */
const acting =
  (choose: (feature: number, exposure: number) => number): Act =>
  (observations, actions) => {
    const size = observations.length / actions.length
    for (let row = 0; row < actions.length; row++) {
      const exposure = observations[(row + 1) * size - 2] as number
      actions[row] = choose(observations[row * size] as number, exposure)
    }
  }

const staying = acting(() => hold)
const turning = acting((_, exposure) => (exposure > 0 ? sell : buy))

describe("the judging of trading", () => {
  it("finds nothing where nothing is done", () => {
    for (const world of ["oracle", "last", "no-edge"] as const) {
      const figures = judged(world, staying, 2)
      expect(figures[growthFigure]).toBe(0)
      expect(figures[turnoverFigure]).toBe(0)
    }
  })

  it("finds all the turnover where everything is turned round at every step, long and short or long and flat", () => {
    // The first step of each row takes a position and turns none round, and what is traded is of the moved price.
    expect(judged("no-edge", turning, 4)[turnoverFigure]).toBeCloseTo(100, -1)
    expect(judged("last", turning, 4)[turnoverFigure]).toBeCloseTo(100, -1)
  })

  it("charges the costs: turning round every time costs 5 basis points of all that is traded", () => {
    const { [growthFigure]: growth } = judged("last", turning, 20)
    expect(growth).toBeLessThan(-3)
    expect(growth).toBeGreaterThan(-8)
  })

  it("counts a short account that is ruined as fallen to its floor, and nothing of what comes after", () => {
    // In these courses the price of the last doubles.
    const rows = 8
    const shorting: Act = (_, actions) => {
      actions.fill(hold)
      actions[rows - 1] = sell
    }
    const figures = runThrough(tradingWorlds["no-edge"].judge(shorting, rows, ["ruin", 57]))
    expect(figures[growthFigure]).toBeCloseTo((1e4 * Math.log(0.01)) / (rows * 500), 9)
    // It traded once.
    expect(figures[turnoverFigure]).toBeCloseTo(100 / (2 * rows * 500), 3)
  })
})

describe("the world of the signal", () => {
  it("gives known policies what the dynamic programme says, but for chance", () => {
    for (const { algorithm, name } of tradingCases) {
      if (algorithm.kind !== "rule") continue
      const { act, exact: known } = algorithm.known()
      const { [shareFigure]: share = Number.NaN } = judged("signal", act, 60)
      const { [exactFigure]: exact = Number.NaN } = known
      expect(Math.abs(share - exact), name).toBeLessThan(8)
    }
  })

  it("knows the best and two that are myopic, which come to less than 60% of it", () => {
    const exact = Object.fromEntries(
      tradingCases.flatMap(({ algorithm, name }) =>
        algorithm.kind === "rule" ? [[name, algorithm.known().exact[exactFigure]]] : []
      )
    )
    expect(exact["signal/best"]).toBe(100)
    expect(exact["signal/sign"]).toBeGreaterThan(0)
    expect(exact["signal/sign"]).toBeLessThan(60)
    expect(exact["signal/one-step"]).toBe(0)
  })
})

describe("the oracle", () => {
  it("gives who follows it nearly all of hindsight, whoever contradicts it much of its opposite, and nobody more than all", () => {
    for (const least of [0, 0.05, 0.1]) {
      const following = acting((next) => (next > least ? buy : next < -least ? sell : hold))
      const { [shareFigure]: share } = judged("oracle", following, 5)
      expect(share).toBeGreaterThan(95)
      expect(share).toBeLessThanOrEqual(100.1)
    }
    const contradicting = acting((next) => (next > 0 ? sell : buy))
    expect(judged("oracle", contradicting, 5)[shareFigure]).toBeLessThan(-50)
  })

  it("tells nothing where it is of the last return: who follows it pays the costs", () => {
    const following = acting((last) => (last > 0 ? buy : sell))
    const { [growthFigure]: growth } = judged("last", following, 20)
    expect(growth).toBeLessThan(0)
  })
})

describe("courses", () => {
  it("are the same for the same key and others for another", () => {
    for (const world of ["signal", "oracle", "last", "no-edge"] as const) {
      const first = (steps: number, ...key: ReadonlyArray<string | number>) =>
        runThrough(tradingWorlds[world].make(3, steps, key))
      const one = first(1_000, 1, "training")
      expect(first(1_000, 1, "training").observations).toEqual(one.observations)
      expect(first(1_000, 2, "training").observations).not.toEqual(one.observations)
      expect(one.observations.every(Number.isFinite)).toBe(true)
    }
  })
})
