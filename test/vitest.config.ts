import { defineConfig } from 'vitest/config'
import { LongestFirst, MACHINE_TESTS } from './rig/machine-tests.ts'

const root = new URL('..', import.meta.url).pathname

/** Real gateways, which have to be installed first: only `npm run test:openclaw` plays them. */
const OPENCLAW_TESTS = 'test/openclaw/*.test.ts'

/** Needs a rig that root has made: only `npm run test:windows` plays them. */
const WINDOWS_TESTS = 'test/windows/*.test.ts'

const common = {
  root,
  // The tests start real daemons and real processes on machines that may be slow and shared.
  testTimeout: 180_000,
  hookTimeout: 180_000,
  // CI's machines are shared: what fails twice in a row is broken, what fails once may be the machine.
  retry: process.env['CI'] ? 1 : 0,
  pool: 'forks',
} as const

export default defineConfig({
  test: {
    root,
    // Not in `common`: it would be set up for each project again.
    globalSetup: 'test/rig/own-state.ts',
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...common,
          name: 'quick',
          include: ['test/**/*.test.ts'],
          exclude: [...MACHINE_TESTS, OPENCLAW_TESTS, WINDOWS_TESTS],
        },
      },
      { test: { ...common, name: 'machine', include: MACHINE_TESTS } },
      { test: { ...common, name: 'windows', include: [WINDOWS_TESTS] } },
      // The first hook may have to install them.
      {
        test: {
          ...common,
          name: 'openclaw',
          include: [OPENCLAW_TESTS],
          testTimeout: 600_000,
          hookTimeout: 1_200_000,
        },
      },
    ],
  },
})
