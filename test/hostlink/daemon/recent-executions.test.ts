/** For how long a keyed command can be asked for, and that asking for one looks at no other. */
import { expect, test } from 'vitest'
import { Output } from '../../../src/hostlink/daemon/exec/output.ts'
import { createRecentExecutions } from '../../../src/hostlink/daemon/exec/recent-executions.ts'

const MIB = 1024 * 1024
const MINUTES = 60_000

type Command = { output: Record<'stdout' | 'stderr', Output>; endedAt: number | null }

function commands() {
  let time = 0
  let looks = 0
  const keyed = createRecentExecutions<Command>(() => time)
  const output = (bytes: number) => {
    const kept = new Output({ keepFirst: bytes, keepLast: 0 })
    kept.take(Buffer.alloc(bytes))
    return kept
  }
  const begin = (name: string, bytes = 0): Command => {
    let endedAt: number | null = null
    const command = {
      output: { stdout: output(bytes), stderr: output(0) },
      get endedAt() {
        looks += 1
        return endedAt
      },
      set endedAt(at: number | null) {
        endedAt = at
      },
    }
    keyed.add(name, command)
    return command
  }
  const end = (name: string, command: Command) => {
    command.endedAt = time
    keyed.end(name, command)
  }
  return {
    keyed,
    begin,
    end,
    whole: (name: string, bytes = 0) => end(name, begin(name, bytes)),
    wait: (ms: number) => {
      time += ms
    },
    looks: () => looks,
    keptOf: (name: string) => keyed.get(name)?.output.stdout.keptBytes,
  }
}

test('one that has ended is there for ten minutes, one that runs for as long as it does', () => {
  const { keyed, begin, end, whole, wait } = commands()
  const running = begin('running')
  whole('early')
  wait(6 * MINUTES)
  whole('late')
  wait(5 * MINUTES)
  expect(['running', 'early', 'late'].map(name => keyed.get(name) !== undefined)).toEqual([true, false, true])
  wait(60 * MINUTES)
  expect(['running', 'late'].map(name => keyed.get(name) !== undefined)).toEqual([true, false])
  end('running', running)
  wait(9 * MINUTES)
  expect(keyed.get('running')).toBe(running)
})

test('of more than 1024 those that ended first go, and none that runs', () => {
  const { keyed, begin, whole } = commands()
  begin('running')
  for (let at = 0; at < 1100; at++) whole(`${at}`)
  expect(keyed.get('running')).toBeDefined()
  const left = Array.from({ length: 1100 }, (_, at) => at).filter(at => keyed.get(`${at}`))
  expect(left).toEqual(Array.from({ length: 1023 }, (_, at) => at + 77))
})

test('beyond 64 MiB in all the ones that ended first lose their output and keep their end', () => {
  const { keyed, begin, end, whole, keptOf } = commands()
  const slow = begin('slow', 20 * MIB)
  whole('a', 30 * MIB)
  whole('b', 30 * MIB)
  expect(['a', 'b'].map(keptOf)).toEqual([30 * MIB, 30 * MIB])
  end('slow', slow)
  expect(['a', 'b', 'slow'].map(keptOf)).toEqual([0, 30 * MIB, 20 * MIB])
  expect(keyed.get('a')?.endedAt).toBe(0)
  whole('huge', 65 * MIB)
  expect(['b', 'slow', 'huge'].map(keptOf)).toEqual([0, 0, 0])
  whole('c', 64 * MIB)
  expect(keptOf('c')).toBe(64 * MIB)
})

test('what is gone for its age is not counted any more', () => {
  const { whole, wait, keptOf } = commands()
  whole('old', 60 * MIB)
  wait(11 * MINUTES)
  whole('a', 30 * MIB)
  whole('b', 30 * MIB)
  expect(['old', 'a', 'b'].map(keptOf)).toEqual([undefined, 30 * MIB, 30 * MIB])
})

test('however many there are, a command looks at two or three others', () => {
  const { keyed, whole, looks } = commands()
  for (let at = 0; at < 1000; at++) whole(`${at}`, 1)
  const before = looks()
  for (let at = 1000; at < 1020; at++) {
    expect(keyed.get(`${at}`)).toBeUndefined()
    whole(`${at}`, 1)
  }
  expect(looks() - before).toBeLessThanOrEqual(3 * 20)
})
