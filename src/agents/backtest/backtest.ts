/**
 * A backtest of the whole committee: the very agents in lock-step over bar files, then what their records come to.
 *
 * What can go wrong: files that cannot be read or are too long (capacity.ts), a node that cannot go on, nothing left to
 * trade behind the warm-up, and an account that does not come out again from its records, which would be a bug of the broker's (LedgerDiffers).
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Schema } from "effect"
import { summariseTrials, type Trial, trialId } from "../../learning/evaluation/Trials.ts"
import { type ExecutionRules, termsOf, withoutLimits } from "../../market/execution/Terms.ts"
import { barsPerYear } from "../../market/performance/Annualisation.ts"
import { measureCurve } from "../../market/performance/CurveMetrics.ts"
import { roundTripsOf } from "../../market/performance/RoundTrips.ts"
import type { Calendar, Instrument } from "../../protocols/Instrument.ts"
import type { Performance } from "../../protocols/Performance.ts"
import { BrokerRpcs } from "../../protocols/rpc/BrokerRpcs.ts"
import { contentHash } from "../../protocols/wire/Json.ts"
import { Bus } from "../../runtime/Bus.ts"
import { stepwise } from "../../runtime/breathe.ts"
import { refusalLines } from "../market-data/refusalLines.ts"
import type { NodeOptions, RunningNode } from "../Node.ts"
import { callAgent, NodeContext } from "../NodeContext.ts"
import { runSettings } from "../RunDirectory.ts"
import type { Settings } from "../Settings.ts"
import type { BacktestResult, Curve } from "./BacktestResult.ts"
import { baselinesOf } from "./baselines.ts"
import { capacityLimits, refuseTooLong } from "./capacity.ts"
import { coursesOf } from "./courses.ts"
import { type DecisionCounts, type KeptDecision, makeDecisionTally } from "./DecisionTally.ts"
import { describePerformance } from "./performanceReport.ts"
import { machine, programOf, type RunCard } from "./RunCard.ts"
import { recompute, scaledCosts } from "./recompute.ts"
import { type AsOfRecord, recordsOf } from "./records.ts"
import { runToEnd } from "./runToEnd.ts"

export class NothingTraded extends Schema.TaggedError<NothingTraded>()("NothingTraded", {
  warmUp: Schema.Finite
}) {
  override get message() {
    return `All ${this.warmUp} as-ofs belong to the warm-up, so that there is nothing to judge: take more bars, or a shorter warm-up (--market-data.warm-up-bars-min).`
  }
}

export class LedgerDiffers extends Schema.TaggedError<LedgerDiffers>()("LedgerDiffers", {
  broker: Schema.String,
  recomputed: Schema.String
}) {
  override get message() {
    return `The account does not follow from its records: the broker's ledger is ${this.broker}, recomputed it is ${this.recomputed}. This is a bug; nothing is reported.`
  }
}

export interface BacktestOptions {
  readonly settings: Settings
  readonly programs: NodeOptions["programs"]
  /** Where the run is kept; a folder of its own that is removed afterwards unless given. */
  readonly dataDirectory: string | undefined
  /** Trials so far, which this one is added to. */
  readonly trials: ReadonlyArray<Trial>
  /** Epoch milliseconds: when this is, for the trial. */
  readonly at: number
  readonly tell: (text: string) => Effect.Effect<void>
}

export interface Backtest {
  readonly result: BacktestResult
  readonly performance: Performance
  readonly card: RunCard
  readonly trial: Trial
  readonly counts: DecisionCounts & {
    readonly barsRead: number
    readonly fills: number
    readonly fees: number
    readonly turnover: number
  }
}

/** Of the costs as configured; the middle one is the run itself. */
const costMultiples = [0, 2] as const

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "conclave-backtest-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

type Records = ReadonlyArray<AsOfRecord<KeptDecision>>

interface Ran {
  readonly run: RunningNode["run"]
  readonly feed: NonNullable<RunningNode["feed"]>
  readonly records: Records
  readonly decided: Pick<RunCard, "models"> & { readonly counts: DecisionCounts; readonly digest: string }
  readonly ledger: string
  readonly fills: number
}

const runCommittee = (options: BacktestOptions) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { programs, settings } = options
      const dataDirectory = options.dataDirectory ?? (yield* temporaryFolder)
      const own: Settings = {
        ...settings,
        node: { ...settings.node, dataDirectory, agents: ["all"] },
        run: { ...settings.run, resume: false },
        bus: { ...settings.bus, transport: "in-process" },
        marketData: { ...settings.marketData, source: "csv", speed: "max" }
      }
      return yield* runToEnd({ settings: own, programs, toStandardError: false }, (node) =>
        Effect.gen(function* () {
          const context = { run: node.run, node: node.node, instance: "backtest", directory: node.directory }
          const account = yield* Effect.flatMap(callAgent(BrokerRpcs, "broker"), (broker) =>
            broker.Account({ barsSequence: 0 })
          ).pipe(
            Effect.scoped,
            Effect.provideService(Bus, node.bus),
            Effect.provideService(NodeContext, { ...context, settings: own })
          )
          const tally = makeDecisionTally()
          const records = yield* recordsOf(node.journal, tally.keep)
          const decided = { counts: tally.counts(), digest: tally.digest(), models: tally.models() }
          const { feed, run } = node
          if (feed === undefined) return yield* Effect.dieMessage("a node with all agents has a feed")
          const { digest: ledger, fills } = account
          return { run, feed, records, decided, ledger, fills } satisfies Ran
        })
      )
    })
  )

