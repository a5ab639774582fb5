/**
 * What the deep-learning agent makes of bars: the linear forecaster, which is a pure fold, and beside it the latest bars
 * that its networks see.
 */
import type { Settings } from "../Settings.ts"
import type { Learner } from "../voter/Learner.ts"
import { type EncodedWindowed, type Windowed, withWindows } from "../voter/WindowedLearner.ts"
import { type LinearEncoded, type LinearState, linearLearner } from "./LinearLearner.ts"

export type DeepState = Windowed<LinearState>
export type DeepEncoded = EncodedWindowed<LinearEncoded>

export const deepLearner = (settings: Settings): Learner<DeepState, DeepEncoded> =>
  withWindows(linearLearner(settings))
