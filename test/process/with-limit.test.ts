/** Limits that hold whatever the collector of garbage does. */
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { withLimit } from '../../src/process/with-limit.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

test.each(['its time is over', 'its signal aborts'])(
  'aborts when %s, however often garbage is collected',
  async why => {
    const outer = new AbortController()
    let isOver = false
    withLimit(outer.signal, why === 'its time is over' ? 2000 : 60_000).addEventListener('abort', () => {
      isOver = true
    })
    for (let times = 0; times < 5; times += 1) {
      gc()
      await sleep(10)
    }
    expect(isOver).toBe(false)
    if (why === 'its signal aborts') outer.abort()
    await expect.poll(() => isOver, { timeout: 20_000 }).toBe(true)
  },
)
