/** `conclave sweep`: which lengths of a crossing rule were best, and whether that was more than luck. */
import { Command, Options } from "@effect/cli"
import { Clock, Effect } from "effect"
import { type CrossingLengths, type Sweep, type SweptRule, sweepCrossings } from "../agents/backtest/sweep.ts"
import { appendTrial, readTrials } from "../agents/backtest/TrialLedger.ts"
import { readBars } from "../agents/training/readBars.ts"
import { trialId } from "../learning/evaluation/Trials.ts"
import type { BarSeries } from "../market/BarSeries.ts"
import { withoutLimits } from "../market/execution/Terms.ts"
import { stepwise } from "../runtime/breathe.ts"
import type { ParsedArguments } from "./arguments.ts"
import { UsageError } from "./errors.ts"
import { percent, signedPercent } from "./format.ts"
import { table, writeJson, writeLine } from "./output.ts"
import { loadSettings, namedTimeFrame } from "./settings.ts"
import { trialFolder } from "./trials.ts"

interface SweepArguments {
  readonly data: string
  readonly fast: string
  readonly slow: string
  readonly folds: number
  readonly embargo: number
  readonly shorting: boolean
  readonly json: boolean
}

const rulesMax = 400
const lengthMax = 100_000
const foldsMax = 50
const rowsShown = 10
/** Returns that are held to choose from. */
const cellsMax = 20_000_000

const lengthsOf = (name: string, text: string) => {
  const lengths = text.split(",").map((part) => Number(part.trim()))
  const isSound = lengths.every((length) => Number.isInteger(length) && length >= 1 && length <= lengthMax)
  return isSound
    ? Effect.succeed([...new Set(lengths)])
    : new UsageError({ reason: `${name} "${text.slice(0, 80)}" is no list of lengths, like 12,24,48.` })
}

const rulesOf = ({ fast, slow }: SweepArguments) =>
  Effect.gen(function* () {
    const [fasts, slows] = [yield* lengthsOf("--fast", fast), yield* lengthsOf("--slow", slow)]
    const rules = fasts.flatMap((short) =>
      slows.flatMap((long) => (short < long ? [{ fast: short, slow: long }] : []))
    )
    if (rules.length < 2) {
      return yield* new UsageError({
        reason: "A sweep needs two rules or more: fast lengths below slow ones."
      })
    }
    if (rules.length > rulesMax) {
      return yield* new UsageError({ reason: `${rules.length} rules are more than ${rulesMax}.` })
    }
    return rules
  })

const ratio = (value: number | null | undefined): string => (value == null ? "-" : value.toFixed(2))
const nameOf = ({ fast, slow }: CrossingLengths): string => `${fast}/${slow}`

const verdictOf = ({ deflated, effectiveTrials, overfitting, rules, walkForward }: Sweep): string => {
  const chance = percent(overfitting.probability, 0)
  const outside = ratio(walkForward.sharpes[0])
  const luck =
    deflated === null
      ? "it never traded"
      : `the chance that it is above the best that ${effectiveTrials} different rules show by luck is ${percent(deflated.probability, 1)}`
  return `The best of ${rules.length} rules: ${luck}; chosen before and traded after, a Sharpe ratio of ${outside}; probability of overfitting ${chance}.`
}

const show = (sweep: Sweep) => {
  const { best, combinatorial, deflated, overfitting, rules, walkForward } = sweep
  const sorted = rules.toSorted((a, b) => (b.metrics.sharpe ?? 0) - (a.metrics.sharpe ?? 0))
  const rows = sorted
    .slice(0, rowsShown)
    .map((rule: SweptRule) => [
      nameOf(rule),
      signedPercent(rule.metrics.totalReturn),
      ratio(rule.metrics.sharpe),
      percent(rule.metrics.maximumDrawdown),
      String(rule.fills)
    ])
  const paths = combinatorial.sharpes.map(ratio).join(", ")
  const facts = [
    ["best", `${nameOf(best)}, Sharpe ${ratio(best.metrics.sharpe)}`],
    [
      "by luck",
      deflated === null
        ? "-"
        : `${ratio(deflated.expectedMaximum)} of ${sweep.effectiveTrials} different rules`
    ],
    [
      "walk-forward",
      `Sharpe ${ratio(walkForward.sharpes[0])}, chosen ${walkForward.chosen.map(nameOf).join(", ")}`
    ],
    ["combinatorial paths", `Sharpe ${paths}`],
    [
      "overfitting",
      `${percent(overfitting.probability)} of ${overfitting.splits} splits; lost in ${percent(overfitting.lossProbability)}`
    ]
  ]
  return [
    verdictOf(sweep),
    "",
    table([["rule", "return", "Sharpe", "drawdown", "fills"], ...rows]),
    "",
    table(facts)
  ].join("\n")
}