const barsReadOf = (records: Records) => records.reduce((sum, { bars }) => sum + bars.length, 0)

/** As-ofs of the curves: the end of the warm-up, where they begin, then those that were traded. */
const timesOf = (records: Records, traded: Records): Float64Array => {
  const before = records[records.length - traded.length - 1]?.asOf
  const first = traded[0] as Records[number]
  const opening = Math.min(...first.bars.map(({ openTime }) => openTime))
  return Float64Array.from([before ?? Math.min(opening, first.asOf - 1), ...traded.map(({ asOf }) => asOf)])
}

/** Where the instruments' differ, that of the market that is open longest. */
const calendarOf = (instruments: ReadonlyArray<Instrument>): Calendar =>
  (["always", "weekdays"] as const).find((name) => instruments.some(({ calendar }) => calendar === name)) ??
  "nyse"

export const backtest = (options: BacktestOptions) =>
  Effect.gen(function* () {
    const { programs, settings, tell } = options
    yield* refuseTooLong(settings, capacityLimits.keptBytesPerBar)
    // The program as it is when it runs: whoever builds it anew meanwhile changes the files.
    const program = yield* programOf(programs.root)
    const { decided, feed, fills, ledger, records, run } = yield* runCommittee(options)
    yield* Effect.forEach(refusalLines(feed), tell, { discard: true })
    const traded = records.filter(({ warmUp }) => !warmUp)
    if (traded.length === 0) return yield* new NothingTraded({ warmUp: records.length })
    yield* tell(`${records.length} as-ofs, ${records.length - traded.length} of them warm-up; judging`)

    const { account, startingCash, tradeExposureMin, ...limits } = settings.broker
    const rulesAt = (multiple: number): ExecutionRules => ({
      ...withoutLimits(scaledCosts(settings.costs, multiple)),
      ...limits
    })
    const again = (multiple: number) =>
      stepwise(
        recompute(records, feed.instruments, {
          account,
          currency: "USD",
          startingCash,
          tradeExposureMin,
          terms: termsOf(rulesAt(multiple))
        })
      )
    const own = yield* again(1)
    if (own.digest !== ledger) return yield* new LedgerDiffers({ broker: ledger, recomputed: own.digest })
    const others = yield* Effect.forEach(costMultiples, (multiple) =>
      Effect.map(again(multiple), ({ equity }) => ({ multiple, equity }))
    )
    const { instruments, timeFrame } = feed
    const baselines = yield* stepwise(
      baselinesOf(records, { instruments, timeFrame, startingCash, rules: rulesAt(1) })
    )
    const times = timesOf(records, traded)
    const { trades } = roundTripsOf(own.fills)
    const configuration = { settings: runSettings(settings), files: feed.files.map(({ digest }) => digest) }
    const calendar = calendarOf(instruments)
    const input = {
      curve: { time: times, equity: own.equity },
      timeFrame,
      calendar,
      exposure: own.exposure,
      traded: own.traded,
      tradeProfits: trades.map(({ profit }) => profit),
      otherCosts: others,
      baselines
    } as const
    const key = [settings.run.seed, "backtest", contentHash(configuration)]
    const measured = measureCurve(own.equity, barsPerYear(timeFrame, calendar))
    const trial: Trial = {
      id: trialId(configuration),
      kind: "backtest",
      at: options.at,
      timeFrame,
      data: { from: times[0] as number, to: times[times.length - 1] as number },
      sharpe: measured.sharpePerBar,
      observations: measured.bars,
      skewness: measured.skewness,
      kurtosis: measured.kurtosis,
      meta: [{ name: "run", value: run }]
    }
    // Its own ratio is one of those that it is deflated by.
    const trials = summariseTrials([...options.trials, trial], timeFrame)
    const performance = yield* stepwise(describePerformance(input, { key, trials }))

    const nameOf = (multiple: number) => `committee, ${multiple}x costs`
    const curves: readonly [Curve, ...Array<Curve>] = [
      { name: "committee", equity: own.equity },
      ...others.map(({ equity, multiple }) => ({ name: nameOf(multiple), equity })),
      ...baselines
    ]
    const card: RunCard = {
      type: "run-card",
      version: 1,
      run,
      program,
      machine: yield* machine,
      files: feed.files,
      seed: settings.run.seed,
      asOfs: {
        warmUp: records.length - traded.length,
        traded: traded.length,
        from: (traded[0] as Records[number]).asOf,
        to: (traded.at(-1) as Records[number]).asOf
      },
      settings: runSettings(settings),
      models: decided.models,
      results: { decisions: decided.digest, ledger, fills }
    }
    return {
      result: { run, times, startingEquity: startingCash, curves, instruments: coursesOf(traded) },
      performance,
      card,
      trial,
      counts: {
        ...decided.counts,
        barsRead: barsReadOf(records),
        fills,
        fees: own.fees,
        turnover: own.traded
      }
    } satisfies Backtest
  })
