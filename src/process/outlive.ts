/** Starts Node processes that neither the end of this one takes along, nor whoever ends this one with all that it has started. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Writable } from 'node:stream'
import { forPlatform } from './platform.ts'

/** `child` ends when that process does, unless `isBehind`: then it only starts it, and ends itself. */
export type Outliving = { child: ChildProcess & { stdin: Writable }; isBehind: boolean }

/** Its stdin is a pipe from here, and it has nothing else of ours open. */
export const startOutliving = (args: readonly string[]): Outliving =>
  forPlatform({ posix: startInSession, windows: startBehind })(args)

const HOW = { cwd: '/', detached: true, env: {}, windowsHide: true } as const

const startInSession = (args: readonly string[]): Outliving => ({
  child: spawn(process.execPath, args, { ...HOW, stdio: ['pipe', 'ignore', 'ignore'] }),
  isBehind: false,
})

/** Windows finds what a process has started by the pid of its parent. This parent has ended when somebody looks. */
const START_AND_END = `require('node:child_process').spawn(process.execPath, process.argv.slice(1), {
  cwd: '/', detached: true, windowsHide: true, stdio: ['inherit', 'ignore', 'ignore'] }).unref()`

const startBehind = (args: readonly string[]): Outliving => ({
  child: startInSession(['-e', START_AND_END, '--', ...args]).child,
  isBehind: true,
})
