/**
 * Prunes a trained network in rounds, each with a training of what is left.
 *
 * It is a generator of what has happened, as the trainer is. A round prunes to the share that the schedule gives for it
 * and trains with that mask from the parameters as they then are: pruned weights take no part, in the gradient's norm
 * either, and stay 0. Optimisers begin each round anew.
 *
 * What can go wrong: a training that diverges ends the rounds, with the parameters of the round before; the trainer's
 * refusals are thrown.
 * Invariants: after every round exactly the asked share of the weights is 0, or more where training made one so by
 * itself; equal inputs give equal bytes.
 */
import type { Manifest } from "../graph/Parameters.ts"
import { trainableOf } from "../networks/models.ts"
import type { Dataset } from "../training/Dataset.ts"
import { evaluateWith, type Objective, type Open, type TrainingEvent, train } from "../training/Trainer.ts"
import { trainingGraphs } from "../training/TrainingGraphs.ts"
import type { TrainingSpec } from "../training/TrainingSpec.ts"
import { magnitudeMask, masked, type PruningSchedule, type PruningScope, sparsityAfter } from "./Pruning.ts"

export interface PruningRound {
  readonly round: number
  /** As it was asked. */
  readonly sparsity: number
  /** Validation losses: as it came into the round, with the weights taken, and after the training. */
  readonly lossBefore: number
  readonly lossPruned: number
  readonly lossAfter: number
}

export type PruningEvent =
  | { readonly type: "training"; readonly round: number; readonly event: TrainingEvent }
  | ({ readonly type: "round" } & PruningRound)

export interface PruningOutcome {
  readonly reason: "rounds" | "diverged"
  readonly manifest: Manifest
  readonly parameters: Float32Array
  readonly mask: Float32Array
  readonly rounds: ReadonlyArray<PruningRound>
}

export async function* pruneAndTrain(options: {
  /** Of each round's training: its epochs, its learning rate. */
  readonly spec: TrainingSpec
  /** Those of the trained network. */
  readonly parameters: Float32Array
  readonly schedule: PruningSchedule
  readonly scope: PruningScope
  readonly training: Dataset
  readonly validation: Dataset
  readonly open: Open
  readonly objective?: Objective
}): AsyncGenerator<PruningEvent, PruningOutcome> {
  const { objective, open, schedule, scope, spec, training, validation } = options
  const rows = spec.microRows ?? spec.batchRows
  const trainable = objective?.trainable ?? trainableOf(spec.network)
  const graphs = trainingGraphs(trainable, { rows, optimiser: spec.optimiser })
  const { manifest } = graphs
  const lossOf = evaluateWith(graphs, await open(graphs.evaluate), rows)
  const rounds: Array<PruningRound> = []
  let { parameters } = options
  let mask: Float32Array = new Float32Array(manifest.size).fill(1)
  const outcome = (reason: PruningOutcome["reason"]) => ({ reason, manifest, parameters, mask, rounds })

  for (let round = 1; round <= schedule.rounds; round++) {
    const sparsity = sparsityAfter(schedule, round)
    const own = magnitudeMask(manifest, parameters, { sparsity, scope, previous: mask })
    const initial = masked(parameters, own)
    const lossBefore = await lossOf(parameters, validation)
    const lossPruned = await lossOf(initial, validation)
    const running = train({
      spec,
      training,
      validation,
      open,
      initial,
      trained: own,
      ...(objective === undefined ? {} : { objective })
    })
    let step = await running.next()
    for (; step.done !== true; step = await running.next()) {
      yield { type: "training", round, event: step.value }
    }
    const { value: trained } = step
    if (trained.reason === "diverged") return outcome("diverged")
    parameters = trained.parameters
    mask = own
    const done = { round, sparsity, lossBefore, lossPruned, lossAfter: trained.validationLoss }
    rounds.push(done)
    yield { type: "round", ...done }
  }
  return outcome("rounds")
}
