/**
 * What a policy comes to: the undiscounted return of one episode in each row. Taking every row's first episode counts short
 * and long ones alike; taking whichever end first would count the short ones too often.
 */
import type { VectorEnvironment } from "../../protocols/VectorEnvironment.ts"
import { EnvironmentInvalid } from "../errors.ts"
import type { Steps } from "../steps.ts"
import { type Act, actionsFor, checkStep, hasEnded } from "./acting.ts"

/** @param stepsMax of an episode: one that goes on for longer throws EnvironmentInvalid */
export function* episodeReturns(
  environment: VectorEnvironment,
  act: Act,
  stepsMax: number
): Steps<Float64Array> {
  const { environments, observations, rewards } = environment
  const actions = actionsFor(environment)
  const returns = new Float64Array(environments)
  const isOver = new Uint8Array(environments)
  environment.reset()
  for (let step = 0; isOver.includes(0); step++) {
    if (step >= stepsMax)
      throw new EnvironmentInvalid({ reason: `an episode had no end after ${stepsMax} steps` })
    act(observations, actions)
    environment.step(actions)
    checkStep(environment)
    for (let row = 0; row < environments; row++) {
      if (isOver[row] === 1) continue
      returns[row] = (returns[row] as number) + (rewards[row] as number)
      if (hasEnded(environment, row)) isOver[row] = 1
    }
    yield
  }
  return returns
}
