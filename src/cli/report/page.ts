/** What every report in HTML is made of: one file, nothing that has to be fetched, equal input giving equal bytes. */
import { escapeText } from "./svg.ts"

const style = `
:root{color-scheme:light dark;--line:#8888;--text:CanvasText}
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.2rem .8rem;border-bottom:1px solid var(--line);text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums}
.charts{display:flex;flex-wrap:wrap;gap:1rem}svg{width:100%;max-width:520px;height:auto}
svg text{font:12px system-ui,sans-serif}.title{text-anchor:middle;fill:var(--text);font-weight:600}
.tick{text-anchor:middle;fill:var(--text)}.end{text-anchor:end}.axis{stroke:var(--text);fill:none}
.grid{stroke:var(--line);stroke-dasharray:2 4}.ideal{stroke:var(--text);stroke-dasharray:6 4}.name{font-weight:600}
code{word-break:break-all}`

export const cell = (text: string, isNumber = false): string =>
  `<td${isNumber ? ' class="n"' : ""}>${escapeText(text)}</td>`

/** Names and values, one a row. */
export const facts = (rows: ReadonlyArray<readonly [name: string, value: string]>): string => {
  const lines = rows.map(
    ([name, value]) => `<tr><th>${escapeText(name)}</th><td><code>${escapeText(value)}</code></td></tr>`
  )
  return `<table>${lines.join("")}</table>`
}

export const page = (title: string, body: ReadonlyArray<string>, ownStyle = ""): string =>
  [
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">`,
    `<title>${escapeText(title)}</title><style>${style}${ownStyle}</style></head><body>`,
    `<h1>${escapeText(title)}</h1>`,
    ...body,
    "</body></html>\n"
  ].join("\n")
