/** Files behind @ and --inputs that are not just files. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readInputFile } from '../../src/playbook/input-file.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostops-input-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string) => join(folder, name)

test('a file, up to its limit; what is none is told in words', async () => {
  writeFileSync(at('full'), 'x'.repeat(1024))
  expect(await readInputFile(at('full'), 1024)).toEqual({ ok: true, text: 'x'.repeat(1024) })
  writeFileSync(at('more'), 'x'.repeat(1025))
  writeFileSync(at('bytes'), Buffer.from([0xff, 0xfe]))
  for (const [path, problem] of [
    [at('more'), 'holds more than 1 KiB'],
    ['/dev/zero', 'holds more than 1 KiB'],
    [at('bytes'), 'is not UTF-8 text'],
    [at('gone'), 'there is no such file'],
    [folder, 'is a folder'],
  ] as const)
    expect(await readInputFile(path, 1024), path).toEqual({ ok: false, problem })
})

test('a pipe with a name is waited for, and read to its end', async () => {
  execFileSync('mkfifo', [at('pipe')])
  const reading = readInputFile(at('pipe'), 1024)
  const writer = spawn('sh', [
    '-c',
    'sleep 0.1; exec > "$0"; sleep 0.1; printf a; sleep 0.1; printf b',
    at('pipe'),
  ])
  expect(await reading).toEqual({ ok: true, text: 'ab' })
  writer.kill()
})
