/** One crash world for each test of a file, and what most of them begin with. */
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { type CrashWorld, crashWorld } from './crash.ts'
import { crashBase } from './crash-service.ts'
import { poll } from './hostops.ts'

export function crashTests() {
  let base: ReturnType<typeof crashBase>
  let world: CrashWorld
  let starts: string[] = []
  beforeAll(() => {
    base = crashBase()
  })
  afterAll(() => base.remove())
  beforeEach(async () => {
    world = await crashWorld(base.app)
  })
  afterEach(() => world.remove())

  /** The ids of the steps that a whole run begins, at the numbers of their entries; other entries have none. */
  const usual = async () => {
    if (starts.length > 0) return starts
    const other = await crashWorld(base.app)
    try {
      await other.upgrade('v2')
      starts = other.numbered().map(event => (event.type === 'step-started' ? event.id : ''))
    } finally {
      await other.remove()
    }
    return starts
  }
  const tests = {
    base: () => base.app,
    world: () => world,
    /** The number of the entry that says that a step begins; the next thing would be its command. */
    entryOf: async (step: string) => (await usual()).indexOf(step) + 1,
    /** Dead right before the service is restarted. */
    async dead() {
      const ended = await world.upgrade('v2', 'before:restart')
      expect(ended.signal).toBe('SIGKILL')
    },
    async isAsBefore() {
      expect(world.head()).toBe('v1')
      await poll(async () => (await world.says()) === 'v1')
    },
  }
  return tests
}
