/** `conclave sweep`: which lengths of a crossing rule were best, and whether that was more than luck. */
import { Command, Options } from "@effect/cli"
import { Clock, Effect } from "effect"
import { nameTrial, sweptTrial, trialsBefore } from "../agents/backtest/crossingTrials.ts"
import { type CrossingLengths, type Sweep, type SweptRule, sweepCrossings } from "../agents/backtest/sweep.ts"
import { appendTrials, readTrials } from "../agents/backtest/TrialLedger.ts"
import { readBars } from "../agents/training/readBars.ts"
import { trialFolder } from "../agents/training/trainingTrial.ts"
import { withoutLimits } from "../market/execution/Terms.ts"
import { stepwise } from "../runtime/breathe.ts"
import type { ParsedArguments } from "./arguments.ts"
import { UsageError } from "./errors.ts"
import { percent, signedPercent } from "./format.ts"
import { table, writeJson, writeLine } from "./output.ts"
import { loadSettings, namedTimeFrame } from "./settings.ts"

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

const trialsSaid = ({ effectiveTrials, trialsBefore }: Sweep): string => {
  const own = `${effectiveTrials} different ${effectiveTrials === 1 ? "rule" : "rules"}`
  if (trialsBefore === 0) return own
  return `${own} and ${trialsBefore} earlier ${trialsBefore === 1 ? "trial" : "trials"} on these bars`
}

const verdictOf = (sweep: Sweep): string => {
  const { deflated, overfitting, rules, walkForward } = sweep
  const chance = percent(overfitting.probability, 0)
  const outside = ratio(walkForward.sharpes[0])
  const luck =
    deflated === null
      ? "it never traded"
      : `the chance that it is above the best that ${trialsSaid(sweep)} show by luck is ${percent(deflated.probability, 1)}`
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
      deflated === null ? "-" : `Sharpe ${ratio(deflated.expectedMaximum)}, the best of ${trialsSaid(sweep)}`
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
  const rejections = rules.reduce((sum, rule) => sum + rule.rejections, 0)
  if (rejections > 0) facts.push(["refused by the account", `${rejections} orders`])
  return [
    verdictOf(sweep),
    "",
    table([["rule", "return", "Sharpe", "drawdown", "fills"], ...rows]),
    "",
    table(facts)
  ].join("\n")
}

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
    const folder = trialFolder(loaded.value)
    const ledger = yield* readTrials(folder)
    const on = { digest, terms, startingCash }
    const named = rules.map((rule) => nameTrial(series, rule, { on, shorting }))
    const before = trialsBefore(ledger, named)
    const swept = yield* Effect.flatten(
      stepwise(
        sweepCrossings(series, {
          rules,
          shorting,
          terms,
          startingCash,
          folds,
          embargoBars: embargo,
          before
        })
      )
    )
    const at = yield* Clock.currentTimeMillis
    const known = new Set(ledger.map(({ id }) => id))
    const trials = named.map((trial, i) => sweptTrial(trial, swept.rules[i] as SweptRule, at))
    // What is not entered is not shown: a result that someone has seen was tried.
    yield* appendTrials(
      folder,
      trials.filter(({ id }) => !known.has(id))
    )
    const { overfitting, ...rest } = swept
    const { logits, ...judged } = overfitting
    const said = { type: "sweep", data, instrument: series.instrument.id, ...rest, overfitting: judged }
    yield* json ? writeJson(said) : writeLine(show(swept))
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
