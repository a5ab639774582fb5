/**
 * The golden vectors of the Tiny Recursive Model: every file in the folder `trm`, with the weights under the names of
 * the paper's program, which keeps weights as [out, in].
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { Schema } from "effect"
import type { Manifest } from "../../src/learning/graph/Parameters.ts"
import { published, type TrmSpec } from "../../src/learning/trm/TrmSpec.ts"
import { root } from "./referenceFiles.ts"

const folder = join(root, "trm")

export const goldenFiles = (existsSync(folder) ? readdirSync(folder).sort() : [])
  .filter((name) => /\.json(\.gz)?$/.test(name))
  .map((name) => [name, join(folder, name)] as const)

export const skippedTitle = (suite: string): string =>
  `${suite} (skipped: no *.json or *.json.gz in ${folder}; set CONCLAVE_DATA to a folder whose trm has them)`

const Numbers = Schema.Array(Schema.Finite)
const Tensor = Schema.Struct({ shape: Schema.Array(Schema.Int), data: Numbers })
const Tensors = Schema.Record({ key: Schema.String, value: Tensor })
const Rows = Schema.Array(Numbers)
const Stack = Schema.Array(Rows)

const Golden = Schema.Struct({
  config: Schema.Struct({
    seq_len: Schema.Int,
    vocab_size: Schema.Int,
    n: Schema.Int,
    T: Schema.Int,
    layers: Schema.Int,
    hidden: Schema.Int,
    expansion: Schema.Finite,
    heads: Schema.Int,
    pos: Schema.Literal("none", "learned", "rope"),
    mlp_t: Schema.Boolean,
    rms_norm_eps: Schema.Finite,
    rope_theta: Schema.Finite,
    batch: Schema.Int
  }),
  inputs: Rows,
  labels: Rows,
  ignore_label: Schema.Int,
  weights: Tensors,
  steps: Schema.Array(
    Schema.Struct({
      step: Schema.Int,
      logits: Stack,
      q_halt_logits: Numbers,
      preds: Rows,
      z_y: Stack,
      z_latent: Stack,
      lm_loss: Schema.Finite,
      q_halt_loss: Schema.Finite,
      total_loss: Schema.Finite,
      grad: Schema.optional(Schema.NullOr(Tensors))
    })
  )
})
export type Golden = typeof Golden.Type

export const readGolden = (path: string): Golden => {
  const bytes = readFileSync(path)
  const text = (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8")
  return Schema.decodeUnknownSync(Schema.parseJson(Golden))(text)
}

export const specOf = ({ config }: Golden): TrmSpec => ({
  sizes: {
    ...published,
    width: config.hidden,
    heads: config.heads,
    layers: config.layers,
    latentSteps: config.n,
    recursions: config.T,
    mix: config.mlp_t ? "mlp" : "attention",
    positions: config.pos === "rope" ? "rotary" : config.pos,
    expansion: config.expansion,
    normEpsilon: config.rms_norm_eps,
    rotaryTheta: config.rope_theta
  },
  task: { kind: "tokens", length: config.seq_len, vocabulary: config.vocab_size }
})

/** How ours lie in theirs: the same, transposed, or the first of their two rows. */
type Layout = "same" | "turned" | "first"

const fixedNames: Readonly<Record<string, readonly [string, Layout]>> = {
  embedding: ["inner.embed_tokens.embedding_weight", "same"],
  positions: ["inner.embed_pos.embedding_weight", "same"],
  "y-initial": ["inner.H_init", "same"],
  "z-initial": ["inner.L_init", "same"],
  head: ["inner.lm_head.weight", "turned"],
  "halt/weights": ["inner.q_head.weight", "first"],
  "halt/bias": ["inner.q_head.bias", "first"]
}

const layerNames: Readonly<Record<string, string>> = {
  "attention/qkv": "self_attn.qkv_proj",
  "attention/out": "self_attn.o_proj",
  "mix/gate-up": "mlp_t.gate_up_proj",
  "mix/down": "mlp_t.down_proj",
  "mlp/gate-up": "mlp.gate_up_proj",
  "mlp/down": "mlp.down_proj"
}

const theirNameOf = (name: string): readonly [string, Layout] => {
  const [, layer, part] = /^f\/(\d+)\/(.+)$/.exec(name) ?? []
  const known = layer === undefined ? fixedNames[name] : undefined
  if (known !== undefined) return known
  const own = layerNames[part ?? ""]
  if (own === undefined) throw new Error(`no weight of the golden files is "${name}"`)
  return [`inner.L_level.layers.${layer}.${own}.weight`, "turned"]
}

export interface Placed {
  readonly name: string
  readonly theirs: string
  readonly values: Float64Array
  readonly offset: number
  /** What of theirs has no place in ours: the second output of the halting head, which is not used. */
  readonly rest: ReadonlyArray<number>
}

/** Their tensors, in the order and layout of ours. */
export const placed = (manifest: Manifest, tensors: typeof Tensors.Type): ReadonlyArray<Placed> =>
  manifest.entries.flatMap(({ name, offset, shape }) => {
    const [theirs, layout] = theirNameOf(name)
    const tensor = tensors[theirs]
    if (tensor === undefined) return []
    const count = shape.reduce((product, size) => product * size, 1)
    const { data } = tensor
    const [rows = 1, columns = 1] = shape
    const values = Float64Array.from({ length: count }, (_, i) =>
      layout === "turned"
        ? (data[(i % columns) * rows + Math.floor(i / columns)] as number)
        : (data[i] as number)
    )
    const theirShape = layout === "turned" ? [columns, rows] : shape
    if (layout !== "first" && JSON.stringify(theirShape) !== JSON.stringify(tensor.shape))
      throw new Error(`${theirs} is ${tensor.shape}, ${name} is ${shape}`)
    return [{ name, theirs, offset, values, rest: layout === "first" ? data.slice(count) : [] }]
  })

/** Weights that are constants in ours. */
export const computedNames = ["inner.rotary_emb.cos_cached", "inner.rotary_emb.sin_cached"] as const
