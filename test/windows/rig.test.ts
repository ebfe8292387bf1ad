/** The rig itself, and what hostops relies on of Windows. */
import { copyFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NODES, noWindows, openWindows, type Windows } from '../rig/windows.ts'

let windows: Windows
beforeAll(() => {
  if (noWindows === null) windows = openWindows()
})
afterAll(() => windows?.close())

test.skipIf(noWindows)('exit codes, streams and folders come through', async () => {
  const script =
    'process.stdout.write(process.cwd()); process.stderr.write(process.platform); process.exit(7)'
  const done = await windows.run(['C:\\node24\\node.exe', '-e', script], { cwd: 'C:\\hostops' })
  expect(done).toEqual({ code: 7, stdout: 'C:\\hostops', stderr: 'win32' })
})

test.skipIf(noWindows).each(NODES)('Node %s finds what hostops relies on', async node => {
  copyFileSync(new URL('../windows/probe.cjs', import.meta.url), windows.of('C:\\w\\probe.cjs'))
  const { code, stdout } = await windows.run([`C:\\node${node}\\node.exe`, 'probe.cjs'])
  expect(stdout).toContain(`Node v${node}.`)
  expect(stdout).not.toContain('OTHERWISE')
  expect(code).toBe(0)
})
