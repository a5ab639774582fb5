/**
 * Generalised advantage estimation (Schulman et al., High-Dimensional Continuous Control Using Generalized Advantage
 * Estimation, 2016, equation 16):
 *
 *   d_t = r_t + g V(s_(t+1)) - V(s_t)
 *   A_t = d_t + g l A_(t+1),  and d_t alone where the episode ended
 *
 * What follows a step is worth nothing where the episode terminated, and what the critic takes its last observation to be
 * worth where it was only truncated: whoever fills `nextValues` sees to that.
 */
export interface Course {
  readonly steps: number
  readonly environments: number
  /** [steps, environments], like the following. */
  readonly rewards: Float64Array
  readonly values: Float32Array
  readonly nextValues: Float32Array
  /** 1 where the episode came to its end, either way. */
  readonly ended: Uint8Array
}

export const advantagesOf = (
  { ended, environments, nextValues, rewards, steps, values }: Course,
  discount: number,
  lambda: number
): Float64Array => {
  const advantages = new Float64Array(steps * environments)
  for (let i = advantages.length - 1; i >= 0; i--) {
    const after =
      i + environments < advantages.length && ended[i] === 0 ? (advantages[i + environments] as number) : 0
    const surprise = (rewards[i] as number) + discount * (nextValues[i] as number) - (values[i] as number)
    advantages[i] = surprise + discount * lambda * after
  }
  return advantages
}

/** To mean 0 and deviation 1, in place, from `start` up to but not including `end`. */
export const standardise = (values: Float32Array, start: number, end: number): void => {
  const count = end - start
  let mean = 0
  for (let i = start; i < end; i++) mean += (values[i] as number) / count
  let variance = 0
  for (let i = start; i < end; i++) variance += ((values[i] as number) - mean) ** 2 / count
  const deviation = Math.sqrt(variance) + 1e-8
  for (let i = start; i < end; i++) values[i] = ((values[i] as number) - mean) / deviation
}
