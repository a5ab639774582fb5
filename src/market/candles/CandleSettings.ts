/**
 * What "long", "short" and "near" mean for a candle: the default settings of TA-Lib, as data.
 *
 * A measure of the candle (or of the distance of two) is compared with `factor` times the average, over the
 * `periodBars` bars before it, of the measure named by `range`. A period of 0 compares with the candle's own
 * measure. `shadows` is the sum of both shadows, and its average is halved, so that it stands for one of them.
 *
 * Source: TA-Lib, `TA_SetCandleSettings` and the defaults that `TA_Initialize` gives.
 */
export type CandleRange = "body" | "highLow" | "shadows"

export interface CandleSetting {
  readonly range: CandleRange
  readonly periodBars: number
  readonly factor: number
}

/** A real body is long when it is longer than the average. */
export const bodyLong: CandleSetting = { range: "body", periodBars: 10, factor: 1 }
/** A real body is short when it is shorter than the average. */
export const bodyShort: CandleSetting = { range: "body", periodBars: 10, factor: 1 }
/** A real body is a doji's when it is at most a tenth of the average range of a bar. */
export const bodyDoji: CandleSetting = { range: "highLow", periodBars: 10, factor: 0.1 }
/** A shadow is long when it is longer than the real body of its own candle. */
export const shadowLong: CandleSetting = { range: "body", periodBars: 0, factor: 1 }
/** A shadow is very short when it is shorter than a tenth of the average range of a bar. */
export const shadowVeryShort: CandleSetting = { range: "highLow", periodBars: 10, factor: 0.1 }
/** Two prices are near when they are at most a fifth of the average range of a bar apart. */
export const near: CandleSetting = { range: "highLow", periodBars: 5, factor: 0.2 }
/** Two measures are far apart when they differ by more than this. */
export const far: CandleSetting = { range: "highLow", periodBars: 5, factor: 0.6 }

/** How far the third candle of a star reaches into the body of the first, as a share of that body. */
export const starPenetration = 0.3
