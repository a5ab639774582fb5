/** Long work in steps: whoever runs it may do something else between two of them, and the result is the same. */
export type Steps<A> = Generator<void, A>

/** All steps in a row. */
export const runThrough = <A>(steps: Steps<A>): A => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}
