// Loaded into a real hostops (node --import): ends it with SIGKILL at a write to its journal, as a crash would.
// HOSTOPS_DIE: `before:STEP` instead of writing that the step begins, `after:N` right after the Nth line is in the file, `torn:N` when half of it is, `full:N` no room from
// the Nth line on (`full:N:M`: for M writes), `readonly:N` the whole state folder is read-only from the Nth line on (a
// remount as the kernel does it after an error; by hand it is refused while a file is open), `unsynced:N` the disk keeps
// nothing from the Nth line on (EIO), `stop:N` stops there (SIGSTOP) with its pid in the file HOSTOPS_STOPPED,
// so that others can be killed meanwhile. HOSTOPS_CLOCK: `N:MS` sets the clock by MS milliseconds at the Nth line.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const [how, at, times = 'Infinity'] = (process.env.HOSTOPS_DIE ?? '').split(':')
const [jumpAt, jumpMs] = (process.env.HOSTOPS_CLOCK ?? '').split(':').map(Number)
const journals = new Set()
const { fdatasyncSync, openSync, writeSync } = fs
const now = Date.now
let lines = 0

const failing = (code, words) => Object.assign(new Error(`${code}: ${words}`), { code })
const state = `${process.env.HOSTOPS_STATE_DIR}/`
/** Tabs and ends of line, which say nothing. */
const isRoom = data => data.every(byte => byte === 9 || byte === 10)
const isReadOnly = () => how === 'readonly' && lines >= Number(at)
const refuse = path => {
  if (isReadOnly() && String(path).startsWith(state)) throw failing('EROFS', 'read-only file system')
}
for (const name of ['writeFileSync', 'mkdirSync', 'renameSync', 'rmSync']) {
  const real = fs[name]
  fs[name] = (path, ...rest) => {
    refuse(path)
    return real(path, ...rest)
  }
}
fs.ftruncateSync = (
  real =>
  (descriptor, ...rest) => {
    if (isReadOnly() && journals.has(descriptor)) throw failing('EROFS', 'read-only file system')
    return real(descriptor, ...rest)
  }
)(fs.ftruncateSync)
fs.fdatasyncSync = descriptor => {
  if (how === 'unsynced' && lines >= Number(at) && journals.has(descriptor)) throw failing('EIO', 'i/o error')
  return fdatasyncSync(descriptor)
}

fs.openSync = (path, ...rest) => {
  if (rest[0] !== undefined && rest[0] !== 'r') refuse(path)
  const descriptor = openSync(path, ...rest)
  if (String(path).endsWith('/journal.ndjson')) journals.add(descriptor)
  else journals.delete(descriptor)
  return descriptor
}

fs.writeSync = (descriptor, data, ...rest) => {
  if (!journals.has(descriptor)) return writeSync(descriptor, data, ...rest)
  if (isRoom(data)) {
    if (isReadOnly()) throw failing('EROFS', 'read-only file system')
    return writeSync(descriptor, data, ...rest)
  }
  const text = Buffer.from(data).toString()
  if (how === 'before' && text.includes('"type":"step-started"') && text.includes(`"id":"${at}"`))
    process.kill(process.pid, 'SIGKILL')
  // How many there are depends on when somebody looked: they are not counted.
  if (text.includes('"type":"probe"')) return writeSync(descriptor, data, ...rest)
  lines += 1
  if (lines === jumpAt) Date.now = () => now() + jumpMs
  if (how === 'full' && lines >= Number(at) && lines < Number(at) + Number(times)) {
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  }
  if (isReadOnly()) throw failing('EROFS', 'read-only file system')
  const [from, length, place] = rest
  const half = how === 'torn' && lines === Number(at)
  const written = writeSync(descriptor, data, from, half ? length >> 1 : length, place)
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
