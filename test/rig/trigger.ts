/** The real hostops-trigger (dist/hostops-trigger.cjs of this checkout), with the environment that it is given. */
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { reportOf } from './hostops.ts'

export const TRIGGER = fileURLToPath(new URL('../../dist/hostops-trigger.cjs', import.meta.url))

type More = { env?: NodeJS.ProcessEnv; cwd?: string; program?: readonly string[] }

export async function runTrigger(
  args: readonly string[],
  { env = {}, cwd = tmpdir(), program = [process.execPath, TRIGGER] }: More = {},
) {
  const [file = '', ...words] = [...program, ...args]
  const child = spawn(file, words, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr, code] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    new Promise<number | null>(resolve => child.once('close', resolve)),
  ])
  return {
    ...{ code, stdout, stderr },
    get report() {
      return reportOf(stdout)
    },
    get json() {
      return JSON.parse(stdout)
    },
  }
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const chunk of stream.setEncoding('utf8')) text += chunk
  return text
}
