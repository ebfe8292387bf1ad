/** What lies below a run on Windows: programs, words and variables of commands, jobs that outlive their runner, locks. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { poll } from '../rig/hostops.ts'
import { NODES, noWindows, openWindows, type Windows } from '../rig/windows.ts'

const EXEC = `
import { openTransport } from './src/transport/connect.ts'
const { argv, cwd, env, options = {} } = JSON.parse(process.env.TASK)
const connected = await openTransport('local', { env: process.env, jobsFolder: 'C:\\\\w\\\\jobs' })
const result = await connected.transport.exec({ argv, cwd, env }, { timeoutMs: 60000, ...options })
await connected.transport.close()
console.log(JSON.stringify({ ...result, stdout: result.stdout?.toString(), stderr: result.stderr?.toString() }))
`
const LOCK = `
import { windowsTools } from './src/transport/windows-tools.ts'
const tools = windowsTools(process.env)
const { verb, names, mine } = JSON.parse(process.env.TASK)
const answers = []
for (const name of names) answers.push(await tools.lock({ verb, file: 'race.lock', mine: mine + name, expected: '' }))
console.log(JSON.stringify({ answers, names: names.map(name => tools.lockName('checkout:' + name)) }))
`
/** Takes the lock again and again for some seconds, and counts when it was not alone with it. */
const CONTEND = `
import { closeSync, openSync, rmSync } from 'node:fs'
import { windowsTools } from './src/transport/windows-tools.ts'
const tools = windowsTools(process.env)
const ask = verb => tools.lock({ verb, file: 'contend.lock', mine: String(process.pid), expected: '' })
let got = 0
let doubles = 0
for (const end = Date.now() + 5000; Date.now() < end; ) {
  if ((await ask('acquire')).word !== 'mine') continue
  got += 1
  try { closeSync(openSync('alone', 'wx')) } catch { doubles += 1 }
  rmSync('alone', { force: true })
  await ask('release')
}
console.log(JSON.stringify({ got, doubles }))
`
/** Lives until it is killed, in the mutex of the locks. */
const IN_MUTEX = `require('fs').openSync('C:\\\\ProgramData\\\\hostops\\\\locks\\\\.mutex', require('fs').constants.O_RDWR | 0x10000000)
require('fs').writeFileSync('inside', String(process.pid)); setInterval(() => {}, 1000)`

let windows: Windows
let exec: string
let lock: string
let contend: string
beforeAll(async () => {
  if (noWindows !== null) return
  windows = openWindows()
  exec = await windows.program('exec', EXEC)
  lock = await windows.program('lock', LOCK)
  contend = await windows.program('contend', CONTEND)
})
afterAll(() => windows?.close())

const task = (node: string, program: string, what: object) =>
  windows.start([`C:\\node${node}\\node.exe`, program], { TASK: JSON.stringify(what) })

async function answerOf(started: ReturnType<typeof task>) {
  const done = await started.ended
  expect(done.code, done.stderr).toBe(0)
  return JSON.parse(done.stdout)
}

