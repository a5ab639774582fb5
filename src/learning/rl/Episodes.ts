/** What episodes come to while a learner acts: their returns, by row as they go on and of the latest that have ended. */
import type { VectorEnvironment } from "../../protocols/VectorEnvironment.ts"
import { checkStep, hasEnded } from "./acting.ts"

/** Of how many ended episodes the mean is told. */
const latestMax = 100

export interface Episodes {
  /** Takes what the last step came to. */
  readonly note: (environment: VectorEnvironment) => void
  /** How many have ended. */
  readonly count: () => number
  /** Sum of the undiscounted returns of all that have ended. */
  readonly total: () => number
  /** Mean of the undiscounted returns of the latest that have ended; null before the first. */
  readonly meanReturn: () => number | null
}

export const makeEpisodes = (environments: number): Episodes => {
  const running = new Float64Array(environments)
  const latest: Array<number> = []
  let count = 0
  let total = 0
  return {
    note: (environment) => {
      checkStep(environment)
      for (let row = 0; row < environments; row++) {
        running[row] = (running[row] as number) + (environment.rewards[row] as number)
        if (!hasEnded(environment, row)) continue
        latest.push(running[row] as number)
        if (latest.length > latestMax) latest.shift()
        total += running[row] as number
        running[row] = 0
        count++
      }
    },
    count: () => count,
    total: () => total,
    meanReturn: () => (latest.length === 0 ? null : latest.reduce((sum, one) => sum + one, 0) / latest.length)
  }
}
