/** Compiled code is used where it fits, is no harm where it does not, and is taken from nobody else. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HOSTOPS } from '../rig/hostops.ts'

const PARTS = ['main', 'cel', 'run', 'mcp', 'more'].map(part => `hostops-${part}.cjs`)
const shipped = (part: string) => `${part}.${process.versions.v8}-${process.arch}.cache`

let folder: string
let kept: string
let playbook: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostops-start-'))
  kept = join(folder, 'cache', 'hostops')
  mkdirSync(join(folder, 'cache'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  for (const name of ['hostops.cjs', ...PARTS, ...PARTS.map(shipped)])
    cpSync(join(dirname(HOSTOPS), name), join(folder, name))
  playbook = join(folder, 'one.yaml')
  writeFileSync(playbook, 'hostops: 1\nname: one\nsteps:\n  - run: [echo, done]\n    effect: read\n')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function call(args: string[], env: Record<string, string> = {}) {
  const ended = spawnSync(process.execPath, [join(folder, 'hostops.cjs'), ...args], {
    encoding: 'utf8',
    timeout: 30_000,
    env: {
      PATH: process.env['PATH'],
      HOME: folder,
      XDG_CACHE_HOME: join(folder, 'cache'),
      HOSTOPS_STATE_DIR: join(folder, 'state'),
      ...env,
    },
  })
  expect(ended).toMatchObject({ status: 0 })
  return ended
}
const run = (env?: Record<string, string>) => call(['run', playbook, '--quiet'], env)
const keptFiles = () => {
  try {
    return readdirSync(kept)
  } catch {
    return []
  }
}
const withoutShipped = () => {
  for (const part of PARTS) rmSync(join(folder, shipped(part)))
}
/** Of the part that every call reads. */
const keptMain = () => join(kept, keptFiles().find(name => name.endsWith('-main'))!)

test('the part of hostops mcp is read by no other command', () => {
  rmSync(join(folder, 'hostops-mcp.cjs'))
  const env = { HOSTOPS_PLAYBOOKS: folder }
  for (const args of [['--help'], ['mcp', '--help'], ['list'], ['show', 'one'], ['runs'], ['run', playbook]])
    expect(call(args, env).stderr).not.toContain('hostops-mcp')
  call(['report', 'last'], env)
  const ended = spawnSync(process.execPath, [join(folder, 'hostops.cjs'), 'mcp'], {
    encoding: 'utf8',
    input: '',
  })
  expect([ended.status, ended.stderr]).toEqual([70, expect.stringContaining('hostops-mcp.cjs')])
})

test('the code beside the program: with it, with another one, and without', () => {
  const usual = call(['--help'])
  for (const bytes of [Buffer.alloc(1000, 7), Buffer.alloc(0)]) {
    for (const part of PARTS) writeFileSync(join(folder, shipped(part)), bytes)
    expect(call(['--help'])).toMatchObject({ stdout: usual.stdout, stderr: '' })
  }
  withoutShipped()
  expect(call(['--help'])).toMatchObject({ stdout: usual.stdout, stderr: '' })
  expect(keptFiles()).toEqual([])
})

describe('in the folder of the user', () => {
  test('is made in a cache folder that is there, and no cache folder is made', () => {
    withoutShipped()
    rmSync(join(folder, 'cache'), { recursive: true })
    run()
    expect(existsSync(join(folder, 'cache'))).toBe(false)
  })

  test.runIf(process.getuid?.() === 0)('of somebody else (as root only): nothing is left there', () => {
    withoutShipped()
    chownSync(join(folder, 'cache'), 54321, 54321)
    run()
    expect(readdirSync(join(folder, 'cache'))).toEqual([])
  })

  test('nothing, where the code beside the program fits', () => {
    run()
    expect(keptFiles()).toEqual([])
  })

  test('what running and what validating has read, made by the first good call and used by the next ones', () => {
    withoutShipped()
    call(['run', playbook, '--dry-run', '--quiet'])
    call(['list'])
    expect(keptFiles()).toEqual([])
    run()
    call(['validate', playbook])
    const files = keptFiles()
    const calls = files.map(name => name.split('-').slice(-2).join(' ')).sort()
    expect(calls).toEqual(['run main', 'run run', 'validate main'])
    expect(statSync(kept).mode & 0o777).toBe(0o700)
    const seen = () => files.map(name => statSync(join(kept, name)).ino)
    const before = seen()
    const yesterday = Date.now() / 1000 - 86_401
    for (const name of files) utimesSync(join(kept, name), yesterday, yesterday)
    expect(run()).toMatchObject({ stderr: '' })
    call(['validate', playbook])
    // What V8 had not taken would have been replaced.
    expect(seen()).toEqual(before)
  })

  test('what V8 does not take is replaced, once a day', () => {
    withoutShipped()
    run()
    const file = keptMain()
    const { length } = readFileSync(file)
    writeFileSync(file, Buffer.alloc(100, 7))
    run()
    expect(readFileSync(file).length).toBe(100)
    const yesterday = Date.now() / 1000 - 86_401
    utimesSync(file, yesterday, yesterday)
    run()
    expect(readFileSync(file).length).toBeGreaterThan(length / 2)
  })

  /** V8 compares lengths only: this program of the same length leaves code behind that shows where it is used. */
  function plant() {
    withoutShipped()
    const program = join(folder, 'hostops-main.cjs')
    const honest = readFileSync(program, 'latin1')
    writeFileSync(program, honest.replace('"valid":found', '"VALID":found'), 'latin1')
    expect(validated()).toBe('VALID')
    writeFileSync(program, honest, 'latin1')
    return keptMain()
  }
  const validated = () => call(['validate', playbook]).stderr.trim().split(' ').at(-1)

  test('the code there is what runs, so', () => {
    plant()
    expect(validated()).toBe('VALID')
  })

  test.each<[string, (file: string) => void]>([
    ['in a folder that others may write to', () => chmodSync(kept, 0o777)],
    ['in a folder that the group may write to', () => chmodSync(kept, 0o770)],
    ['in a file that others may write to', file => chmodSync(file, 0o666)],
    [
      'behind a link',
      file => {
        renameSync(file, join(folder, 'elsewhere'))
        symlinkSync(join(folder, 'elsewhere'), file)
      },
    ],
    [
      'in a folder behind a link',
      () => {
        renameSync(kept, join(folder, 'elsewhere'))
        symlinkSync(join(folder, 'elsewhere'), kept)
      },
    ],
  ])('it is not taken %s', (_, spoil) => {
    spoil(plant())
    expect(validated()).toBe('valid')
  })

  test.runIf(process.getuid?.() === 0).each<[string, (file: string) => string]>([
    ['file', file => file],
    ['folder', () => kept],
  ])('it is not taken from a %s of another user', (_, spoilt) => {
    chownSync(spoilt(plant()), 65_534, 65_534)
    expect(validated()).toBe('valid')
  })

  test('nothing, where it cannot be written, or is not wanted', () => {
    withoutShipped()
    mkdirSync(join(folder, 'file'))
    writeFileSync(join(folder, 'file', 'hostops'), '')
    expect(run({ XDG_CACHE_HOME: join(folder, 'file') })).toMatchObject({ stderr: '' })
    expect(run({ XDG_CACHE_HOME: '/proc/1' })).toMatchObject({ stderr: '' })
    run({ NODE_DISABLE_COMPILE_CACHE: '1' })
    run({ NODE_OPTIONS: '--no-warnings' })
    expect(keptFiles()).toEqual([])
  })
})
