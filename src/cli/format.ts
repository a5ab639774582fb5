/** Numbers and instants as people read them. */

/** What is rounded to nothing has no sign. */
const fixed = (value: number, digits: number): string => {
  const text = value.toFixed(digits)
  return /^-[0.]+$/.test(text) ? text.slice(1) : text
}

export const percent = (share: number, digits = 1): string => `${fixed(share * 100, digits)}%`

export const signedPercent = (share: number, digits = 2): string => {
  const text = percent(share, digits)
  return text.startsWith("-") ? text : `+${text}`
}

export const money = (quote: number): string => {
  const [whole = "0", cents = "00"] = fixed(quote, 2).split(".")
  return `${whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",")}.${cents}`
}

/** With as many digits as tell its steps apart. */
export const price = (value: number): string => (value >= 1_000 ? value.toFixed(2) : value.toPrecision(6))

export const instant = (epochMs: number): string =>
  `${new Date(epochMs).toISOString().slice(0, 16).replace("T", " ")}Z`

export const bytes = (count: number): string =>
  count >= 2 ** 30 ? `${(count / 2 ** 30).toFixed(1)} GiB` : `${Math.round(count / 2 ** 20)} MiB`

export const probabilities = (p: {
  readonly sell: number
  readonly hold: number
  readonly buy: number
}): string => [p.sell, p.hold, p.buy].map((share) => String(Math.round(share * 100)).padStart(2)).join("/")

export const duration = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`
}

/** A bar of the given width, full to a share. */
export const progressBar = (share: number, width: number): string => {
  const full = Math.round(Math.min(Math.max(share, 0), 1) * width)
  return `${"█".repeat(full)}${"░".repeat(width - full)}`
}
