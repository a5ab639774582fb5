/**
 * What an episode runs over: the bars of one instrument with the features of each, a contract and costs, made ready so
 * that a step is array reads. At every bar there is the price in ticks at which a market order fills there, bought and
 * sold, and the price at which a position is marked at its close.
 *
 * A fill is made at the first price of the bar (its open; a close-only series has one price a bar, its close), moved
 * against the account by half the spread and the slippage, and rounded against it to the tick. In a bar in which nothing
 * was traded there is nobody to fill at; one whose volume is not known is as any other.
 *
 * What can go wrong: too few bars, prices and features that are not finite, features that were not scaled, a price that
 * leaps from one bar to the next. All are refused here, so that no step can fail on them.
 * Invariant: prices in ticks are safe whole numbers from 1 on, and none is more than `priceRatioMax` times the mark of
 * the bar before: an account within `accountMicroMax` can be counted exactly after any step.
 */
import { Either, Schema } from "effect"
import type { Instrument } from "../../protocols/Instrument.ts"
import type { BarColumns } from "../BarSeries.ts"
import { Costs } from "../Costs.ts"
import { isCharged } from "../execution/holding.ts"
import { type Contract, type Fraction, microPerTickLot } from "../execution/Money.ts"
import { marketTicks, priceInTicks, type Side } from "../execution/Pricing.ts"
import { type Terms, termsOf, withoutLimits } from "../execution/Terms.ts"
import { clipDefault } from "../features/FeatureScaling.ts"
import { CourseRefused } from "./errors.ts"

/** No number of an observation lies further from 0. */
export const observationLimit = clipDefault

/** Features of every bar, [bars, names], row-major. */
export interface CourseFeatures {
  readonly names: ReadonlyArray<string>
  readonly values: Float32Array
  /** The first bar that has features; the rows before it are not looked at. */
  readonly first: number
}

export interface CourseParts {
  readonly bars: Pick<BarColumns, "openTime" | "open" | "close" | "volume" | "closeOnly">
  /** Scaled and cut off (`scaleMatrix`), a row for every bar. */
  readonly features: CourseFeatures
  readonly instrument: Pick<Instrument, "kind" | "tick" | "lot">
  readonly costs: Costs
}

/** What it takes to charge for holding a position: funding and borrowing. */
export interface HoldingCosts {
  readonly openTime: Float64Array
  readonly kind: Instrument["kind"]
  readonly terms: Terms
}

export interface Course {
  /** The first bar that an episode can stand at. */
  readonly first: number
  /** Bars; an episode ends at the last of them. */
  readonly bars: number
  readonly featureNames: ReadonlyArray<string>
  /** [bars, features], row-major. */
  readonly features: Float32Array
  readonly contract: Contract
  /** Price of a fill in each bar, in ticks; 0 where there is none. */
  readonly buyTicks: Float64Array
  readonly sellTicks: Float64Array
  /** Price at which a position is marked at the end of each bar, in ticks. */
  readonly markTicks: Float64Array
  readonly perTickLot: Fraction
  /** The fee, as a share of what is traded. */
  readonly feeShare: Fraction
  /** Null where holding costs nothing. */
  readonly holding: HoldingCosts | null
}

/** An episode needs a bar to stand at and one to fill in. */
export const courseBarsMin = 2
/** How many times the mark of one bar a price in the next may be: more is a mistake in the bars, or a split. */
export const priceRatioMax = 16

const whyFeaturesNot = ({ first, names, values }: CourseFeatures, bars: number): string | undefined => {
  const columns = names.length
  if (values.length !== bars * columns) {
    return `${values.length} values are not ${columns} features of ${bars} bars`
  }
  if (!(Number.isInteger(first) && first >= 0)) return `its first bar with features is ${first}`
  for (let at = first * columns; at < values.length; at++) {
    const value = values[at] as number
    if (!(Math.abs(value) <= observationLimit)) {
      const where = `${names[at % columns]} of bar ${Math.floor(at / columns)}`
      return `${where} is ${value}, not a scaled number up to ${observationLimit}`
    }
  }
  return undefined
}

