/**
 * The market floor and what learns on it, each on one thread: steps of the vectorised trading environment, DQN end to
 * end (acting, fills and ledger, replay, updates by onnxruntime), backtests by the vectorised path and by the event
 * engine, the features of one instrument bar by bar, and the rounds of the whole committee in lock-step.
 */
import { Either } from "effect"
import { openWithOnnxruntime } from "../src/agents/training-host/onnxruntime.ts"
import { dqnDefaults, trainDqn } from "../src/learning/rl/Dqn.ts"
import { runThrough } from "../src/learning/steps.ts"
import { makeAsOfSchedule } from "../src/market/AsOfSchedule.ts"
import { type BarSeries, barAt, ColumnsBuilder } from "../src/market/BarSeries.ts"
import { crossingTargets, runTargets } from "../src/market/backtest/crossing.ts"
import { runEvents } from "../src/market/backtest/EventEngine.ts"
import { costlySignal, signalCourse } from "../src/market/environment/SignalWorld.ts"
import { makeTradingEnvironments } from "../src/market/environment/TradingEnvironments.ts"
import { market as marketOrder } from "../src/market/execution/Order.ts"
import { withoutLimits } from "../src/market/execution/Terms.ts"
import { makeInstrumentFeatures } from "../src/market/features/InstrumentFeatures.ts"
import { simulate } from "../src/market/Simulator.ts"
import { worlds } from "../src/market/worlds.ts"
import type { Bar } from "../src/protocols/Bar.ts"
import { TimeFrame } from "../src/protocols/TimeFrame.ts"
import { keyedRandom } from "../src/protocols/wire/KeyedRandom.ts"
import { decisionsPerSecond } from "./lockstep.ts"
import { startConclave } from "./support/conclave.ts"
import { type Bench, line, print, spread } from "./support/report.ts"

const timeFrame = TimeFrame.make("1h")
const startTime = Date.UTC(2024, 0, 1)
const costs = { feeBps: 5, halfSpreadBps: 1, slippageBps: 1 }
const startingCash = 100_000
const rows = 64

const simulatedSeries = (bars: number): BarSeries => {
  const simulation = Either.getOrThrow(
    simulate({ world: worlds.market, seed: 1, instruments: 1, timeFrame, startTime })
  )
  const builder = new ColumnsBuilder(false, true)
  for (let i = 0; i < bars; i++) {
    const [bar] = simulation.next() as readonly [Bar]
    builder.push(bar.openTime, bar.close, bar.open, bar.high, bar.low, bar.volume ?? 0)
  }
  const [instrument] = simulation.instruments
  if (instrument === undefined) throw new Error("the simulator gave no instrument")
  return { ...builder.finish(), instrument, timeFrame, gaps: 0, barsMissing: 0 }
}

/** Units of work a second, of each window. */
const ratesOf = (windows: number, work: () => number): ReadonlyArray<number> => {
  work()
  return Array.from({ length: windows }, () => {
    const begin = performance.now()
    const units = work()
    return units / ((performance.now() - begin) / 1_000)
  })
}

const environmentOf = (bars: number) =>
  Either.getOrThrowWith(
    makeTradingEnvironments(
      Array.from({ length: rows }, (_, i) =>
        Either.getOrThrowWith(signalCourse(costlySignal, { bars, key: ["bench", i] }), (error) => error)
      ),
      {
        environments: rows,
        actions: { kind: "discrete", shorting: true },
        reward: { kind: "log-wealth" },
        rewardScale: 1_000,
        cash: startingCash,
        ruinShare: 0.1,
        episodeSteps: null,
        starts: "first",
        key: ["bench"]
      }
    ),
    (error) => error
  )

const environmentSteps = (smoke: boolean) => {
  const environment = environmentOf(smoke ? 500 : 5_000)
  environment.reset()
  const random = keyedRandom("bench", "actions")
  const plans = Array.from({ length: 997 }, () => Int32Array.from({ length: rows }, () => random.int(3)))
  const steps = smoke ? 2_000 : 50_000
  return ratesOf(smoke ? 2 : 5, () => {
    for (let i = 0; i < steps; i++) environment.step(plans[i % plans.length] as Int32Array)
    return steps * rows
  })
}

