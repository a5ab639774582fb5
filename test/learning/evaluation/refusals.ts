/** What the left of an Either says. */
import { Either } from "effect"
import { expect } from "vitest"

export const refusalOf = <E extends Error>(result: Either.Either<unknown, E>): string =>
  Either.match(result, {
    onLeft: (error) => error.message,
    onRight: (value) => expect.fail(`it gave ${JSON.stringify(value)}`)
  })