const whyBarsNot = ({ bars, features }: CourseParts): string | undefined => {
  const { close, open, openTime, volume } = bars
  if ([open, openTime, volume ?? close].some(({ length }) => length !== close.length)) {
    return "their columns do not have the same length"
  }
  if (!(close.length - features.first >= courseBarsMin)) {
    return `${close.length} of them, the first ${features.first} without features, are fewer than the ${courseBarsMin} that an episode needs`
  }
  for (let bar = 0; bar < close.length; bar++) {
    for (const price of [open[bar] as number, close[bar] as number]) {
      if (!(price > 0 && price < Number.POSITIVE_INFINITY)) return `bar ${bar} has the price ${price}`
    }
    if (
      !(Number.isSafeInteger(openTime[bar]) && !((openTime[bar] as number) <= (openTime[bar - 1] as number)))
    ) {
      return `bar ${bar} opens at ${openTime[bar]}, which is no later time than that of the bar before`
    }
    if (volume !== null && (volume[bar] as number) < 0) return `bar ${bar} has the volume ${volume[bar]}`
  }
  return undefined
}

const whyTermsNot = ({ costs, instrument }: CourseParts): string | undefined => {
  for (const name of ["tick", "lot"] as const) {
    const value = instrument[name]
    if (!(value > 0 && value < Number.POSITIVE_INFINITY)) return `the ${name} of the instrument is ${value}`
  }
  return Schema.is(Costs)(costs) ? undefined : `${JSON.stringify(costs)} are no costs`
}

const whyPricesNot = ({ buyTicks, first, markTicks }: Course): string | undefined => {
  for (let bar = first; bar < markTicks.length; bar++) {
    const ticks = Math.max(markTicks[bar] as number, buyTicks[bar] as number)
    if (!Number.isSafeInteger(ticks)) return `a price of bar ${bar} is ${ticks} ticks`
    if (bar > first && ticks > priceRatioMax * (markTicks[bar - 1] as number)) {
      return `a price of bar ${bar} is more than ${priceRatioMax} times that of the bar before`
    }
  }
  return undefined
}

const prepared = ({ bars, costs, features, instrument }: CourseParts): Course => {
  const { close, closeOnly, open, openTime, volume } = bars
  const { kind, lot, tick } = instrument
  const contract = { tick, lot }
  const terms = termsOf(withoutLimits(costs))
  const firstPrices = closeOnly ? close : open
  const fillTicks = (side: Side) =>
    Float64Array.from(firstPrices, (price, bar) =>
      volume !== null && volume[bar] === 0 ? 0 : marketTicks(contract, price, terms.impact, side)
    )
  return {
    first: features.first,
    bars: close.length,
    featureNames: features.names,
    features: features.values,
    contract,
    buyTicks: fillTicks("buy"),
    sellTicks: fillTicks("sell"),
    markTicks: close.map((price) => priceInTicks(contract, price, "mark")),
    perTickLot: microPerTickLot(contract),
    feeShare: terms.takerFee,
    holding: isCharged(terms) ? { openTime, kind, terms } : null
  }
}

export const prepareCourse = (parts: CourseParts): Either.Either<Course, CourseRefused> => {
  const refused = (reason: string) => Either.left(new CourseRefused({ reason }))
  const reason =
    whyBarsNot(parts) ?? whyFeaturesNot(parts.features, parts.bars.close.length) ?? whyTermsNot(parts)
  if (reason !== undefined) return refused(reason)
  try {
    const course = prepared(parts)
    const unfit = whyPricesNot(course)
    return unfit === undefined ? Either.right(course) : refused(unfit)
  } catch (cause) {
    // Exact arithmetic says so of a tick, a lot or a fee with more digits than it takes.
    if (cause instanceof RangeError) return refused(cause.message)
    throw cause
  }
}

const digits = 6

/**
 * A contract for prices that were never listed with one: a tick of a millionth of the lowest price or less, and lots so
 * small that the capital buys a million or more of them at the highest, so that rounding does not tell.
 */
export const fineContract = (
  { lowest, highest }: { readonly lowest: number; readonly highest: number },
  capital: number
): Contract => {
  const powerOfTen = (value: number) => Number(`1e${Math.floor(Math.log10(value)) - digits}`)
  return { tick: powerOfTen(lowest), lot: powerOfTen(capital / highest) }
}
