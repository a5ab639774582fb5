/** The artefact of whatever the training host has trained: a network with its return, a classifier, a recursive model. */
import type { ClassScore } from "../../learning/ClassOpinion.ts"
import { ArtefactInvalid } from "../../learning/errors.ts"
import { emitClassNetwork, emitNetwork } from "../../learning/NetworkOpinion.ts"
import type { Normalisation } from "../../learning/networks/models.ts"
import type { ArtefactLabels } from "../../learning/OpinionModel.ts"
import type { Calibrator } from "../../learning/ScoreCalibrator.ts"
import { emitTrm } from "../../learning/trm/TrmOpinion.ts"
import { type HostTraining, trainingName } from "../training-host/HostTraining.ts"

export interface TrainedParts extends ArtefactLabels {
  readonly parameters: Float32Array
  readonly normalisation: Normalisation
  /** Null where it answers with a return. */
  readonly classes: ClassScore | null
  readonly calibrator: Calibrator
}

/** Parts that do not belong together throw ArtefactInvalid. */
export const emitTrained = (spec: HostTraining, { classes, ...parts }: TrainedParts): Uint8Array => {
  if ("trm" in spec) {
    if (classes === null) {
      throw new ArtefactInvalid({ kind: trainingName(spec), part: "its classes", reason: "are none" })
    }
    return emitTrm({ ...parts, classes, trm: spec.trm, supervisionSteps: spec.supervisionSteps })
  }
  const { network } = spec
  return classes === null
    ? emitNetwork({ ...parts, network })
    : emitClassNetwork({ ...parts, network, classes })
}
