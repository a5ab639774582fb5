/** When a stream is published next. Intervals lie on a grid, so that what is due does not depend on what was published. */

/**
 * Whether an interval has begun since an instant: by the bars' time in lock-step, by the clock otherwise.
 * @param before undefined where there was none: then it is due
 */
export const isDue = (everyMs: number, before: number | undefined, now: number): boolean =>
  before === undefined || Math.floor(now / everyMs) > Math.floor(before / everyMs)

/** Between two publications of a lock-step run, in the bars' time: not more often than every so many bars. */
export const lockStepInterval = (everyMs: number, frameMs: number, everyBars: number): number =>
  Math.max(everyMs, everyBars * frameMs)
