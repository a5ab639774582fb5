/**
 * `conclave evaluate rl`: reinforcement learning where it is known what can be reached. Every case is learned anew with several
 * seeds and judged by episodes that nothing was learned in.
 */
import { Command, Options } from "@effect/cli"
import { Effect, Option } from "effect"
import { makeBy } from "effect/Array"
import { type RlCase, rlCases } from "../agents/training/reinforcement/cases.ts"
import {
  type CaseReport,
  judgeCase,
  judgedEpisodes,
  type RlRun
} from "../agents/training/reinforcement/judgeCase.ts"
import { BarsMissed, UsageError } from "./errors.ts"
import { duration } from "./format.ts"
import { note, table, writeJson, writeLine } from "./output.ts"
import { builtScripts } from "./processes.ts"
import type { LoadedSettings } from "./settings.ts"

export interface EvaluateRlOptions {
  readonly environment: Option.Option<string>
  readonly algorithm: Option.Option<string>
  readonly seeds: number
  readonly steps: Option.Option<number>
  readonly strict: boolean
  readonly json: boolean
}

const seedsMax = 100
const stepsMax = 100_000_000

const namesOf = (of: (one: RlCase) => string) => [...new Set(rlCases.map(of))].join(", ")
const environmentOf = ({ environment }: RlCase) => environment
const algorithmOf = ({ algorithm }: RlCase) => algorithm.kind

/** The cases that are asked for, with the steps that are. */
export const chosenCases = ({
  algorithm,
  environment,
  steps
}: Pick<EvaluateRlOptions, "algorithm" | "environment" | "steps">): Effect.Effect<
  ReadonlyArray<RlCase>,
  UsageError
> => {
  const isMeant = (asked: Option.Option<string>, name: string) => Option.isNone(asked) || asked.value === name
  const chosen = rlCases.filter(
    (one) => isMeant(environment, environmentOf(one)) && isMeant(algorithm, algorithmOf(one))
  )
  if (chosen.length === 0) {
    const reason = `No case is of that: there are the environments ${namesOf(environmentOf)} and the algorithms ${namesOf(algorithmOf)}.`
    return Effect.fail(new UsageError({ reason }))
  }
  return Effect.succeed(
    Option.match(steps, {
      onNone: () => chosen,
      onSome: (given) => chosen.map((one) => ({ ...one, steps: given }))
    })
  )
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`

const toldRun = ({ name }: RlCase, { figure, reason, seed, steps, wallMs }: RlRun) =>
  note(
    `conclave: ${name}, seed ${seed}: ${figure.toFixed(1)} after ${steps} steps in ${seconds(wallMs)}${reason === "diverged" ? ", diverged" : ""}`
  )

const header = [
  "case",
  "figure",
  "mean",
  "deviation",
  "least",
  "most",
  "bar",
  "verdict",
  "steps a seed",
  "a seed took"
]

const rowOf = (
  one: RlCase,
  { deviation, least, mean, most, runs, verdict }: CaseReport
): ReadonlyArray<string> => {
  const meanOf = (of: (run: RlRun) => number) => runs.reduce((sum, run) => sum + of(run), 0) / runs.length
  return [
    one.name,
    one.figure.name,
    mean.toFixed(1),
    deviation.toFixed(1),
    least.toFixed(1),
    most.toFixed(1),
    one.bar === null ? "-" : String(one.bar),
    verdict,
    String(Math.round(meanOf(({ steps }) => steps))),
    seconds(meanOf(({ wallMs }) => wallMs))
  ]
}

const jsonOf = ({ figure, ...one }: RlCase, report: CaseReport) => ({
  ...one,
  figure: figure.name,
  ...report
})

export const evaluateRl = ({ value: settings }: LoadedSettings, options: EvaluateRlOptions) =>
  Effect.gen(function* () {
    const within = (flag: string, value: number, most: number) =>
      Number.isInteger(value) && value >= 1 && value <= most
        ? Effect.void
        : new UsageError({ reason: `--${flag} ${value} is not between 1 and ${most}.` })
    yield* within("seeds", options.seeds, seedsMax)
    if (Option.isSome(options.steps)) yield* within("steps", options.steps.value, stepsMax)
    const cases = yield* chosenCases(options)
    const { modelHost: script } = yield* builtScripts
    const seeds = makeBy(options.seeds, (i) => settings.run.seed + i)
    const judged = yield* Effect.forEach(cases, (one) =>
      Effect.map(judgeCase(one, { seeds, script, tell: (run) => toldRun(one, run) }), (report) => ({
        one,
        report
      }))
    )
    if (options.json) {
      const results = judged.map(({ one, report }) => jsonOf(one, report))
      yield* writeJson({ type: "rl-evaluation", episodes: judgedEpisodes, seeds, cases: results })
    } else {
      const took = judged.flatMap(({ report }) => report.runs).reduce((sum, { wallMs }) => sum + wallMs, 0)
      const rows = judged.map(({ one, report }) => rowOf(one, report))
      const seedsText = `${seeds[0]} to ${seeds.at(-1)}`
      yield* writeLine(
        `${table([header, ...rows])}\n\nOver the seeds ${seedsText}, ${judgedEpisodes} episodes each, acted without chance; learning took ${duration(took / 1_000)}.`
      )
    }
    const missed = judged.filter(({ report }) => report.verdict === "missed").map(({ one }) => one.name)
    if (options.strict && missed.length > 0) return yield* new BarsMissed({ cases: missed })
  })

export const evaluateRlCommand = <R, E>(run: (options: EvaluateRlOptions) => Effect.Effect<void, E, R>) =>
  Command.make(
    "rl",
    {
      environment: Options.text("environment").pipe(
        Options.optional,
        Options.withDescription(`only cases of one: ${namesOf(environmentOf)}`)
      ),
      algorithm: Options.text("algorithm").pipe(
        Options.optional,
        Options.withDescription(`only cases of one: ${namesOf(algorithmOf)}`)
      ),
      seeds: Options.integer("seeds").pipe(
        Options.withDefault(5),
        Options.withDescription("how many, from --seed on; 5 unless given")
      ),
      steps: Options.integer("steps").pipe(
        Options.optional,
        Options.withDescription("of the environment, for each seed; those of the case unless given")
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
