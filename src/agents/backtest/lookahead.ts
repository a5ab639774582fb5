/**
 * Whether anything peeks: features and the whole committee are computed over a history and over the same history cut
 * off at some as-ofs, and everything they said up to there has to be the same.
 *
 * What can go wrong: a history too short to trade on, or too long to be held twice (capacity.ts).
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Schema } from "effect"
import type { BarSeries } from "../../market/BarSeries.ts"
import { stepwise } from "../../runtime/breathe.ts"
import type { NodeOptions } from "../Node.ts"
import type { Settings } from "../Settings.ts"
import { capacityLimits, refuseTooLong } from "./capacity.ts"
import { type FeaturePeek, featurePeeks } from "./featurePeeks.ts"
import { type FeatureSet, featureSets } from "./featureSets.ts"
import { peeksAt, type RecordPeek } from "./recordPeeks.ts"
import { type AsOfRecord, recordsOf } from "./records.ts"
import { runToEnd } from "./runToEnd.ts"

export class NothingToCompare extends Schema.TaggedError<NothingToCompare>()("NothingToCompare", {
  reason: Schema.String
}) {
  override get message() {
    return `Peeking cannot be looked for: ${this.reason}.`
  }
}

export interface LookaheadOptions {
  readonly settings: Settings
  readonly programs: NodeOptions["programs"]
  readonly series: ReadonlyArray<BarSeries>
  /** How often the history is cut off. */
  readonly cuts: number
  readonly tell: (text: string) => Effect.Effect<void>
  /** Beside those that the system decides on. */
  readonly features?: ReadonlyArray<FeatureSet>
  readonly tree?: NodeOptions["tree"]
}

export interface LookaheadReport {
  readonly asOfs: number
  readonly decisions: number
  /** Where the history was cut off, epoch milliseconds. */
  readonly cuts: ReadonlyArray<number>
  /** Columns of features that were compared. */
  readonly columns: number
  readonly features: ReadonlyArray<FeaturePeek>
  /** The first peek of each agent, instrument and cut. */
  readonly records: ReadonlyArray<RecordPeek>
}

/** All runs have one name, so that what is named after it has the same name in each. */
const runName = "lookahead"

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "conclave-lookahead-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

const recordsUnder = (options: LookaheadOptions, marketData: Partial<Settings["marketData"]>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { programs, settings, tree } = options
      const dataDirectory = yield* temporaryFolder
      return yield* runToEnd(
        {
          settings: {
            ...settings,
            node: { ...settings.node, dataDirectory, agents: ["all"] },
            run: { ...settings.run, name: runName, resume: false },
            bus: { ...settings.bus, transport: "in-process" },
            marketData: { ...settings.marketData, ...marketData, source: "csv", speed: "max" }
          },
          programs,
          toStandardError: false,
          ...(tree === undefined ? {} : { tree })
        },
        ({ journal }) => recordsOf(journal, (decision) => decision)
      )
    })
  )

/** Of each agent and instrument the first. */
const firstPeeks = (
  whole: ReadonlyArray<AsOfRecord>,
  cut: ReadonlyArray<AsOfRecord>,
  cutAt: number
): ReadonlyArray<RecordPeek> => {
  const found = new Map<string, RecordPeek>()
  for (const [i, record] of cut.entries()) {
    for (const peek of peeksAt(whole[i] ?? { bars: [], decisions: [] }, record, cutAt)) {
      const key = `${peek.agent} ${peek.instrument}`
      if (!found.has(key)) found.set(key, peek)
    }
    // What follows from a first difference differs as well, and says nothing about who looked ahead.
    if (found.size > 0) break
  }
  return [...found.values()]
}

export const lookahead = (options: LookaheadOptions) =>
  Effect.gen(function* () {
    const { settings, tell } = options
    yield* refuseTooLong(settings, capacityLimits.comparedBytesPerBar)
    const whole = yield* recordsUnder(options, {})
    const traded = whole.filter(({ warmUp }) => !warmUp)
    const decisions = whole.reduce((sum, record) => sum + record.decisions.length, 0)
    yield* tell(`${whole.length} as-ofs, ${decisions} decisions`)
    if (traded.length <= options.cuts) {
      const reason = `only ${traded.length} as-ofs lie behind the warm-up of ${whole.length - traded.length}`
      return yield* new NothingToCompare({ reason })
    }
    const cuts = Array.from({ length: options.cuts }, (_, i) => {
      const at = Math.floor(((i + 1) * traded.length) / (options.cuts + 1)) - 1
      return (traded[Math.max(at, 0)] as AsOfRecord).asOf
    })
    const sets = [...featureSets, ...(options.features ?? [])]
    const features = yield* stepwise(featurePeeks(sets, options.series, cuts))
    const records: Array<RecordPeek> = []
    for (const cutAt of cuts) {
      yield* tell(`cut off at ${new Date(cutAt).toISOString()}`)
      const warmUp = whole.length - traded.length
      const shorter = yield* recordsUnder(options, {
        from: "",
        to: String(cutAt),
        warmUpBarsMin: warmUp,
        warmUpShare: 0
      })
      records.push(...firstPeeks(whole, shorter, cutAt))
    }
    const columns = sets.reduce((sum, set) => sum + set.columns.length, 0)
    return { asOfs: whole.length, decisions, cuts, columns, features, records } satisfies LookaheadReport
  })
