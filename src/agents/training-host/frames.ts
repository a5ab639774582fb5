/**
 * What a node asks of its training host: a training to begin with, and then again and again what has happened, until
 * the outcome comes. Parameters travel as bytes: float32, little endian.
 */
import { Schema } from "effect"
import { TrainingRefused } from "../../learning/errors.ts"
import { TrainingDataUnfit } from "./errors.ts"
import type { HostTraining } from "./HostTraining.ts"

export const trainingKind = { train: 16, next: 17, cancel: 18 } as const

export interface TrainHeader {
  readonly spec: HostTraining
  readonly data: { readonly path: string; readonly digest: string }
  /** Where the state after the last epoch is kept. One that is there is gone on with. */
  readonly checkpoint: string
}

export type HostEvent =
  | {
      readonly type: "started"
      /** Numbers that are learned. */
      readonly parameters: number
      readonly trainingRows: number
      readonly validationRows: number
      /** Epochs and updates that were done before. */
      readonly epoch: number
      readonly step: number
      /** Of an epoch. */
      readonly batches: number
      readonly checkpoint: "none" | "resumed" | "unreadable"
    }
  | {
      readonly type: "progress"
      /** From 0. */
      readonly epoch: number
      readonly batch: number
      readonly batches: number
      readonly step: number
      /** Mean of the epoch so far. */
      readonly loss: number
      /** Learning rate. */
      readonly rate: number
    }
  | {
      readonly type: "epoch"
      readonly epoch: number
      readonly step: number
      readonly trainingLoss: number
      readonly validationLoss: number
      readonly isBest: boolean
    }

export const Refusal = Schema.Union(TrainingRefused, TrainingDataUnfit)
export type Refusal = typeof Refusal.Type

export interface Losses {
  readonly training: number
  readonly validation: number
}

/** The body holds the parameters of the least validation loss; it is empty where no epoch has come to its end. */
export interface Ended {
  readonly reason: "epochs" | "patience" | "diverged" | "cancelled"
  readonly validationLoss: number | null
  readonly history: ReadonlyArray<Losses>
}

export interface NextAnswer {
  /** Since the last answer; of progress only the latest. */
  readonly events: ReadonlyArray<HostEvent>
  readonly outcome:
    | null
    | { readonly ended: Ended }
    | { readonly refused: typeof Refusal.Encoded }
    | { readonly failed: string }
}
