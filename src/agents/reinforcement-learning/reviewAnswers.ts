/** What versions say of rows whose outcomes are known, in a process that answers nobody else. */
import { Effect } from "effect"
import type { BarSeries } from "../../market/BarSeries.ts"
import { featureMatrix } from "../../market/features/FeatureMatrix.ts"
import { stepwise } from "../../runtime/breathe.ts"
import type * as ChildProcess from "../../runtime/ChildProcess.ts"
import { askRows, loadModel } from "../training/ModelRun.ts"
import type { Panel } from "../training/policies/PolicyData.ts"
import { fillOf } from "../training/policies/PolicyFeatures.ts"
import type { TrainedPolicy } from "../training/policies/TrainedPolicy.ts"
import type { QuestionRows } from "../training/QuestionRows.ts"
import { makeTableFeatures, tableFeatures } from "./TableTraining.ts"

interface Version {
  readonly artefact: Uint8Array
  readonly version: string
}

export const answersOfPolicy = (
  child: ChildProcess.Child,
  { artefact, trained, version }: Version & { readonly trained: TrainedPolicy },
  series: Panel,
  rows: QuestionRows
) =>
  Effect.gen(function* () {
    const matrices = yield* yield* stepwise(featureMatrix(series))
    const ask = yield* loadModel(child, { bytes: artefact, path: version.slice(0, 12) })
    return yield* askRows(ask, rows, trained.scaling.means.length, fillOf(matrices, trained.scaling))
  })

/** The same of a Q-table. */
export const answersOfTable = (
  child: ChildProcess.Child,
  { artefact, version }: Version,
  series: ReadonlyArray<BarSeries>,
  rows: QuestionRows
) =>
  Effect.gen(function* () {
    const columns = tableFeatures.names.length
    const fill = makeTableFeatures()
    const picked = new Float64Array(columns)
    const ask = yield* loadModel(child, { bytes: artefact, path: version.slice(0, 12) })
    return yield* askRows(ask, rows, columns, (instrument, bar, out, at) => {
      fill((series[instrument] as BarSeries).close, bar, picked)
      out.set(picked, at)
    })
  })
