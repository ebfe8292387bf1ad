/**
 * What the tests of one run have left on the machine: in their folder, or bound to it by an environment, a lock or a name.
 * Others may run tests here too, so that nothing counts that cannot be told to be of this run.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { LOCK_FOLDERS } from './lock-file.ts'

/** `made`: the names of all that was ever in the folder; stacks and what belongs to them are called by them. */
export function leftovers(folder: string, made: ReadonlySet<string>): string[] {
  return [
    ...entries(folder)
      .filter(name => isNoSetting(name) && !OF_THE_KILLED.test(name))
      .map(name => join(folder, name)),
    ...locks(folder),
    ...mounts(folder),
    ...processes(folder),
    ...(made.size > 0 ? ofDocker(made) : []),
  ]
}

/** The folder of a pipe, and files of a build: a program that a test kills cannot remove them. */
const OF_THE_KILLED = /^(hostlink-\w{6}|dockerfile\d+|empty-dir\d+)$/

/** What the run itself keeps there, for as long as it lasts. */
const isNoSetting = (name: string) => !name.startsWith('.')

const locks = (folder: string) =>
  LOCK_FOLDERS.flatMap(at => entries(at).map(name => join(at, name))).filter(file =>
    linkOf(file).includes(folder),
  )

const mounts = (folder: string) =>
  textOf('/proc/mounts')
    .split('\n')
    .filter(line => line.includes(` ${folder}/`))
    .map(line => `mount ${line.split(' ')[1]}`)

/** All but vitest and its own workers. */
const processes = (folder: string) =>
  entries('/proc')
    .filter(pid => /^\d+$/.test(pid) && textOf(`/proc/${pid}/environ`).includes(`TMPDIR=${folder}\0`))
    .filter(pid => Number(pid) !== process.pid && parentOf(pid) !== process.pid)
    .map(
      pid =>
        `process ${pid} in ${linkOf(`/proc/${pid}/cwd`)}: ${textOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`,
    )

const parentOf = (pid: string) => Number(/^PPid:\s*(\d+)/m.exec(textOf(`/proc/${pid}/status`))?.[1])

function ofDocker(made: ReadonlySet<string>): string[] {
  const names = [...made].map(name => name.toLowerCase())
  return [
    ['container', 'ls', '-a', '--format', '{{.Names}} of {{.Image}}'],
    ['image', 'ls', '--format', '{{.Repository}}:{{.Tag}}'],
    ['network', 'ls', '--format', '{{.Name}}'],
    ['volume', 'ls', '--format', '{{.Name}}'],
  ].flatMap(args =>
    (spawnSync('docker', args, { encoding: 'utf8' }).stdout ?? '')
      .split('\n')
      .filter(line => names.some(name => line.includes(name)))
      .map(line => `${args[0]} ${line}`),
  )
}

const entries = (folder: string) => orElse(() => readdirSync(folder), [])
const textOf = (file: string) => orElse(() => readFileSync(file, 'utf8'), '')
const linkOf = (file: string) => orElse(() => readlinkSync(file), '')

function orElse<T>(read: () => T, otherwise: T): T {
  try {
    return read()
  } catch {
    return otherwise
  }
}
