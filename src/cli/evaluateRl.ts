/**
 * `conclave evaluate rl`: reinforcement learning where it is known what can be reached. Every case is learned anew with several
 * seeds and judged by episodes that nothing was learned in. One that learned nothing, because its steps were too few, has that for
 * a verdict, and the others have theirs.
 */
import { Command, Options } from "@effect/cli"
import { Effect, Either, Option } from "effect"
import { makeBy } from "effect/Array"
import type { NothingLearned } from "../agents/training/errors.ts"
import { rlCases } from "../agents/training/reinforcement/cases.ts"
import {
  type CaseReport,
  type FigureReport,
  judgeCase,
  judgedEpisodes,
  type RlRun
} from "../agents/training/reinforcement/judgeCase.ts"
import type { Bar, RlCase } from "../agents/training/reinforcement/RlCase.ts"
import { BarsMissed, UsageError } from "./errors.ts"
import { duration } from "./format.ts"
import { note, table, writeJson, writeLine } from "./output.ts"
import { builtScripts } from "./processes.ts"
import type { LoadedSettings } from "./settings.ts"

export interface EvaluateRlOptions {
  readonly case: Option.Option<string>
  readonly environment: Option.Option<string>
  readonly algorithm: Option.Option<string>
  readonly seeds: Option.Option<number>
  readonly steps: Option.Option<number>
  readonly smoke: boolean
  readonly strict: boolean
  readonly json: boolean
}

const seedsMax = 100
const stepsMax = 100_000_000

/** Enough for an update of every learner of every case, and to learn next to nothing. */
const smoke = { seeds: 1, steps: 4_000, episodes: 4 } as const

const namesOf = (of: (one: RlCase) => string) => [...new Set(rlCases.map(of))].join(", ")
const nameOf = ({ name }: RlCase) => name
const environmentOf = ({ environment }: RlCase) => environment
const algorithmOf = ({ algorithm }: RlCase) => algorithm.kind

/** What is asked for instead of what the cases say; the short form has no bars. */
const asAsked = (
  one: RlCase,
  { seeds, smoke: isSmoke, steps }: Pick<EvaluateRlOptions, "seeds" | "smoke" | "steps">
): RlCase => {
  const given = Option.getOrElse(steps, () => (isSmoke ? smoke.steps : one.steps))
  return {
    ...one,
    seeds: Option.getOrElse(seeds, () => (isSmoke ? smoke.seeds : one.seeds)),
    // A rule learns nothing, however many steps are asked for.
    steps: one.algorithm.kind === "rule" ? 0 : given,
    bars: isSmoke ? {} : one.bars
  }
}

/** The cases that are asked for, as they are. */
export const chosenCases = (
  options: Omit<EvaluateRlOptions, "json" | "strict">
): Effect.Effect<ReadonlyArray<RlCase>, UsageError> => {
  const isMeant = (asked: Option.Option<string>, name: string) => Option.isNone(asked) || asked.value === name
  const chosen = rlCases.filter(
    (one) =>
      isMeant(options.case, nameOf(one)) &&
      isMeant(options.environment, environmentOf(one)) &&
      isMeant(options.algorithm, algorithmOf(one))
  )
  if (chosen.length === 0) {
    const reason = `No case is of that: there are the environments ${namesOf(environmentOf)} and the algorithms ${namesOf(algorithmOf)}, in the cases ${namesOf(nameOf)}.`
    return Effect.fail(new UsageError({ reason }))
  }
  return Effect.succeed(chosen.map((one) => asAsked(one, options)))
}

