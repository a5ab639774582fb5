/**
 * XGBoost's own model files, JSON and UBJSON, as trees.
 *
 * Read are gbtree and dart boosters, with numeric splits, of XGBoost from 1.0 on, for the objectives named below.
 * A file that knows its best iteration (early stopping) gives the trees up to it, as XGBoost's scikit-learn interface
 * predicts. What a dart tree weighs is multiplied into its leaves. `base_score` is kept in the file as a prediction
 * and becomes a margin here; from 3.1 on it is a list with one number or one for each class.
 *
 * What can go wrong: bytes from outside are anything. `readXgboost` gives XgboostUnreadable and nothing else; linear
 * boosters, categorical splits, several targets and other objectives are refused by name.
 * Invariant: the JSON and the UBJSON file of one model give equal trees.
 */
import { Either } from "effect"
import { XgboostUnreadable } from "./errors.ts"
import { joinTrees, type Link, type TreeEnsemble, type TreeNodes } from "./TreeEnsemble.ts"
import {
  countField,
  countOf,
  elementOf,
  field,
  float32Of,
  integersOf,
  type Located,
  lengthOf,
  optionalField,
  parseDocument,
  refuse,
  textOf
} from "./XgboostDocument.ts"
import { readTree } from "./XgboostTree.ts"

/** Largest model file, unless the caller says otherwise: parsed, a file takes several times its size. */
export const xgboostBytesMax = 64 * 1024 * 1024

/** A model of more classes is more likely a damaged file. */
const classesMax = 10_000
/** Features beyond this are more likely a damaged file. */
const featuresMax = 1_000_000

/** Raw margins of binary:logitraw are log odds, and give probabilities here. */
const links = new Map<string, Link>([
  ["reg:squarederror", "identity"],
  ["reg:linear", "identity"],
  ["binary:logistic", "logistic"],
  ["binary:logitraw", "logistic"],
  ["reg:logistic", "logistic"],
  ["multi:softprob", "softmax"],
  ["multi:softmax", "softmax"]
])

export interface XgboostOptions {
  readonly bytesMax?: number
}

export const readXgboost = (
  bytes: Uint8Array,
  options: XgboostOptions = {}
): Either.Either<TreeEnsemble, XgboostUnreadable> =>
  Either.try({
    try: () => readModel({ value: parseDocument(bytes, options.bytesMax ?? xgboostBytesMax), path: "" }),
    // Whatever is thrown on bytes from outside is about the bytes.
    catch: (cause) =>
      new XgboostUnreadable({ reason: cause instanceof Error ? cause.message : String(cause) })
  })

const readModel = (document: Located): TreeEnsemble => {
  const learner = field(document, "learner")
  const objective = textOf(field(field(learner, "objective"), "name"))
  const link = links.get(objective) ?? refuse(`its objective ${shown(objective)} is not supported`)
  const parameters = field(learner, "learner_model_param")
  if (countField(parameters, "num_target") > 1) refuse("it has several targets")
  const outputs = outputsOf(link, parameters)
  const features = countOf(field(parameters, "num_feature"))
  if (features < 1 || features > featuresMax) refuse(`it has ${features} features`)

  const { model, weights } = boosterOf(field(learner, "gradient_booster"))
  const found = field(model, "trees")
  const count = lengthOf(found)
  const treeOutputs = integersOf(field(model, "tree_info"), count, 0, outputs)
  const drop = weights === undefined ? undefined : float32Of(weights, count)
  const kept = treesKept(learner, model, count, outputs)
  const trees = Array.from({ length: kept }, (_, i) => {
    const located = elementOf(found, i)
    const id = optionalField(located, "id")
    if (id !== undefined && countOf(id) !== i) refuse(`${located.path} has the id ${countOf(id)}`)
    const tree = readTree(located, features)
    return drop === undefined ? tree : weighted(tree, drop[i] as number)
  })
  return {
    link,
    features,
    featureNames: featureNamesOf(learner, features),
    outputs,
    baseMargins: baseMarginsOf(objective, parameters, outputs),
    treeOutputs: Int32Array.from(treeOutputs).slice(0, kept),
    ...joinTrees(trees)
  }
}

/** Names out of a file are cut short before they are repeated. */
const shown = (name: string) => `"${name.length > 60 ? `${name.slice(0, 60)}…` : name}"`

