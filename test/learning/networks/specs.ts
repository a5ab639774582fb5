/** Small networks of every kind, with every head. */
import type { BodySpec, HeadSpec, NetworkSpec } from "../../../src/learning/networks/NetworkSpec.ts"

const heads: Readonly<Record<string, HeadSpec>> = {
  regression: { kind: "regression", outputs: 2 },
  quantiles: { kind: "quantiles", outputs: 1, levels: [0.1, 0.5, 0.9] },
  gaussian: { kind: "gaussian", outputs: 2 },
  classification: { kind: "classification", classes: 3 }
}

const bodies: Readonly<Record<string, BodySpec>> = {
  linear: { kind: "linear" },
  mlp: { kind: "mlp", hidden: [5, 4] },
  lstm: { kind: "lstm", hidden: 4, layers: 2, dropout: 0.2 },
  gru: { kind: "gru", hidden: 4, layers: 2, dropout: 0 },
  cnn: { kind: "cnn", filters: [4, 3], kernel: 3, pool: 2, dropout: 0 },
  transformer: { kind: "transformer", width: 8, heads: 2, layers: 2, inner: 6, dropout: 0.1 }
}

const sizes = { length: 6, features: 3 }

export const specs: ReadonlyArray<readonly [name: string, spec: NetworkSpec]> = [
  ...Object.entries(bodies).map(
    ([name, body]) => [name, { ...sizes, body, head: heads.classification as HeadSpec }] as const
  ),
  ...Object.entries(heads).map(
    ([name, head]) => [`mlp for ${name}`, { ...sizes, body: bodies.mlp as BodySpec, head }] as const
  ),
  [
    "dlinear",
    {
      ...sizes,
      body: { kind: "dlinear", horizon: 2, window: 3 },
      head: { kind: "regression", outputs: 6 }
    }
  ]
]
