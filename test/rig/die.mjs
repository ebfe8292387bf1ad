// Loaded into a real hostops (node --import): ends it with SIGKILL at a write to its journal, as a crash would.
// HOSTOPS_DIE: `after:N` right after the Nth line is in the file, `torn:N` when half of it is, `full:N` no room from
// the Nth line on (`full:N:M`: for M writes), `stop:N` stops there (SIGSTOP) with its pid in the file HOSTOPS_STOPPED,
// so that others can be killed meanwhile. HOSTOPS_CLOCK: `N:MS` sets the clock by MS milliseconds at the Nth line.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const [how, at, times = 'Infinity'] = (process.env.HOSTOPS_DIE ?? '').split(':')
const [jumpAt, jumpMs] = (process.env.HOSTOPS_CLOCK ?? '').split(':').map(Number)
const journals = new Set()
const { openSync, writeSync } = fs
const now = Date.now
let lines = 0

fs.openSync = (path, ...rest) => {
  const descriptor = openSync(path, ...rest)
  if (String(path).endsWith('/journal.ndjson')) journals.add(descriptor)
  else journals.delete(descriptor)
  return descriptor
}

fs.writeSync = (descriptor, data, ...rest) => {
  if (!journals.has(descriptor)) return writeSync(descriptor, data, ...rest)
  lines += 1
  if (lines === jumpAt) Date.now = () => now() + jumpMs
  if (how === 'full' && lines >= Number(at) && lines < Number(at) + Number(times)) {
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  }
  const half = how === 'torn' && lines === Number(at)
  const written = half
    ? writeSync(descriptor, Buffer.from(data).subarray(0, data.length >> 1))
    : writeSync(descriptor, data, ...rest)
  if (lines === Number(at)) {
    if (how === 'after' || how === 'torn') process.kill(process.pid, 'SIGKILL')
    if (how === 'stop') {
      fs.writeFileSync(`${process.env.HOSTOPS_STOPPED}.new`, `${process.pid}`)
      fs.renameSync(`${process.env.HOSTOPS_STOPPED}.new`, process.env.HOSTOPS_STOPPED)
      process.kill(process.pid, 'SIGSTOP')
    }
  }
  return written
}
syncBuiltinESMExports()
