/**
 * A tiny text classifier in a folder, made as published ones are: a WordPiece tokeniser of a few words, and an ONNX graph that
 * adds up what every token says of every label (a bag of embeddings under the attention mask).
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { encode, irVersion, opsetVersion } from "../../../src/learning/onnx/OnnxFile.ts"
import type { TensorProto } from "../../../src/learning/onnx/OnnxTensor.ts"

/** Logits of positive, negative and neutral: the order of FinBERT's labels. */
const tokens: Readonly<Record<string, readonly [number, number, number]>> = {
  // Padding would decide everything, were it not masked.
  "[PAD]": [50, -50, 50],
  "[UNK]": [0, 0, 1],
  "[CLS]": [0, 0, 0.5],
  "[SEP]": [0, 0, 0],
  "[MASK]": [0, 0, 0],
  profit: [0.5, 0, 0],
  loss: [0, 1.5, 0],
  rose: [2, -1, 0],
  fell: [-1, 2, 0],
  the: [0, 0, 0.25],
  "##s": [0, 0, 0.125]
}
const words = Object.keys(tokens)
export const folderLabels = ["positive", "negative", "neutral"] as const

/** Logits of pieces as the tokeniser makes them. */
export const logitsOfPieces = (pieces: ReadonlyArray<string>): ReadonlyArray<number> =>
  folderLabels.map((_, k) =>
    ["[CLS]", ...pieces, "[SEP]"].reduce((sum, piece) => sum + (tokens[piece]?.[k] ?? Number.NaN), 0)
  )

const float = (name: string, dims: ReadonlyArray<number>, values: ReadonlyArray<number>): TensorProto => ({
  name,
  elementType: "float",
  dims: [...dims],
  raw: new Uint8Array(Float32Array.from(values).buffer)
})
const int64 = (name: string, values: ReadonlyArray<number>): TensorProto => ({
  name,
  elementType: "int64",
  dims: [values.length],
  raw: new Uint8Array(BigInt64Array.from(values, BigInt).buffer)
})

const node = (op: string, inputs: ReadonlyArray<string>, output: string, attributes = {}) => ({
  name: output,
  op,
  domain: "",
  inputs: [...inputs],
  outputs: [output],
  attributes: Object.entries(attributes).map(([name, value]) => ({
    name,
    type: "int" as const,
    value: value as number
  }))
})

const graph = (): Uint8Array =>
  encode({
    irVersion,
    opsets: [{ domain: "", version: opsetVersion }],
    producer: { name: "test", version: "" },
    metadata: new Map(),
    graph: {
      name: "bag",
      nodes: [
        node("Gather", ["table", "input_ids"], "said", { axis: 0 }),
        node("Cast", ["attention_mask"], "mask", { to: 1 }),
        node("Unsqueeze", ["mask", "last"], "column"),
        node("Mul", ["said", "column"], "masked"),
        node("ReduceSum", ["masked", "middle"], "logits", { keepdims: 0 })
      ],
      initializers: [
        float("table", [words.length, folderLabels.length], Object.values(tokens).flat()),
        int64("last", [2]),
        int64("middle", [1])
      ],
      inputs: ["input_ids", "attention_mask"].map((name) => ({
        name,
        elementType: "int64" as const,
        dims: ["N", "S"]
      })),
      outputs: [{ name: "logits", elementType: "float", dims: ["N", folderLabels.length] }]
    }
  })

const special = (token: string) => ({
  id: words.indexOf(token),
  content: token,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true
})

const tokenizer = {
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(special),
  normalizer: {
    type: "BertNormalizer",
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true
  },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: {
    type: "TemplateProcessing",
    single: [
      { SpecialToken: { id: "[CLS]", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
      { SpecialToken: { id: "[SEP]", type_id: 0 } }
    ],
    pair: [
      { SpecialToken: { id: "[CLS]", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
      { SpecialToken: { id: "[SEP]", type_id: 0 } },
      { Sequence: { id: "B", type_id: 1 } },
      { SpecialToken: { id: "[SEP]", type_id: 1 } }
    ],
    special_tokens: Object.fromEntries(
      ["[CLS]", "[SEP]"].map((token) => [token, { id: token, ids: [words.indexOf(token)], tokens: [token] }])
    )
  },
  decoder: { type: "WordPiece", prefix: "##", cleanup: true },
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries(words.map((word, id) => [word, id]))
  }
}

export const config = {
  model_type: "bert",
  architectures: ["BertForSequenceClassification"],
  hidden_size: 3,
  num_attention_heads: 1,
  num_hidden_layers: 1,
  vocab_size: words.length,
  id2label: Object.fromEntries(folderLabels.map((label, i) => [i, label])),
  label2id: Object.fromEntries(folderLabels.map((label, i) => [label, i]))
}

export const tokensMax = 16

/** Writes the folder, with parts of it replaced; gives its path. */
export const writeClassifier = (
  parent: string,
  parts: { readonly config?: unknown; readonly model?: Uint8Array } = {}
): string => {
  const folder = join(parent, "bag")
  mkdirSync(join(folder, "onnx"), { recursive: true })
  const json = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value))
  json("config.json", parts.config ?? config)
  json("tokenizer.json", tokenizer)
  json("tokenizer_config.json", {
    tokenizer_class: "BertTokenizer",
    do_lower_case: true,
    model_max_length: tokensMax,
    ...{
      pad_token: "[PAD]",
      unk_token: "[UNK]",
      cls_token: "[CLS]",
      sep_token: "[SEP]",
      mask_token: "[MASK]"
    }
  })
  writeFileSync(join(folder, "onnx", "model.onnx"), parts.model ?? graph())
  return folder
}
