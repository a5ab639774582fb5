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
import { Limits } from "../../protocols/wire/Limits.ts"

/** Of one run of a training step: forward, and twice that backward. */
const multiplicationsPerRunMax = 4e9
/** Of several steps in one run: they are put together to save what a run costs beside them, and no more. */
const multiplicationsTogetherMax = 2e9
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

/** How many numbers a network learns, where it can be built, and served once it is trained. */
export const parameterCount = (network: NetworkSpec): Either.Either<number, TrainingRefused> => {
  const refused = (reason: string) => Either.left(new TrainingRefused({ network: network.body.kind, reason }))
  try {
    const { size } = networkManifest(network)
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
