/** What the crash tests upgrade: versions in git, and a program that replaces the running one and says that it did. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HostopsRig } from './hostops.ts'
import { VERSIONS } from './service.ts'

/** v2 is good, v3 never gets ready, v4 crashes. */
export type Version = 'v2' | 'v3' | 'v4'

/** Repositories take longest: made once, copied for each world. */
export function crashBase() {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hostops-crash-')))
  const app = join(folder, 'app')
  const git = gitIn(app, folder)
  execFileSync('git', ['init', '-q', '-b', 'main', app])
  for (const [tag, behaviour] of Object.entries(VERSIONS)) {
    writeFileSync(join(app, 'service.mjs'), serviceText(tag, behaviour))
    git('add', '.')
    git('commit', '-q', '-m', tag)
    git('tag', tag)
  }
  git('checkout', '-q', '--detach', 'v1')
  return { app, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

export const gitIn =
  (repo: string, home: string) =>
  (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.invalid', ...args], {
      cwd: repo,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: home, GIT_CONFIG_NOSYSTEM: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim()

const serviceText = (tag: string, behaviour: string) => `import { createServer } from 'node:http'
${behaviour === 'crashes' ? 'process.exit(1)' : ''}
createServer((request, response) => {
  if (request.url === '/readyz' && ${behaviour === 'never-ready'}) response.statusCode = 503
  response.end('${tag}\\n')
}).listen(Number(process.env.PORT), '127.0.0.1')
`

/** A line in the ledger: which write it was, by which process, when. */
const NOTE = (word: string) => `echo "${word} $$ $(date +%s.%N)" >> ledger`

export const noteInLedger = (folder: string, word: string): string[] => [
  'sh',
  '-c',
  `cd '${folder}' && ${NOTE(word)}`,
]

/**
 * Ends the old process, waits until it is gone, deploys and starts the one of the checkout; notes its beginning and its
 * end. At `boot` what was deployed last is started again.
 */
export function writeRestart(rig: HostopsRig, port: number): string {
  const file = rig.write(
    'restart',
    `#!/bin/sh
cd '${rig.folder}'
${NOTE('$1')}
if [ -f service.pid ]; then
  kill -9 "$(cat service.pid)" 2>/dev/null
  while kill -0 "$(cat service.pid)" 2>/dev/null && ! grep -q ' Z ' "/proc/$(cat service.pid)/stat"; do sleep 0.02; done
fi
[ "$1" = boot ] || cp app/service.mjs deployed.mjs
PORT=${port} setsid '${process.execPath}' deployed.mjs </dev/null >/dev/null 2>&1 &
echo $! > service.pid
[ "$1" = restart ] && ${NOTE('restarted')}
exit 0
`,
  )
  chmodSync(file, 0o755)
  return file
}
