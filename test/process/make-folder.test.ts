import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeFolder } from '../../src/process/make-folder.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hostops-folder-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

test('makes all that is missing, tells the topmost, and does nothing the second time', () => {
  const path = join(dir, 'a/b/c')
  expect(makeFolder(path, 0o700)).toBe(join(dir, 'a'))
  for (const each of ['a', 'a/b', 'a/b/c']) expect(statSync(join(dir, each)).mode & 0o777).toBe(0o700)
  expect(makeFolder(path, 0o755)).toBeUndefined()
  expect(statSync(path).mode & 0o777).toBe(0o700)
  expect(makeFolder(join(path, 'd'))).toBe(join(path, 'd'))
  expect(makeFolder('/')).toBeUndefined()
})

test('follows a link to a folder; a file, a link to nowhere and a closed folder are told', () => {
  symlinkSync(dir, join(dir, 'link'))
  expect(makeFolder(join(dir, 'link'))).toBeUndefined()
  expect(makeFolder(join(dir, 'link/x'))).toBe(join(dir, 'link/x'))
  writeFileSync(join(dir, 'file'), '')
  expect(() => makeFolder(join(dir, 'file'))).toThrow('EEXIST')
  expect(() => makeFolder(join(dir, 'file/in'))).toThrow('ENOTDIR')
  symlinkSync(join(dir, 'nowhere'), join(dir, 'loose'))
  expect(() => makeFolder(join(dir, 'loose'))).toThrow('EEXIST')
  expect(existsSync(join(dir, 'nowhere'))).toBe(false)
  chmodSync(dir, 0o755)
})

test.skipIf(!existsSync('/proc/1'))('a place where none can be made ends at once', () => {
  expect(() => makeFolder('/proc/1/hostops/runs')).toThrow('ENOENT')
})

test('nothing in src trusts Node to end', () => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts'))
  expect(files.length).toBeGreaterThan(100)
  const trusting = files.filter(name =>
    /mkdir(Sync)?\([^\n]*recursive/.test(readFileSync(join('src', name), 'utf8')),
  )
  expect(trusting).toEqual([])
})
