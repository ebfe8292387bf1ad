/** Which OpenClaw is installed here. */
import { realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { recordOf } from '../../document/is-record.ts'
import { parseJson } from '../../document/json.ts'
import { readFileBounded } from '../../document/read-file.ts'
import { quietly } from '../../process/quietly.ts'

/** The first whose node host starts MCP servers, and does not end a command after 30 s, as far as that was seen. */
export const FIRST_WITH_MCP: readonly number[] = [2026, 9]

/** Null if it cannot be told. */
export function openclawVersion(program: string): string | null {
  for (let at = quietly(() => realpathSync(program)) ?? '/'; at !== dirname(at); at = dirname(at)) {
    const read = readFileBounded(join(at, 'package.json'))
    const { name, version } = recordOf(read.ok ? parseJson(read.bytes.toString()) : null)
    if (name === 'openclaw') return String(version)
  }
  return null
}

export function isAtLeast(version: string, least: readonly number[]): boolean {
  const parts = version.split(/[.-]/).map(Number)
  const at = least.findIndex((number, index) => (parts[index] ?? 0) !== number)
  return at < 0 || (parts[at] ?? 0) > least[at]!
}
