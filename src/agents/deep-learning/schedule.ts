/** Which model is to be trained next, and when: follows from the bars and from what has been deployed or tried. */

/** Bars that come faster than this leave no time for scheduled work beside them. */
export const paceMsMin = 250

/**
 * Whether there is scheduled work in such a run at all.
 * @param paceMs milliseconds between two as-ofs; null in lock-step, whose bars wait for it
 */
export const hasSchedule = (train: "auto" | "always" | "never", paceMs: number | null): boolean =>
  train === "always" || (train === "auto" && paceMs !== null && paceMs >= paceMsMin)

export interface TrainingSchedule<Model> {
  readonly models: ReadonlyArray<Model>
  /** Bars between two trainings of a model. */
  readonly everyBars: number
  /** Bars of an instrument before the first. */
  readonly barsMin: number
}

/**
 * The model whose last training is the longest ago, if that is long enough.
 * @param lastAsOf as-of of the last training or try; undefined where there was none
 */
export const dueModel = <Model>(
  { barsMin, everyBars, models }: TrainingSchedule<Model>,
  bars: { readonly seen: number; readonly asOf: number; readonly frameMs: number },
  lastAsOf: (model: Model) => number | undefined
): Model | undefined => {
  if (bars.seen < barsMin) return undefined
  let due: { readonly model: Model; readonly last: number } | undefined
  for (const model of models) {
    const last = lastAsOf(model) ?? Number.NEGATIVE_INFINITY
    const isDue = bars.asOf - last >= everyBars * bars.frameMs
    if (isDue && (due === undefined || last < due.last)) due = { model, last }
  }
  return due?.model
}
