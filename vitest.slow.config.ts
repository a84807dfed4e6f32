import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    globalSetup: ["test/support/fetch-windows.ts"],
    include: ["test/slow/**/*.test.ts"],
    testTimeout: 900_000,
    pool: "forks",
  },
});
