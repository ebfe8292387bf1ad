/** The locks of targets without flock(1): one at a time, and nobody is kept out by who was killed in there. */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LOCK_SCRIPT } from '../../src/engine/lock-script.ts'
import { identify } from '../../src/process/identity.ts'
import { until } from '../rig/observe.ts'

const SHELLS = [['dash'], ['bash'], ['busybox', 'sh']].filter(([name]) =>
  ['/bin', '/usr/bin'].some(folder => existsSync(join(folder, name!))),
)

let folder: string
let locks: string
let left: ChildProcess[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostops-mutex-'))
  locks = join(folder, 'locks')
})
afterEach(() => {
  for (const child of left) child.kill('SIGKILL')
  left = []
  rmSync(folder, { recursive: true })
})

/** Without flock; who is not let in asks again at once. */
function script(work = 'act'): string {
  const changes: [string, string][] = [
    ['if command -v flock >/dev/null 2>&1', 'if false'],
    ['sleep 1', 'sleep 0.02'],
    [/^dirs=.*$/m.exec(LOCK_SCRIPT)![0], `dirs="${locks}"`],
    ["trap 'exit 1' HUP INT TERM\n  act\n", `trap 'exit 1' HUP INT TERM\n  ${work}\n`],
  ]
  return changes.reduce((text, [from, to]) => {
    expect(text).toContain(from)
    return text.replace(from, () => to)
  }, LOCK_SCRIPT)
}

function start(shell: readonly string[], work: string, mine: string, change = (text: string) => text) {
  const [file, ...args] = shell
  const child = spawn(file!, [...args, '-c', change(script(work)), 'lock', 'acquire', 'a.lock', mine, ''], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  left.push(child)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (said += chunk))
  const ended = new Promise<string>(resolve => child.once('close', () => resolve(said.trim())))
  return { child, ended }
}
const ask = (shell: readonly string[], mine: string) => start(shell, 'act', mine).ended
/** In there until it is killed. */
async function stay(shell: readonly string[], mine: string) {
  const stays = start(
    shell,
    `: >'${folder}/${mine}'; while [ -e '${folder}/${mine}' ]; do sleep 0.02; done`,
    mine,
  )
  await until(`${mine} is in there`, () => existsSync(join(folder, mine)))
  return { ...stays, go: () => rmSync(join(folder, mine)) }
}
async function killedInThere(shell: readonly string[], mine: string): Promise<void> {
  const { child, ended } = await stay(shell, mine)
  child.kill('SIGKILL')
  rmSync(join(folder, mine))
  await ended
}
const mutexes = () => readdirSync(locks).filter(name => name.startsWith('.mutex'))

describe.each(SHELLS.map(shell => ({ shell, name: shell.join(' ') })))(
  'without flock, in $name',
  ({ shell }) => {
    test('a lock is taken, and the mutex is gone', async () => {
      expect(await ask(shell, 'one')).toBe('mine')
      expect(await ask(shell, 'two')).toMatch(/^held \d+ \S+\none$/)
      expect(mutexes()).toEqual([])
    })

    test('who was killed in there keeps nobody out, nor does a second one after it', async () => {
      await killedInThere(shell, 'first')
      await killedInThere(shell, 'second')
      expect(mutexes()).toHaveLength(2)
      expect(await ask(shell, 'third')).toBe('mine')
      expect(mutexes()).toEqual([])
    })

    test('who is in there lives, however slow it is: nobody else gets in before it has left', async () => {
      const { child, ended, go } = await stay(shell, 'first')
      child.kill('SIGSTOP')
      expect(await ask(shell, 'second')).toContain(`unwritable ${locks}/.mutex`)
      child.kill('SIGCONT')
      go()
      await ended
      expect(await ask(shell, 'second')).toBe('mine')
      expect(mutexes()).toEqual([])
    })

    test('who is ended by a signal leaves', async () => {
      const { child, ended, go } = await stay(shell, 'first')
      child.kill('SIGTERM')
      go()
      await ended
      expect(mutexes()).toEqual([])
    })
  },
)

const { started, boot } = identify(process.pid) ?? { started: null, boot: null }

describe.skipIf(process.platform !== 'linux')('a mutex of somebody', () => {
  const space = process.platform === 'linux' ? readlinkSync('/proc/self/ns/pid') : ''
  const here = hostname()
  test.each([
    ['who lives', `${here} ${boot} ${space} ${process.pid} ${started}`, false],
    [
      'who lives, before whom somebody else had that number',
      `${here} ${boot} ${space} ${process.pid} 1`,
      true,
    ],
    ['who has ended', `${here} ${boot} ${space} 4194304 ${started}`, true],
    ['of an earlier boot', `${here} 0-0 ${space} ${process.pid} ${started}`, true],
    ['of a boot that is not known', `${here} none ${space} 4194304 1`, false],
    ['in another container', `${here} ${boot} pid:[1] 4194304 1`, false],
    ['on another machine', `elsewhere ${boot} ${space} 4194304 1`, false],
    ['who did not know when it was started', `${here} ${boot} ${space} 4194304 ?`, false],
    ['that hostops did not write', '/etc/passwd', false],
    ['that hostops did not write, with signs', `* ${boot} $(id) ; 1`, false],
  ])('%s', async (_, target, isDead) => {
    expect(await ask(SHELLS[0]!, 'warm')).toBe('mine')
    symlinkSync(target, join(locks, '.mutex'))
    const said = await start(SHELLS[0]!, 'act', 'warm').ended
    expect(said).toContain(isDead ? 'mine' : `unwritable ${locks}/.mutex`)
    expect(mutexes()).toEqual(isDead ? [] : ['.mutex'])
  })
})

test('who saw a dead one, and is slow, does not get in beside who came after that', async () => {
  const [shell] = SHELLS
  await killedInThere(shell!, 'dead')
  const [found, go] = [join(folder, 'found'), join(folder, 'go')]
  const pause = `; : >'${found}'; while [ ! -e '${go}' ]; do sleep 0.02; done`
  const inherits = 'at=$(heir "$holder") chain="$chain $at"'
  expect(script()).toContain(inherits)
  const slow = start(shell!, 'act', 'slow', text => text.replace(inherits, () => `${inherits}${pause}`))
  await until('the dead one is found', () => existsSync(found))
  expect(await ask(shell!, 'heir')).toBe('mine')
  const next = await stay(shell!, 'next')
  writeFileSync(go, '')
  expect(await slow.ended).toContain(`unwritable ${locks}/.mutex`)
  expect(mutexes()).toEqual(['.mutex'])
  next.go()
  await next.ended
  expect(mutexes()).toEqual([])
})

test('many at once, some of them killed in there: never two at the same time', async () => {
  const inside = join(folder, 'inside')
  const log = join(folder, 'log')
  writeFileSync(log, '')
  const work = `
    mkdir '${inside}' || echo two >>'${log}'
    echo one >>'${log}'; rmdir '${inside}'
    case $mine in *7) kill -9 $$ ;; esac`
  const patient = (text: string) => text.replace('-lt 10 ]', '-lt 2000 ]')
  const all = Array.from(
    { length: 24 },
    (_, n) => start(SHELLS[n % SHELLS.length]!, work, `n${n}`, patient).ended,
  )
  await Promise.all(all)
  const said = readFileSync(log, 'utf8').trim().split('\n')
  expect(said).toEqual(Array(24).fill('one'))
  expect(await ask(SHELLS[0]!, 'last')).toBe('mine')
  expect(mutexes()).toEqual([])
})