/** @param on what the rules were run on, and on which terms */
const trialsOf = (sweep: Sweep, series: BarSeries, on: Readonly<Record<string, unknown>>, at: number) =>
  sweep.rules.map(({ fast, metrics, slow }) => ({
    id: trialId({ rule: "crossing", fast, slow, ...on, instrument: series.instrument.id }),
    kind: "crossing",
    at,
    timeFrame: series.timeFrame,
    data: { from: series.openTime[0] as number, to: series.openTime.at(-1) as number },
    sharpe: metrics.sharpePerBar,
    observations: metrics.bars,
    skewness: metrics.skewness,
    kurtosis: metrics.kurtosis,
    meta: []
  }))

const sweep = (args: ParsedArguments, options: SweepArguments) =>
  Effect.gen(function* () {
    const { data, embargo, folds, json, shorting } = options
    if (!(folds >= 2 && folds <= foldsMax)) {
      return yield* new UsageError({ reason: `--folds ${folds} is not between 2 and ${foldsMax}.` })
    }
    if (!(embargo >= 0 && embargo <= lengthMax)) {
      return yield* new UsageError({ reason: `--embargo ${embargo} is not between 0 and ${lengthMax}.` })
    }
    const rules = yield* rulesOf(options)
    const loaded = yield* loadSettings(args)
    const { costs, marketData } = loaded.value
    const { account, startingCash, tradeExposureMin, ...limits } = loaded.value.broker
    if (marketData.from !== "" || marketData.to !== "") {
      const reason = "A sweep takes all bars of its file, or the last by --last N: leave --from and --to out."
      return yield* new UsageError({ reason })
    }
    const { digest, instruments } = yield* readBars(data, loaded.value, namedTimeFrame(args, loaded))
    const [series, ...others] = instruments
    if (series === undefined || others.length > 0) {
      const reason = `${data} holds ${instruments.length} instruments: choose one by --symbol.`
      return yield* new UsageError({ reason })
    }
    if (rules.length * series.close.length > cellsMax) {
      const reason = `${rules.length} rules over ${series.close.length} bars are too much at a time: take fewer by --last N, --fast or --slow.`
      return yield* new UsageError({ reason })
    }
    const terms = { ...withoutLimits(costs), ...limits }
    const swept = yield* Effect.flatten(
      stepwise(
        sweepCrossings(series, {
          rules,
          shorting,
          terms,
          startingCash,
          folds,
          embargoBars: embargo
        })
      )
    )
    const at = yield* Clock.currentTimeMillis
    const { overfitting, ...rest } = swept
    const { logits, ...judged } = overfitting
    const said = { type: "sweep", data, instrument: series.instrument.id, ...rest, overfitting: judged }
    yield* json ? writeJson(said) : writeLine(show(swept))
    const folder = trialFolder(loaded.value)
    const known = new Set((yield* readTrials(folder)).map(({ id }) => id))
    for (const trial of trialsOf(swept, series, { digest, shorting, terms, startingCash }, at)) {
      if (!known.has(trial.id)) yield* appendTrial(folder, trial)
    }
  })

export const sweepCommand = (args: ParsedArguments) =>
  Command.make(
    "sweep",
    {
      data: Options.text("data").pipe(Options.withDescription("a bar file")),
      fast: Options.text("fast").pipe(
        Options.withDefault("6,12,24,48"),
        Options.withDescription("bars of the fast average, several joined by commas")
      ),
      slow: Options.text("slow").pipe(
        Options.withDefault("72,120,168,336"),
        Options.withDescription("bars of the slow one")
      ),
      folds: Options.integer("folds").pipe(
        Options.withDefault(5),
        Options.withDescription("tests of the walk-forward")
      ),
      embargo: Options.integer("embargo").pipe(
        Options.withDefault(24),
        Options.withDescription("bars left out between a training and its test")
      ),
      shorting: Options.boolean("shorting").pipe(
        Options.withDescription("short where the fast one is below")
      ),
      json: Options.boolean("json").pipe(Options.withDescription("the result as JSON on standard output"))
    },
    (options) => sweep(args, options)
  ).pipe(
    Command.withDescription(
      "Runs a crossing rule with many lengths, and judges the best where it was not chosen: walk-forward, combinatorial paths, probability of overfitting, deflated Sharpe ratio."
    )
  )