const outputsOf = (link: Link, parameters: Located): number => {
  const classes = countField(parameters, "num_class")
  if (link !== "softmax") return classes <= 1 ? 1 : refuse(`it has ${classes} classes and one margin`)
  return classes >= 2 && classes <= classesMax ? classes : refuse(`it has ${classes} classes`)
}

const boosterOf = (booster: Located): { model: Located; weights: Located | undefined } => {
  const name = textOf(field(booster, "name"))
  switch (name) {
    case "gbtree":
      return { model: field(booster, "model"), weights: undefined }
    case "dart":
      return { model: field(field(booster, "gbtree"), "model"), weights: field(booster, "weight_drop") }
    default:
      return refuse(`its booster ${shown(name)} is not supported`)
  }
}

/** The trees of the iterations up to the best one. */
const treesKept = (learner: Located, model: Located, trees: number, outputs: number): number => {
  const parameters = field(model, "gbtree_model_param")
  if (countOf(field(parameters, "num_trees")) !== trees) refuse("it does not have the trees it says it has")
  if (trees === 0) refuse("it has no trees")
  const attributes = optionalField(learner, "attributes")
  const best = attributes === undefined ? undefined : optionalField(attributes, "best_iteration")
  if (best === undefined) return trees
  // Several trees grow side by side in an iteration of a forest. XGBoost from 2.0 on says where each begins.
  const pointers = optionalField(model, "iteration_indptr")
  const perIteration = outputs * Math.max(1, countField(parameters, "num_parallel_tree"))
  const ends =
    pointers === undefined
      ? Array.from({ length: Math.floor(trees / perIteration) }, (_, i) => (i + 1) * perIteration)
      : Array.from(integersOf(pointers, lengthOf(pointers), 0, trees + 1)).slice(1)
  const end = ends[countOf(best)] ?? refuse(`its best iteration is none of its ${ends.length}`)
  return end >= 1 ? end : refuse("no tree stands before the end of its best iteration")
}

const featureNamesOf = (learner: Located, features: number): ReadonlyArray<string> => {
  const located = optionalField(learner, "feature_names")
  const count = located === undefined ? 0 : lengthOf(located)
  if (located === undefined || count === 0) return []
  if (count !== features) refuse(`it names ${count} features and has ${features}`)
  return Array.from({ length: count }, (_, i) => textOf(elementOf(located, i)))
}

const number = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/

/** Closer than this to 0 or 1, a probability becomes this far, as XGBoost has it since it estimates them. */
const probabilityMin = Math.fround(1e-6)

/** The log odds as float32 arithmetic gives them. */
const logOdds = (probability: number): number => {
  const inside = Math.min(Math.max(probability, probabilityMin), Math.fround(1 - probabilityMin))
  return Math.fround(-Math.log(Math.fround(Math.fround(1 / inside) - 1)))
}

/** `base_score` is "5E-1", or "[5E-1]", or "[1E-1,2E-1,7E-1]". Only these two objectives keep a probability in it. */
const baseMarginsOf = (objective: string, parameters: Located, outputs: number): Float32Array => {
  const located = field(parameters, "base_score")
  const text = textOf(located).trim()
  const parts = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1).split(",") : [text]
  if (parts.length !== 1 && parts.length !== outputs) {
    refuse(`${located.path} has ${parts.length} numbers for ${outputs} margins`)
  }
  const isProbability = objective === "binary:logistic" || objective === "reg:logistic"
  const margins = parts.map((part) => {
    const score = Math.fround(number.test(part.trim()) ? Number(part) : Number.NaN)
    if (!Number.isFinite(score)) refuse(`${located.path} is ${shown(text)}`)
    if (!isProbability) return score
    return score >= 0 && score <= 1 ? logOdds(score) : refuse(`${located.path} is ${score}, no probability`)
  })
  return Float32Array.from({ length: outputs }, (_, i) => margins[i] ?? (margins[0] as number))
}

const weighted = (tree: TreeNodes, weight: number): TreeNodes => {
  const value = tree.value.map((one) => one * weight)
  if (value.some((one) => !Number.isFinite(one))) refuse(`a tree that weighs ${weight} has no finite leaves`)
  return { ...tree, value }
}
