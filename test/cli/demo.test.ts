/** The demo, without a Docker engine (test/docker runs it with one): it shows what it promises and leaves nothing. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { poll } from '../rig/hostops.ts'

const DEMO = fileURLToPath(new URL('../../dist/demo.js', import.meta.url))

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'demo-test-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function start() {
  const child = spawn(process.execPath, [DEMO], {
    env: { ...process.env, TMPDIR: folder, DOCKER_HOST: `unix://${folder}/none.sock` },
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
  expect(demo.text()).toMatch(/v2: outcome succeeded, exit code 0\n {2}v3: outcome rolled-back, exit code 1/)
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
