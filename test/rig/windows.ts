/** Windows programs under Wine, in a prefix of a test's own. What is real there and what is not: test/windows/README.md. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundleProgram } from './bundle-program.ts'
import { notTested } from './not-tested.ts'

const ROOT = process.env['HOSTOPS_WINDOWS'] ?? '/opt/hostops-windows'
const PACKAGE = fileURLToPath(new URL('../../', import.meta.url))
const HOSTOPS = 'C:\\hostops\\dist\\hostops.cjs'

/** What `setup.sh` was told to take, and its end. */
const has = (path: string) => existsSync(join(ROOT, path))
const lacks = (path: string, how: string) => (has(path) ? null : `hostops on Windows: run ${how} as root`)

const noRig = lacks('c/node24/node.exe', 'test/windows/setup.sh')
export const noWindows = noRig === null ? null : notTested(noRig)
export const noWindowsGit = noWindows ?? lacks('c/Program Files/Git', 'GIT=build test/windows/setup.sh')
// The fast variant has no git: its tests are left out on purpose.
if (noWindows === null && noWindowsGit !== null) console.warn(`LEFT OUT: git steps of ${noWindowsGit}`)

export const NODES = ['20', '24'] as const
export type WindowsNode = (typeof NODES)[number]

const DRAIN_MS = 1000

export type Done = { code: number | null; stdout: string; stderr: string }
export type Windows = ReturnType<typeof openWindows>

/** With hostops in C:\hostops, as it was built last. */
export function openWindows() {
  const folder = mkdtempSync(join(tmpdir(), 'win-'))
  const prefix = join(folder, 'prefix')
  execFileSync('cp', ['-a', '--reflink=auto', join(ROOT, 'prefix'), prefix])
  const c = join(prefix, 'drive_c')
  for (const part of ['dist', 'playbooks', 'schemas', 'package.json'])
    cpSync(join(PACKAGE, part), join(c, 'hostops', part), { recursive: true })
  mkdirSync(join(c, 'w'), { recursive: true })
  const env = { ...process.env, WIN_PREFIX: prefix, WIN_LINGER: '60' }
  const of = (path: string) => join(c, path.replace(/^C:\\/i, '').replaceAll('\\', '/'))

  /** `cwd`: a folder of Windows. */
  function start(words: readonly string[], { cwd = 'C:\\w', ...more }: Record<string, string> = {}) {
    const child = spawn(join(ROOT, 'bin/win'), words, {
      cwd: of(cwd),
      env: { ...env, ...more },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return { child, ended: endOf(child) }
  }
  /** Puts a program of ours there, as it was built from `contents`, which imports from `./src`. */
  async function program(name: string, contents: string): Promise<string> {
    // Beside the supervisor of jobs, as in the real thing.
    const path = `C:\\hostops\\dist\\${name}.mjs`
    writeFileSync(of(path), await bundleProgram(contents))
    return path
  }
  return {
    program,
    /** Where a file of Windows is on this machine. */
    of,
    start,
    run: (words: readonly string[], options?: Record<string, string>) => start(words, options).ended,
    hostops: (node: WindowsNode, ...words: string[]) =>
      start([`C:\\node${node}\\node.exe`, HOSTOPS, ...words]),
    write(path: string, text: string) {
      mkdirSync(dirname(of(path)), { recursive: true })
      writeFileSync(of(path), text)
      return path
    },
    close() {
      // It fails where nothing runs any more.
      spawnSync(join(ROOT, 'bin/win-stop'), { env, stdio: 'ignore' })
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

function endOf(child: ChildProcess): Promise<Done> {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', chunk => (stdout += chunk))
  child.stderr?.on('data', chunk => (stderr += chunk))
  return new Promise(resolve => {
    const end = () => resolve({ code: child.exitCode, stdout, stderr })
    child.once('close', end)
    // What it leaves behind keeps the streams open. All that it has printed itself is in them by now.
    child.once('exit', () => setTimeout(end, DRAIN_MS))
  })
}