const decimals = 2
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`

const toldRun = ({ name }: RlCase, { figures, reason, seed, steps, wallMs }: RlRun) => {
  const told = Object.entries(figures).map(([figure, value]) => `${figure} ${value.toFixed(decimals)}`)
  const diverged = reason === "diverged" ? ", diverged" : ""
  return note(
    `conclave: ${name}, seed ${seed}: ${told.join("; ")}; after ${steps} steps in ${seconds(wallMs)}${diverged}`
  )
}

const header = [
  "case",
  "figure",
  "mean",
  "deviation",
  "95% from",
  "to",
  "least",
  "most",
  "bar",
  "verdict",
  "seeds",
  "steps a seed",
  "a seed took"
]

const barText = (bar: Bar): string => {
  switch (bar.kind) {
    case "at least":
      return `>= ${bar.value}`
    case "at most":
      return `<= ${bar.value}`
    case "not surely above":
      return `95% from <= ${bar.value}`
  }
}

const rowOf = (
  one: RlCase,
  { runs }: CaseReport,
  { bar, deviation, figure, interval, least, mean, most, verdict }: FigureReport
): ReadonlyArray<string> => {
  const meanOf = (of: (run: RlRun) => number) => runs.reduce((sum, run) => sum + of(run), 0) / runs.length
  const number = (value: number | undefined) => (value === undefined ? "-" : value.toFixed(decimals))
  return [
    one.name,
    figure,
    number(mean),
    number(deviation),
    number(interval?.low),
    number(interval?.high),
    number(least),
    number(most),
    bar === null ? "-" : barText(bar),
    verdict,
    String(runs.length),
    String(Math.round(meanOf(({ steps }) => steps))),
    seconds(meanOf(({ wallMs }) => wallMs))
  ]
}

/** What came of a case; the left of one that learned nothing. */
interface Judged {
  readonly one: RlCase
  readonly report: Either.Either<CaseReport, NothingLearned>
}

const rowsOf = ({ one, report }: Judged): ReadonlyArray<ReadonlyArray<string>> =>
  Either.match(report, {
    onLeft: () => [
      header.map((column) => {
        if (column === "case") return one.name
        return column === "verdict" ? "nothing learned" : "-"
      })
    ],
    onRight: (judged) => judged.figures.map((figure) => rowOf(one, judged, figure))
  })

const isMissed = ({ report }: Judged): boolean =>
  Either.match(report, {
    onLeft: () => true,
    onRight: ({ figures }) => figures.some(({ verdict }) => verdict === "missed")
  })

const jsonOf = ({ one: { algorithm, environment, name, rows, steps }, report }: Judged) => ({
  ...{ name, environment, rows, steps, algorithm },
  ...Either.getOrElse(report, ({ reason }) => ({ runs: [], figures: [], nothingLearned: reason }))
})

export const evaluateRl = ({ value: settings }: LoadedSettings, options: EvaluateRlOptions) =>
  Effect.gen(function* () {
    const within = (flag: string, value: number, most: number) =>
      Number.isInteger(value) && value >= 1 && value <= most
        ? Effect.void
        : new UsageError({ reason: `--${flag} ${value} is not between 1 and ${most}.` })
    if (Option.isSome(options.seeds)) yield* within("seeds", options.seeds.value, seedsMax)
    if (Option.isSome(options.steps)) yield* within("steps", options.steps.value, stepsMax)
    const cases = yield* chosenCases(options)
    const { modelHost: script } = yield* builtScripts
    const episodes = options.smoke ? smoke.episodes : judgedEpisodes
    const judged = yield* Effect.forEach(cases, (one) => {
      const seeds = makeBy(one.seeds, (i) => settings.run.seed + i)
      return judgeCase(one, { seeds, episodes, script, tell: (run) => toldRun(one, run) }).pipe(
        Effect.map(Either.right),
        Effect.catchTag("NothingLearned", (error) =>
          Effect.as(note(`conclave: ${error.message}`), Either.left(error))
        ),
        Effect.map((report): Judged => ({ one, report }))
      )
    })
    if (options.json) {
      yield* writeJson({ type: "rl-evaluation", episodes, cases: judged.map(jsonOf) })
    } else {
      const runs = judged.flatMap(({ report }) => (Either.isRight(report) ? report.right.runs : []))
      const took = runs.reduce((sum, { wallMs }) => sum + wallMs, 0)
      yield* writeLine(
        `${table([header, ...judged.flatMap(rowsOf)])}\n\nOver seeds from ${settings.run.seed} on, ${episodes} episodes each, acted without chance; learning took ${duration(took / 1_000)}.`
      )
    }
    const missed = judged.filter(isMissed).map(({ one }) => one.name)
    if (options.strict && missed.length > 0) return yield* new BarsMissed({ cases: missed })
  })

export const evaluateRlCommand = <R, E>(run: (options: EvaluateRlOptions) => Effect.Effect<void, E, R>) =>
  Command.make(
    "rl",
    {
      case: Options.text("case").pipe(
        Options.optional,
        Options.withDescription(`only one: ${namesOf(nameOf)}`)
      ),
      environment: Options.text("environment").pipe(
        Options.optional,
        Options.withDescription(`only cases of one: ${namesOf(environmentOf)}`)
      ),
      algorithm: Options.text("algorithm").pipe(
        Options.optional,
        Options.withDescription(`only cases of one: ${namesOf(algorithmOf)}`)
      ),
      seeds: Options.integer("seeds").pipe(
        Options.optional,
        Options.withDescription("how many, from --seed on; those of the case unless given")
      ),
      steps: Options.integer("steps").pipe(
        Options.optional,
        Options.withDescription("of the environment, for each seed; those of the case unless given")
      ),
      smoke: Options.boolean("smoke").pipe(
        Options.withDescription(
          `the short form: one seed, ${smoke.steps} steps, ${smoke.episodes} episodes, no bars; tells that it works, not how well`
        )
      ),
      strict: Options.boolean("strict").pipe(
        Options.withDescription("exit code 1 where a case does not reach its bar")
      ),
      json: Options.boolean("json").pipe(
        Options.withDescription("the result as JSON on standard output, and nothing else")
      )
    },
    run
  ).pipe(
    Command.withDescription(
      "Learns environments whose best is known, by reinforcement and with several seeds, and shows what is reached."
    )
  )
