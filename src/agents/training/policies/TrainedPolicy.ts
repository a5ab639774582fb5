/**
 * What the artefact of a policy says of itself: how it sees bars, what it learned from and what came of it, and the network
 * as it acts. The graph of the artefact gives the opinion of a flat account; whoever holds something asks the network.
 *
 * What can go wrong: metadata of something else; `readTrainedPolicy` gives undefined.
 */
import { Either, Schema } from "effect"
import { describe } from "../../../learning/OpinionModel.ts"
import { decode } from "../../../learning/onnx/OnnxFile.ts"
import type { LearnedNetwork, PolicyScore } from "../../../learning/rl/PolicyOpinion.ts"
import { Hidden } from "../../../learning/rl/settings.ts"
import { Costs } from "../../../market/Costs.ts"
import { accountObservations, actionCount } from "../../../market/environment/TradingEnvironments.ts"
import { FeatureScaling } from "../../../market/features/FeatureScaling.ts"
import { InstrumentId } from "../../../protocols/Instrument.ts"
import { Metric } from "../../../protocols/Model.ts"
import { PolicyAlgorithm } from "../../../protocols/Strategy.ts"
import { TimeFrame } from "../../../protocols/TimeFrame.ts"
import { Digest, EpochMs } from "../../../protocols/wire/Ids.ts"
import { canonicalJson } from "../../../protocols/wire/Json.ts"

const Count = Schema.NonNegativeInt

const NetworkShape = Schema.Struct({
  kind: Schema.Literal("q-network", "policy"),
  hidden: Hidden,
  /** Of action values; a policy is not. */
  isDueling: Schema.Boolean
})
export type NetworkShape = typeof NetworkShape.Type

export const TrainedPolicy = Schema.Struct({
  version: Schema.Literal(1),
  algorithm: PolicyAlgorithm,
  network: NetworkShape,
  /** Flat, float32, little endian, in base64. */
  parameters: Schema.String,
  scaling: FeatureScaling,
  /** That its features look at together, in their order. */
  instruments: Schema.Array(InstrumentId).pipe(Schema.minItems(1)),
  timeFrame: TimeFrame,
  horizonBars: Schema.Int,
  costs: Costs,
  allowShort: Schema.Boolean,
  data: Schema.Struct({
    digest: Digest,
    /** As-ofs of the first and the last row that it was learned from or calibrated on. */
    from: EpochMs,
    to: EpochMs,
    /** When the last of their labels ended. */
    knownTo: EpochMs,
    /** As-of of the first row that was held out: from there on nothing was learned. */
    heldOutFrom: EpochMs,
    trainingRows: Count,
    validationRows: Count,
    heldOutRows: Count
  }),
  steps: Count,
  episodes: Count,
  seed: Count,
  metrics: Schema.Array(Metric)
})
export type TrainedPolicy = typeof TrainedPolicy.Type

const key = "policy"
const FromText = Schema.parseJson(TrainedPolicy)

export const trainedPolicyMetadata = (trained: TrainedPolicy): Readonly<Record<string, string>> => ({
  [key]: canonicalJson(trained)
})

/** What an artefact says of itself; the left says why that is nothing, as the end of a sentence. */
export const readTrainedPolicy = (artefact: Uint8Array): Either.Either<TrainedPolicy, string> =>
  Either.gen(function* () {
    const model = yield* Either.mapLeft(
      decode(artefact),
      ({ reason }) => `it is no readable ONNX (${reason})`
    )
    const { metadata } = yield* Either.mapLeft(describe(model), ({ reason }) => reason)
    const decoded = Schema.decodeUnknownEither(FromText)(metadata.get(key) ?? "")
    const trained = yield* Either.mapLeft(decoded, () => "it does not say how it was trained as a policy")
    return yield* Either.mapLeft(checked(trained), (reason) => reason)
  })

const checked = (trained: TrainedPolicy): Either.Either<TrainedPolicy, string> => {
  const { deviations, means, schema } = trained.scaling
  const columns = schema.names.length
  return means.length === columns && deviations.length === columns
    ? Either.right(trained)
    : Either.left(`its scaling has ${means.length} means for ${columns} features`)
}

/** After the features comes what an account observes of itself. */
export const observationsOf = ({ schema }: FeatureScaling): number =>
  schema.names.length + accountObservations.length

export const encodeParameters = (parameters: Float32Array): string =>
  Buffer.from(parameters.buffer, parameters.byteOffset, parameters.byteLength).toString("base64")

const decodeParameters = (text: string): Float32Array => {
  const bytes = Buffer.from(text, "base64")
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

const learnedOf = ({ hidden, isDueling, kind }: NetworkShape, observations: number): LearnedNetwork =>
  kind === "q-network"
    ? { kind, network: { observations, actions: actionCount, hidden, isDueling } }
    : { kind, network: { observations, actionSpace: { kind: "discrete", actions: actionCount }, hidden } }

/** What gives its score. */
export const scoreOf = ({
  network,
  parameters,
  scaling
}: Pick<TrainedPolicy, "network" | "parameters" | "scaling">): PolicyScore => ({
  learned: learnedOf(network, observationsOf(scaling)),
  parameters: decodeParameters(parameters),
  normalisation: {
    means: Float64Array.from(scaling.means),
    deviations: Float64Array.from(scaling.deviations)
  },
  flatAccount: accountObservations.map(() => 0)
})
