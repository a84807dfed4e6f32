import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/slow/**"],
    globalSetup: ["test/support/fetch-windows.ts", "test/support/clear-steps.ts"],
    setupFiles: ["test/support/stepcoverage.ts"],
    testTimeout: 60_000,
    pool: "forks",
  },
});
