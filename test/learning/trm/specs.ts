/** Small recursive models, and their graphs. */
import * as ops from "../../../src/learning/graph/ops.ts"
import { manifestOf, trainingBuilder } from "../../../src/learning/graph/Parameters.ts"
import { type TrmNet, trmNet } from "../../../src/learning/trm/TrmNet.ts"
import {
  inputsOf,
  placesOf,
  published,
  type TrmSizes,
  type TrmSpec
} from "../../../src/learning/trm/TrmSpec.ts"

export const rows = 2

export const tiny: TrmSizes = {
  ...published,
  width: 4,
  heads: 2,
  layers: 1,
  latentSteps: 2,
  recursions: 2,
  innerMultiple: 2,
  expansion: 1
}

export const tokens = (sizes: Partial<TrmSizes> = {}): TrmSpec => ({
  sizes: { ...tiny, ...sizes },
  task: { kind: "tokens", length: 3, vocabulary: 5 }
})

export const features = (sizes: Partial<TrmSizes> = {}): TrmSpec => ({
  sizes: { ...tiny, positions: "none", ...sizes },
  task: { kind: "features", features: 3, classes: 4 }
})

/** Inputs of one supervision step, and what comes of them. */
export const supervised = (spec: TrmSpec) => {
  const { sizes, task } = spec
  const manifest = manifestOf((b) => {
    trmNet(b, spec)
  })
  const parameters = ops.input("parameters", [manifest.size])
  const inputs = ops.input("inputs", [rows, inputsOf(task)], task.kind === "tokens" ? "int64" : "float")
  const state = [rows, placesOf(task), sizes.width]
  const before = { y: ops.input("y", state), z: ops.input("z", state) }
  const net: TrmNet = trmNet(trainingBuilder(manifest, parameters).builder, spec)
  const x = net.embed(inputs)
  const after = net.superviseOnce(x, before)
  return {
    manifest,
    net,
    x,
    parameters,
    inputs,
    before,
    after,
    logits: net.logits(after.y),
    halting: net.halting(after.y)
  }
}
