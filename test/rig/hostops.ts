/** The real hostops (dist/hostops.cjs of this checkout) in a scratch folder with a state folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { RESULT_PREFIX } from '../../src/report/result-line.ts'
import { type Report, reportSchema } from '../../src/report/schema.ts'

export const HOSTOPS = fileURLToPath(new URL('../../dist/hostops.cjs', import.meta.url))

export type Ended = {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  /** Of the last line of stdout, checked against the schema; throws when there is none. */
  readonly report: Report
}

export type Started = {
  child: ChildProcess
  /** What has come so far. */
  stdout(): string
  stderr(): string
  /** Waits until stderr matches. */
  until(pattern: RegExp): Promise<void>
  ended: Promise<Ended>
}

export type HostopsRig = ReturnType<typeof hostopsRig>

const LIMIT_MS = 60_000

export function hostopsRig() {
  if (!existsSync(HOSTOPS)) throw new Error(`${HOSTOPS} is not built: node src/build/bundle.mjs`)
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hostops-cli-')))
  const state = join(folder, 'state')
  const env: NodeJS.ProcessEnv = {
    PATH: process.env['PATH'],
    // Chooses the docker plugins: how the tests are run with another Compose.
    ...(process.env['DOCKER_CONFIG'] === undefined ? {} : { DOCKER_CONFIG: process.env['DOCKER_CONFIG'] }),
    HOME: folder,
    TMPDIR: tmpdir(),
    LANG: 'C.UTF-8',
    HOSTOPS_STATE_DIR: state,
  }
  const running = new Set<ChildProcess>()

  /** `node`: options of node itself, like a module to load first; `wrap`: a program that starts it, with arguments. */
  type More = {
    env?: NodeJS.ProcessEnv
    cwd?: string
    node?: readonly string[]
    wrap?: readonly string[]
  }
  const start = (args: readonly string[], more: More = {}): Started => {
    const words = [...(more.wrap ?? []), process.execPath, ...(more.node ?? []), HOSTOPS, ...args]
    const child = spawn(words[0]!, words.slice(1), {
      cwd: more.cwd ?? folder,
      env: { ...env, ...more.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(child)
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', text => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text
    })
    const ended = new Promise<Ended>(resolve =>
      child.once('close', (code, signal) => {
        running.delete(child)
        resolve({
          code,
          signal,
          stdout,
          stderr,
          get report() {
            return reportOf(stdout)
          },
        })
      }),
    )
    return {
      child,
      stdout: () => stdout,
      stderr: () => stderr,
      ended,
      until: pattern =>
        poll(() => pattern.test(stderr) || child.exitCode !== null || child.signalCode !== null).then(() => {
          if (!pattern.test(stderr)) throw new Error(`${pattern} never came:\n${stderr}\n${stdout}`)
        }),
    }
  }

  const write = (name: string, text: string): string => {
    const file = join(folder, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    return file
  }

  return {
    folder,
    state,
    env,
    start,
    write,
    run: (args: readonly string[], more: Parameters<typeof start>[1] = {}) => start(args, more).ended,
    path: (...parts: string[]) => join(folder, ...parts),
    read: (name: string) => readFileSync(join(folder, name), 'utf8'),
    exists: (name: string) => existsSync(join(folder, name)),
    /** A playbook from its steps, in YAML flow. */
    playbook: (name: string, steps: readonly object[], more: object = {}) =>
      write(`${name}.yaml`, JSON.stringify({ hostops: 1, name, ...more, steps })),
    runIds: () => (existsSync(join(state, 'runs')) ? readdirSync(join(state, 'runs')).sort() : []),
    /** The text of every file below. */
    everythingIn: (name: string) =>
      readdirSync(join(folder, name), { recursive: true, withFileTypes: true })
        .filter(entry => entry.isFile())
        .map(entry => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
        .join('\n'),
    async remove() {
      for (const child of running) child.kill('SIGKILL')
      await poll(() => running.size === 0)
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** stdout holds the result line and nothing else, and that holds nothing which its schema does not name, at any depth. */
export function reportOf(stdout: string): Report {
  if (!stdout.startsWith(RESULT_PREFIX) || stdout.indexOf('\n') !== stdout.length - 1)
    throw new Error(`stdout is not one result line:\n${stdout}`)
  const told = JSON.parse(stdout.slice(RESULT_PREFIX.length))
  const known = reportSchema.parse(told)
  if (!isDeepStrictEqual(known, told)) throw new Error(`the schema does not name all of ${stdout}`)
  return known
}

/** Times, run ids and the scratch folder as fixed words, so that whole outputs can be compared. */
export function settled(text: string, folder: string): string {
  return text
    .replaceAll(folder, '/scratch')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z/g, 'TIME')
    .replace(/\d{8}T\d{6}Z-[0-9a-f]{6}/g, 'RUN')
    .replace(/"(durationMs)":\d+/g, '"$1":0')
    .replace(/(\W)\d+(\.\d+)?(ms|s)\b/g, '$1NN')
}

export async function poll(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + LIMIT_MS; !(await condition()); ) {
    if (Date.now() > end) throw new Error('what was waited for never came')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
