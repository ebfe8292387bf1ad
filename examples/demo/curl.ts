/** What answers as `curl` to the demo's daemon on a machine that has Node and git and nothing else. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execaSync } from 'execa'

/** The folder of a stand-in that the daemon finds first; null where there is a curl. */
export function standInForCurl(folder: string): string | null {
  if (!execaSync('curl', ['--version'], { reject: false }).failed) return null
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  writeFileSync(join(folder, 'curl.mjs'), PROGRAM)
  const start = `#!/bin/sh\nexec '${process.execPath}' '${join(folder, 'curl.mjs')}' "$@"\n`
  writeFileSync(join(bin, 'curl'), start, { mode: 0o755 })
  return bin
}

/** As much of curl as a health poll needs (steps/health/curl.ts). */
const PROGRAM = `const args = process.argv.slice(2)
const after = name => args[args.indexOf(name) + 1]
const tell = status => process.stderr.write(after('-w').replace('%{stderr}', '').replace('%{http_code}', status))
try {
  const options = { redirect: 'manual', signal: AbortSignal.timeout(after('--max-time') * 1000) }
  const response = await fetch(after('--url'), options)
  process.stdout.write(await response.text())
  tell(response.status)
} catch (error) {
  console.error('curl: (7) ' + (error.cause?.message ?? error.message))
  tell('000')
  process.exitCode = 7
}
`
