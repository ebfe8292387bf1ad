/** Compiled code is used for the source that it was made of, and for no other. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { compile, DIGEST_LENGTH } from '../../src/build/compile.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostops-compile-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const source = (name: string, text: string) => {
  const file = join(folder, name)
  const digest = `/*  ${createHash('sha256').update(text).digest('hex')}  */`
  expect(digest.length).toBe(DIGEST_LENGTH)
  writeFileSync(file, digest + text)
  return file
}

test('it is taken for the same source', () => {
  const file = source('a.cjs', '({ it: () => "one" })')
  const again = compile(file, compile(file, undefined).makeCode())
  expect(again.wasCompiled).toBe(true)
  expect((again.value as { it(): string }).it()).toBe('one')
})

test('it is not taken for another source of the same length', () => {
  const code = compile(source('a.cjs', '({ it: () => "one" })'), undefined).makeCode()
  const other = compile(source('b.cjs', '({ it: () => "two" })'), code)
  expect(other.wasCompiled).toBe(false)
  expect((other.value as { it(): string }).it()).toBe('two')
})

test.each([0, 31, 72, 80])('%i bytes of it are no code', bytes => {
  const file = source('a.cjs', '({ it: () => "one" })')
  const code = compile(file, undefined).makeCode().subarray(0, bytes)
  expect((compile(file, code).value as { it(): string }).it()).toBe('one')
})
