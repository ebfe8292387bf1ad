/** A command whose runner died before it could note its process is found by its words and its moment. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { readProcessStat } from '../../src/process/stat.ts'
import { announcer, findAnnounced } from '../../src/transport/find-by-start.ts'

const children: ChildProcess[] = []
afterEach(() => {
  vi.restoreAllMocks()
  for (const child of children.splice(0)) process.kill(-child.pid!, 'SIGKILL')
})

/** Leads a session, as every command does. */
const begin = (argv: readonly string[]) => {
  const child = spawn(argv[0]!, argv.slice(1), { detached: true, stdio: 'ignore' })
  children.push(child)
  return child.pid!
}
const words = () => ['sh', '-c', 'sleep 30; :', 'sh', randomUUID()]

describe.skipIf(process.platform !== 'linux')('an announced command', () => {
  test('is found', () => {
    const argv = words()
    const announced = announcer()(argv)!
    expect(findAnnounced(announced)).toBeNull()
    const pid = begin(argv)
    expect(findAnnounced(announced)).toMatchObject({ pid })
    expect(findAnnounced({ ...announced, boot: 'another' })).toBeNull()
    expect(findAnnounced({ ...announced, at: announced.at - 60_00 })).toBeNull()
  })

  test('is found after the machine was suspended: clocks that stood still meanwhile say nothing', () => {
    const announce = announcer()
    announce(words())
    // An hour in which only the kernel's count since the boot went on.
    const { now } = performance
    vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) - 3_600_000)
    vi.spyOn(process, 'uptime').mockImplementation(() => 0)
    vi.spyOn(process, 'hrtime').mockImplementation(() => [0, 0])
    const argv = words()
    const announced = announce(argv)!
    const pid = begin(argv)
    expect(findAnnounced(announced)).toMatchObject({ pid })
    expect(Math.abs(Number(readProcessStat(pid)?.started) - announced.at)).toBeLessThan(200)
  })
})