const dqnSteps = async (smoke: boolean): Promise<ReadonlyArray<number>> => {
  const steps = smoke ? 4_096 : 65_536
  const rates: Array<number> = []
  for (let window = 0; window < (smoke ? 1 : 3); window++) {
    const training = trainDqn({
      settings: { ...dqnDefaults, hidden: [128], stepsPerUpdate: 4, batchRows: 32 },
      environment: environmentOf(2_000),
      steps,
      open: openWithOnnxruntime,
      seed: window
    })
    const begin = performance.now()
    let next = await training.next()
    let updates = 0
    while (next.done !== true) {
      updates = next.value.updates
      next = await training.next()
    }
    if (next.value.reason !== "steps") throw new Error(`the training ended: ${next.value.reason}`)
    // One update for four steps, after those that only fill the memory.
    if (updates < (steps - 2 * dqnDefaults.stepsBefore) / 4 - dqnDefaults.updatesPerRun) {
      throw new Error(`${updates} updates for ${steps} steps`)
    }
    rates.push(next.value.steps / ((performance.now() - begin) / 1_000))
  }
  return rates
}

const vectorised = (series: BarSeries, windows: number) =>
  ratesOf(windows, () => {
    const targets = crossingTargets(series, 24, 168, true)
    const { fills } = runThrough(
      runTargets(series, targets, {
        startingCash,
        rules: withoutLimits(costs),
        exposure: 1,
        withEquity: false
      })
    )
    if (fills === 0) throw new Error("the crossing rule never traded")
    return series.close.length
  })

const ordersEveryBars = 10

const events = (series: BarSeries, windows: number) => {
  const schedule = Either.getOrThrowWith(makeAsOfSchedule([series]), (error) => error)
  return ratesOf(windows, () => {
    const { fills } = runThrough(
      runEvents(
        schedule,
        ({ heldOf, index, instruments }) => {
          const [instrument] = instruments
          if (instrument === undefined || index % ordersEveryBars !== 0) return []
          return [marketOrder(instrument.id, heldOf(instrument.id) > 0 ? -1_000 : 1_000)]
        },
        { startingCash, rules: withoutLimits(costs) }
      )
    )
    if (fills.length < series.close.length / ordersEveryBars - 1) throw new Error(`${fills.length} fills`)
    return series.close.length
  })
}

/** Microseconds a bar. */
const features = (series: BarSeries, windows: number) => {
  const bars = Array.from(series.close, (_, i) => [barAt(series, i, "bench")] as const)
  return ratesOf(windows, () => {
    const stream = makeInstrumentFeatures([series.instrument.id])
    for (const one of bars) stream.push(one[0].closeTime, one)
    return bars.length
  }).map((rate) => 1e6 / rate)
}

/** As-ofs of the whole system a second: one decision each. */
const rounds = (root: string, smoke: boolean) =>
  decisionsPerSecond(
    startConclave(root, [
      ...["--speed", "max", "--as-ofs", smoke ? "320" : "2500", "--instruments", "1"],
      ...["--transport", "in-process"]
    ])
  )

export const market: Bench = {
  name: "market",
  run: async ({ root, smoke }) => {
    const windows = smoke ? 2 : 5
    print(`market: one thread each, ${windows} windows; every figure includes costs and the integer ledger`)
    line(
      `environment steps, ${rows} rows, ten features`,
      spread(environmentSteps(smoke), "steps/s"),
      "aim 1,000,000"
    )
    line("DQN end to end, an update for four steps", spread(await dqnSteps(smoke), "steps/s"), "aim 8,000")
    const long = simulatedSeries(smoke ? 20_000 : 200_000)
    line("vectorised backtest, crossing 24/168", spread(vectorised(long, windows), "bars/s"), "aim 5,000,000")
    const short = simulatedSeries(smoke ? 5_000 : 50_000)
    line("event engine, an order every ten bars", spread(events(short, windows), "bars/s"), "aim 50,000")
    line("features of one instrument, ten", spread(features(short, windows), "us a bar"), "aim under 20")
    const rates: Array<number> = []
    for (let i = 0; i < (smoke ? 1 : 3); i++) rates.push(await rounds(root, smoke))
    line("the whole committee in lock-step", spread(rates, "rounds/s"), "aim 200")
  }
}
