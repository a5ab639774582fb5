/** Which network is to be trained next, and when: follows from the bars and from what has been deployed or tried. */
import type { NetworkModel } from "../../protocols/Prediction.ts"

export interface TrainingSchedule {
  readonly networks: ReadonlyArray<NetworkModel>
  /** Bars between two trainings of a network. */
  readonly everyBars: number
  /** Bars of an instrument before the first. */
  readonly barsMin: number
}

/**
 * The network whose last training is the longest ago, if that is long enough.
 * @param lastAsOf as-of of the last training or try; undefined where there was none
 */
export const dueNetwork = (
  { barsMin, everyBars, networks }: TrainingSchedule,
  bars: { readonly seen: number; readonly asOf: number; readonly frameMs: number },
  lastAsOf: (model: NetworkModel) => number | undefined
): NetworkModel | undefined => {
  if (bars.seen < barsMin) return undefined
  let due: { readonly model: NetworkModel; readonly last: number } | undefined
  for (const model of networks) {
    const last = lastAsOf(model) ?? Number.NEGATIVE_INFINITY
    const isDue = bars.asOf - last >= everyBars * bars.frameMs
    if (isDue && (due === undefined || last < due.last)) due = { model, last }
  }
  return due?.model
}
