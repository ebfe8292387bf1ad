import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/rig/own-state.ts',
    // The tests start real daemons and real processes on machines that may be slow and shared.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // CI's machines are shared: what fails twice in a row is broken, what fails once may be the machine.
    retry: process.env['CI'] ? 1 : 0,
    pool: 'forks',
    maxWorkers: 3,
  },
})
