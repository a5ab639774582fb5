/** First values of linear layers without a nonlinearity before them (LeCun et al., 1998). */
import { type Initialiser, truncatedNormal } from "../graph/Parameters.ts"

/** Standard deviation of a standard normal that is cut off at two deviations. */
const cutDeviation = 0.879_625_661_034_239_8

/** Normal, cut off at two deviations, with this standard deviation after the cut. */
export const cutNormal = (deviation: number): Initialiser => truncatedNormal(deviation / cutDeviation)

/** Of standard deviation 1 / sqrt(in). */
export const leCun = (size: number): Initialiser => cutNormal(1 / Math.sqrt(size))
