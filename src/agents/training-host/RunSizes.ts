/**
 * How a training is cut into runs. A run blocks its thread, and what is asked meanwhile (how far it is, to stop) waits:
 * none should take 200 ms. The sizes follow from the network alone and never from how long runs take, so that the same
 * training makes the same bytes on a machine that is busy.
 *
 * A core makes some 25 to 60 thousand million multiplications of a network a second (a run of the largest size took 45 to
 * 110 ms on a core that others used as well); one that makes a third of that still keeps to it. Where not even one row
 * fits, runs are of one row and take what they take.
 */
import { Either } from "effect"
import { GraphInvalid, TrainingRefused } from "../../learning/errors.ts"
import { networkManifest } from "../../learning/NetworkOpinion.ts"
import { headSize, type NetworkSpec } from "../../learning/networks/NetworkSpec.ts"
import { trmManifest } from "../../learning/trm/TrmOpinion.ts"
import { trmKind } from "../../learning/trm/TrmServing.ts"
import { supervisionMultiplications, type TrmSpec } from "../../learning/trm/TrmSpec.ts"
import { Limits } from "../../protocols/wire/Limits.ts"
import type { HostTraining } from "./HostTraining.ts"

/** Of one run of a training step: forward, and twice that backward. */
const multiplicationsPerRunMax = 4e9
/** Of several steps in one run: they are put together to save what a run costs beside them, and no more. */
const multiplicationsTogetherMax = 2e9
const multiplicationsPerAnswerMax = 4e10
/** What a step costs beside its multiplications, counted in them: it is made of many small operations. */
const overheadPerStep = 2e7
const stepsPerRunMax = 16
/** What an artefact has beside its parameters, with room to spare. */
const artefactBytesBeside = 2 ** 20

/** Multiplications that a row takes forward, of the large products alone. */
export const multiplicationsPerRow = ({ body, features, head, length }: NetworkSpec): number => {
  const out = headSize(head)
  switch (body.kind) {
    case "linear":
      return length * features * out
    case "dlinear":
      return features * length * (length + 2 * body.horizon)
    case "mlp": {
      const widths = [length * features, ...body.hidden, out]
      return widths.slice(1).reduce((sum, width, i) => sum + width * (widths[i] as number), 0)
    }
    case "lstm":
    case "gru": {
      const gates = body.kind === "lstm" ? 4 : 3
      const inputs = features + (body.layers - 1) * body.hidden + body.layers * body.hidden
      return length * gates * body.hidden * inputs
    }
    case "cnn": {
      let [steps, channels, sum] = [length, features, 0]
      for (const filters of body.filters) {
        sum += steps * body.kernel * channels * filters
        steps = Math.floor(steps / body.pool)
        channels = filters
      }
      return sum + steps * channels * out
    }
    case "transformer": {
      const { inner, layers, width } = body
      return (
        length * (features * width + layers * (4 * width * width + 2 * width * inner + 2 * length * width))
      )
    }
  }
}

export interface RunSizes {
  /** Rows whose gradients are made at a time; null for the whole batch. */
  readonly microRows: number | null
  readonly stepsPerRun: number
}

export const runSizesOf = (network: NetworkSpec, batchRows: number): RunSizes => {
  const perRow = 3 * multiplicationsPerRow(network)
  const isRecurrent = network.body.kind === "lstm" || network.body.kind === "gru"
  const overhead = isRecurrent ? overheadPerStep * (1 + network.length / 10) : overheadPerStep
  const rowsMax = Math.max(1, Math.floor(multiplicationsPerRunMax / perRow))
  if (rowsMax >= batchRows) {
    const steps = Math.floor(multiplicationsTogetherMax / (batchRows * perRow + overhead))
    return { microRows: null, stepsPerRun: Math.max(1, Math.min(stepsPerRunMax, steps)) }
  }
  let rows = rowsMax
  while (batchRows % rows !== 0) rows--
  return { microRows: rows, stepsPerRun: 1 }
}

const trmRowsPerRunMax = 64

/** Rows of one run that takes a supervision step of a Tiny Recursive Model forward. */
export const trmRowsPerRun = (trm: TrmSpec): number =>
  powerOfTwo(multiplicationsPerRunMax / supervisionMultiplications(trm), trmRowsPerRunMax)

/** Of an artefact, which takes all supervision steps in one run: some ten times what a run of a training may be. */
export const servedRowsPerRun = (spec: HostTraining, rowsMax: number): number =>
  "trm" in spec
    ? powerOfTwo(
        multiplicationsPerAnswerMax / (spec.supervisionSteps * supervisionMultiplications(spec.trm)),
        Math.min(trmRowsPerRunMax, rowsMax)
      )
    : rowsMax

/** The largest power of two up to both; at least 1. */
const powerOfTwo = (most: number, limit: number): number =>
  2 ** Math.max(0, Math.floor(Math.log2(Math.min(most, limit))))

/** How many numbers a network learns, where it can be built, and served once it is trained. */
export const parameterCount = (network: NetworkSpec | TrmSpec): Either.Either<number, TrainingRefused> => {
  const isTrm = "sizes" in network
  const name = isTrm ? trmKind : network.body.kind
  const refused = (reason: string) => Either.left(new TrainingRefused({ network: name, reason }))
  try {
    const { size } = isTrm ? trmManifest(network) : networkManifest(network)
    const bytes = 4 * size + artefactBytesBeside
    return bytes <= Limits.frameBytesMax
      ? Either.right(size)
      : refused(
          `its ${size} parameters make an artefact of ${Math.ceil(bytes / 2 ** 20)} MiB, ${Limits.frameBytesMax / 2 ** 20} can be served`
        )
  } catch (cause) {
    if (cause instanceof GraphInvalid) return refused(cause.reason)
    throw cause
  }
}
