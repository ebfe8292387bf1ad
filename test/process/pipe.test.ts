import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runProcess } from '../../src/process/process.ts'
import { until } from '../rig/observe.ts'

test('what a command leaves behind reads nothing of the output of those that come after it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hostlink-pipe-'))
  const run = async (script: string) => {
    const got: Buffer[] = []
    const take = (chunk: Buffer) => void got.push(chunk)
    const env = { PATH: process.env['PATH'] ?? '' }
    await runProcess({ argv: ['sh', '-c', script], env }, { stdout: take, stderr: take })
    return Buffer.concat(got).toString()
  }
  // Holds its own output open for reading, and lets go of it for writing.
  const thief = `node -e '
    const fs = require("node:fs")
    const fd = fs.openSync("/proc/self/fd/1", fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
    fs.closeSync(1); fs.closeSync(2)
    fs.writeFileSync("${folder}/pid", String(process.pid))
    setInterval(() => { try { fs.appendFileSync("${folder}/stolen", fs.readFileSync(fd)) } catch {} }, 1)
  ' & while ! [ -s ${folder}/pid ]; do sleep 0.02; done`
  await run(thief)
  const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
  try {
    for (let n = 0; n < 40; n++) expect(await run(`sleep 0.01; echo ${n}`)).toBe(`${n}\n`)
  } finally {
    process.kill(pid, 'SIGKILL')
    await until('it is gone', () => !isAlive(pid))
    rmSync(folder, { recursive: true, force: true })
  }
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
