/** The tests over real data, apart from the others because they take minutes and need the data. */
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/reference/**/*.test.ts"],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    pool: "forks",
    poolOptions: { forks: { maxForks: 2 } },
    reporters: ["verbose"]
  }
})
