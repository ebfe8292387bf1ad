import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createQuiet } from '../../../src/hostlink/daemon/quiet.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const served = (quiet: { served(): void }, count: number) => {
  for (let i = 0; i < count; i++) quiet.served()
}

test('after many requests memory is given back once, a quiet second later', () => {
  const collect = vi.fn()
  const quiet = createQuiet(collect)
  served(quiet, 500)
  vi.advanceTimersByTime(900)
  served(quiet, 1)
  vi.advanceTimersByTime(900)
  expect(collect).toHaveBeenCalledTimes(0)
  vi.advanceTimersByTime(5000)
  expect(collect).toHaveBeenCalledTimes(1)
})

test('not for a few requests, and not after the end', () => {
  const collect = vi.fn()
  const quiet = createQuiet(collect)
  served(quiet, 499)
  vi.advanceTimersByTime(5000)
  served(quiet, 1)
  quiet.stop()
  vi.advanceTimersByTime(5000)
  expect(collect).toHaveBeenCalledTimes(0)
})

test('the real one does not throw', () => {
  const quiet = createQuiet()
  served(quiet, 500)
  vi.advanceTimersByTime(1000)
})
