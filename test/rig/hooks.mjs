// Loaded into a real hostops (node --import), by HOSTOPS_HOOK:
// `kill:NAME` ends it with SIGKILL right after a file was renamed to NAME; `meet:FOLDER:COUNT` holds it where it reads a
// kept plan until COUNT processes are there (at most 3 s); `syncs:FILE` notes each file that is synced, and each program that is started.
// `clock:MS:WORDS` sets its clock by so many milliseconds at the first write that holds these words; `clock:MS` at once.
import childProcess from 'node:child_process'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename } from 'node:path'

const [how, what = '', count = '0'] = (process.env.HOSTOPS_HOOK ?? '').split(':')
const { renameSync, readFileSync, openSync, fsyncSync, fdatasyncSync } = fs

if (how === 'kill') {
  fs.renameSync = (from, to) => {
    renameSync(from, to)
    if (basename(to) === what) process.kill(process.pid, 'SIGKILL')
  }
}

if (how === 'meet') {
  let met = false
  fs.readFileSync = (file, ...rest) => {
    if (!met && String(file).endsWith('/plan.json')) {
      met = true
      fs.writeFileSync(`${what}/${process.pid}`, '')
      const pause = new Int32Array(new SharedArrayBuffer(4))
      for (let looks = 0; looks < 150 && fs.readdirSync(what).length < Number(count); looks += 1)
        Atomics.wait(pause, 0, 0, 20)
    }
    return readFileSync(file, ...rest)
  }
}

if (how === 'clock') {
  const { writeSync } = fs
  const now = Date.now
  const set = () => {
    Date.now = () => now() + Number(what)
  }
  if (count === '0') set()
  fs.writeSync = (descriptor, data, ...rest) => {
    if (String(data).includes(count)) set()
    return writeSync(descriptor, data, ...rest)
  }
}

if (how === 'syncs') {
  const names = new Map()
  const note = line => fs.appendFileSync(what, `${line}\n`)
  const { spawn } = childProcess
  fs.openSync = (path, ...rest) => {
    const descriptor = openSync(path, ...rest)
    names.set(descriptor, basename(String(path)))
    return descriptor
  }
  fs.fsyncSync = descriptor => {
    fsyncSync(descriptor)
    note(names.get(descriptor))
  }
  fs.fdatasyncSync = descriptor => {
    fdatasyncSync(descriptor)
    note(names.get(descriptor))
  }
  const { fsync } = fs
  fs.fsync = (descriptor, done) =>
    // Late, so that who does not wait for it is seen to go on.
    fsync(descriptor, error =>
      setTimeout(() => {
        note(names.get(descriptor))
        done(error)
      }, 100),
    )
  childProcess.spawn = (...args) => {
    note(`spawn ${args[0]}`)
    return spawn(...args)
  }
}
syncBuiltinESMExports()
