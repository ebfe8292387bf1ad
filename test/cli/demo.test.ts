/** The demo, without a Docker engine (test/docker runs it with one): it shows what it promises and leaves nothing. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { poll } from '../rig/hostops.ts'

const DEMO = fileURLToPath(new URL('../../dist/demo.js', import.meta.url))

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'demo-test-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function start(more: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [DEMO], {
    env: { ...process.env, TMPDIR: folder, DOCKER_HOST: `unix://${folder}/none.sock`, ...more },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', chunk => {
      text += chunk
    })
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  return { child, ended, text: () => text }
}

test('shows an upgrade and one that goes back', async () => {
  const demo = start()
  expect(await demo.ended, demo.text()).toBe(0)
  expect(demo.text()).toContain('no Docker engine answers')
  expect(demo.text()).toMatch(
    /v2: outcome succeeded, exit code 0\n {2}v3: outcome rolled-back, exit code 1\n/,
  )
  expect(demo.text().match(/the service says: this is v2/g)).toHaveLength(2)
  expect(readdirSync(folder)).toEqual([])
})

test('leaves nothing when it is stopped in the middle of an upgrade', async () => {
  const demo = start()
  await poll(() => demo.text().includes('git.fetch: started'))
  demo.child.kill('SIGTERM')
  expect(await demo.ended).not.toBe(0)
  expect(demo.text()).toContain('nothing is left behind')
  expect(readdirSync(folder)).toEqual([])
})

test.each([
  ['git', 1, 'error: the demo needs git, which is not here\nhint: install git\n'],
  ['curl', 0, 'There is no curl here: a small program of the demo answers the polls instead.'],
])('on a machine without %s', async (program, code, words) => {
  const bin = join(folder, 'without')
  pathWithout(program, bin)
  const demo = start({ PATH: bin })
  expect(await demo.ended, demo.text()).toBe(code)
  expect(demo.text()).toContain(words)
  expect(readdirSync(folder)).toEqual(['without'])
})

/** Links to all programs of the path but one. */
function pathWithout(program: string, folder: string): void {
  mkdirSync(folder)
  for (const from of (process.env['PATH'] ?? '').split(delimiter).filter(existsSync))
    for (const name of readdirSync(from))
      if (name !== program && !existsSync(join(folder, name)))
        symlinkSync(join(from, name), join(folder, name))
}

test('leaves nothing when nobody reads it any more', async () => {
  const demo = start()
  await poll(() => demo.text().includes('v1, v2 and v3'))
  demo.child.stdout.destroy()
  demo.child.stderr.destroy()
  expect(await demo.ended).not.toBe(0)
  expect(readdirSync(folder)).toEqual([])
})
