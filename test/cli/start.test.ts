/** The compiled code beside the program is used where it fits and is no harm where it does not. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HOSTOPS } from '../rig/hostops.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostops-start-'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  for (const name of ['hostops.cjs', 'hostops-main.cjs', 'hostops-main.cjs.cache'])
    cpSync(join(dirname(HOSTOPS), name), join(folder, name))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const help = () => spawnSync(process.execPath, [join(folder, 'hostops.cjs'), '--help'], { encoding: 'utf8' })

test('with it, with another one, and without', () => {
  const usual = help()
  expect(usual).toMatchObject({ status: 0, stderr: '' })
  for (const bytes of [Buffer.alloc(1000, 7), Buffer.alloc(0)]) {
    writeFileSync(join(folder, 'hostops-main.cjs.cache'), bytes)
    expect(help()).toMatchObject({ status: 0, stdout: usual.stdout, stderr: '' })
  }
  rmSync(join(folder, 'hostops-main.cjs.cache'))
  expect(help()).toMatchObject({ status: 0, stdout: usual.stdout, stderr: '' })
})
