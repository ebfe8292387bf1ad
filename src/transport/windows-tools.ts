/**
 * The acts of hostops on Windows. A lock is a file whose content names its holder, in a folder of the whole machine. The mutex
 * beside it, which makes read-and-replace one act, is a file that the kernel lets one process open; it ends with that process.
 */
import {
  closeSync,
  constants,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join, win32 } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EXCLUSIVE } from '../process/alive-file.ts'
import { makeFolder } from '../process/make-folder.ts'
import { quietly } from '../process/quietly.ts'
import { renameOver } from '../process/replace.ts'
import { systemReason } from '../process/system-error.ts'
import type { HostTools, LockReply, LockRequest } from './host-tools.ts'

const MUTEX_MS = 10_000
const MUTEX_PAUSE_MS = 20

export const windowsTools = (env: Readonly<Record<string, string | undefined>>): HostTools => {
  const folder = join(env['ProgramData'] ?? 'C:\\ProgramData', 'hostops', 'locks')
  return {
    lockName: name => {
      const [, kind = '', path = ''] = /^([a-z]+):(.*)$/s.exec(name) ?? []
      return win32.isAbsolute(path) ? `${kind}:${realName(path)}` : name
    },
    async lock(request) {
      const path = join(folder, request.file)
      try {
        makeFolder(folder)
        const mutex = await enter(join(folder, '.mutex'))
        try {
          return act(path, request)
        } finally {
          closeSync(mutex)
        }
      } catch (error) {
        return { word: 'unwritable', age: 0, path, content: `${path}: ${systemReason(error)}` }
      }
    },
  }
}

/** Fails as the opening does, where another one has it all the time. */
async function enter(mutex: string): Promise<number> {
  for (const deadline = performance.now() + MUTEX_MS; ; ) {
    try {
      return openSync(mutex, constants.O_RDWR | constants.O_CREAT | EXCLUSIVE)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || performance.now() >= deadline) throw error
    }
    await sleep(MUTEX_PAUSE_MS)
  }
}

function act(path: string, { verb, mine, expected }: LockRequest): LockReply {
  const held = quietly(() => readFileSync(path, 'utf8')) ?? ''
  const reply = (word: string): LockReply => ({ word, age: 0, path, content: '' })
  const shown = (word: string): LockReply => ({ word, age: ageOf(path), path, content: held })
  const put = () => {
    writeFileSync(`${path}.part`, mine)
    renameOver(`${path}.part`, path)
    return reply('mine')
  }
  switch (verb) {
    case 'acquire':
      return ['', mine].includes(held) ? put() : shown('held')
    case 'replace':
      return ['', mine, expected].includes(held) ? put() : shown('held')
    case 'touch':
      if (held !== mine) return shown('lost')
      utimesSync(path, new Date(), new Date())
      return reply('mine')
    case 'release':
      if (held === mine) rmSync(path, { force: true })
      return reply('released')
    case 'write':
      return put()
    case 'read':
      return held === '' ? reply('none') : shown('held')
    case 'remove':
      rmSync(path, { force: true })
      return reply('removed')
  }
}

const ageOf = (path: string): number =>
  Math.round((Date.now() - (quietly(() => statSync(path).mtimeMs) ?? Date.now())) / 1000)

/** As the file system writes it, without case; what is not there yet keeps its own name below the folder that is. */
function realName(path: string): string {
  const real = quietly(() => realpathSync.native(path))
  const above = win32.dirname(path)
  if (real === undefined && above !== path)
    return win32.join(realName(above), win32.basename(path).toLowerCase())
  return (real ?? path).toLowerCase()
}
