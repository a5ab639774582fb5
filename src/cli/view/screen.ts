/** A screen of one's own in the terminal: entered, redrawn in place, and left as it was found. */
import { Effect, type Scope } from "effect"
import type { Size } from "./render.ts"

const enter = "\u001b[?1049h\u001b[?25l"
const leave = "\u001b[?25h\u001b[?1049l"
const home = "\u001b[H"
const clearLine = "\u001b[K"
const clearBelow = "\u001b[J"

export interface Screen {
  readonly size: () => Size
  readonly draw: (lines: ReadonlyArray<string>) => void
}

export const screen = (terminal: NodeJS.WriteStream): Effect.Effect<Screen, never, Scope.Scope> =>
  Effect.as(
    Effect.acquireRelease(
      Effect.sync(() => terminal.write(enter)),
      () => Effect.sync(() => terminal.write(leave))
    ),
    {
      size: () => ({ columns: terminal.columns ?? 100, rows: terminal.rows ?? 40 }),
      draw: (lines) => {
        terminal.write(`${home}${lines.map((line) => `${line}${clearLine}`).join("\r\n")}${clearBelow}`)
      }
    }
  )