describe.skipIf(noWindows).each(NODES)('on Node %s', node => {
  const run = (what: object) => answerOf(task(node, exec, what))

  test('a program is looked for in PATH, never in the working folder', async () => {
    windows.write('C:\\w\\here\\hostname.cmd', '@echo not me\r\n')
    windows.write('C:\\w\\here\\only.cmd', '@echo not me\r\n')
    windows.write('C:\\w\\path\\found.cmd', '@echo me %*\r\n')
    const inHere = { cwd: 'C:\\w\\here', env: { Path: 'C:\\w\\path;.;C:\\windows\\system32' } }
    expect(await run({ argv: ['only'], ...inHere })).toMatchObject({ kind: 'not-started', why: 'not-found' })
    expect((await run({ argv: ['hostname'], ...inHere })).stdout).not.toContain('not me')
    expect((await run({ argv: ['found', 'a b', 'c'], ...inHere })).stdout).toBe('me "a b" "c"\r\n')
  })

  test.each(['%PATH%', 'a" & echo b', 'a&b', 'a|b', 'a>b', 'a^b', 'a!b', 'a\nb'])(
    'a .cmd program does not get the word %j',
    async word => {
      windows.write('C:\\w\\path\\found.cmd', '@echo me %*\r\n')
      expect(await run({ argv: ['C:\\w\\path\\found.cmd', word] })).toMatchObject({
        kind: 'not-started',
        why: 'not-executable',
        detail: expect.stringContaining('cmd.exe'),
      })
    },
  )

  test('words arrive as they are where no cmd.exe is between', async () => {
    const words = ['a b', '', '"', 'a\\', 'a\\"b', '%PATH%', '^&|<>', 'ä€😀', "'", '\t']
    const print = 'process.stdout.write(JSON.stringify(process.argv.slice(1)))'
    const { stdout } = await run({ argv: ['C:\\node24\\node.exe', '-e', print, '--', ...words] })
    expect(JSON.parse(stdout)).toEqual(words)
  })

  test('a variable replaces the one that has its name in another case', async () => {
    const print =
      "process.stdout.write(Object.keys(process.env).filter(name => /^path$/i.test(name)) + ' ' + process.env.PATH)"
    const { stdout } = await run({ argv: ['C:\\node24\\node.exe', '-e', print], env: { pAtH: 'C:\\only' } })
    expect(stdout).toBe('pAtH C:\\only')
  })

  test('a durable command outlives taskkill /T on its runner, and is found by its key', async () => {
    const key = `outlives-${node}`
    const wait = `require('fs').writeFileSync('${key}', ''); const look = setInterval(() => { if (require('fs').existsSync('${key}.go')) { clearInterval(look); console.log('done') } }, 50)`
    const durable = {
      argv: ['C:\\node24\\node.exe', '-e', wait],
      cwd: 'C:\\w',
      options: { durable: true, key },
    }
    const parent =
      "const c = require('child_process').spawn(process.execPath, [process.env.PROGRAM], { stdio: 'inherit' }); require('fs').writeFileSync(process.env.OWN, String(process.pid))"
    const own = `C:\\w\\${key}.pid`
    const first = windows.start([`C:\\node${node}\\node.exe`, '-e', parent], {
      PROGRAM: exec,
      OWN: own,
      TASK: JSON.stringify(durable),
    })
    await poll(() => exists(`C:\\w\\${key}`))
    const killed = await windows.run(['taskkill', '/T', '/F', '/PID', readFileSync(windows.of(own), 'utf8')])
    expect(killed.code, killed.stdout).toBe(0)
    await first.ended
    const again = task(node, exec, { ...durable, options: { ...durable.options, attachOnly: true } })
    windows.write(`C:\\w\\${key}.go`, '')
    expect(await answerOf(again)).toMatchObject({ kind: 'exited', code: 0, stdout: 'done\n' })
  })

  test('one lock for a folder, whatever its spelling', async () => {
    mkdirSync(windows.of('C:\\w\\Repo'), { recursive: true })
    const names = [
      'C:\\w\\Repo',
      'c:/W/REPO/',
      '\\\\?\\C:\\w\\Repo',
      'C:\\w\\.\\x\\..\\repo',
      'C:\\w\\none\\Sub',
      'c:/w/NONE/sub/',
    ]
    const answer = await answerOf(task(node, lock, { verb: 'read', names, mine: '' }))
    expect(answer.names).toEqual([
      ...Array(4).fill('checkout:c:\\w\\repo'),
      ...Array(2).fill('checkout:c:\\w\\none\\sub'),
    ])
  })

  test('of many who want a lock one gets it', async () => {
    const racers = Array.from({ length: 8 }, (_, at) =>
      answerOf(task(node, lock, { verb: 'acquire', names: ['a', 'b', 'c'], mine: `${node}-${at}-` })),
    )
    const words = (await Promise.all(racers)).flatMap(({ answers }) =>
      answers.map((each: { word: string }) => each.word),
    )
    expect(words.filter(word => word === 'mine')).toHaveLength(1)
    expect(new Set(words)).toEqual(new Set(['mine', 'held']))
    await answerOf(task(node, lock, { verb: 'remove', names: ['x'], mine: '' }))
  })

  test('nobody who has a lock shares it', async () => {
    const racers = await Promise.all(Array.from({ length: 6 }, () => answerOf(task(node, contend, {}))))
    expect(racers.reduce((sum, { got }) => sum + got, 0)).toBeGreaterThan(0)
    expect(racers.map(({ doubles }) => doubles)).toEqual(Array(6).fill(0))
  })

  test('who dies in the mutex of the locks is in nobody’s way', async () => {
    rmSync(windows.of('C:\\w\\inside'), { force: true })
    const holder = windows.start([`C:\\node${node}\\node.exe`, '-e', IN_MUTEX], { cwd: 'C:\\w' })
    await poll(() => exists('C:\\w\\inside'))
    const waits = answerOf(task(node, lock, { verb: 'acquire', names: ['a'], mine: 'me-' }))
    await windows.run(['taskkill', '/F', '/PID', readFileSync(windows.of('C:\\w\\inside'), 'utf8')])
    await holder.ended
    expect((await waits).answers[0].word).toBe('mine')
    await answerOf(task(node, lock, { verb: 'remove', names: ['x'], mine: '' }))
  })
})

const exists = (path: string) => {
  try {
    readFileSync(windows.of(path))
    return true
  } catch {
    return false
  }
}
