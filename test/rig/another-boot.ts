/** Processes that see this machine as started once more: a mount namespace in which the kernel's boot id is another one. */
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import type { HostopsRig } from './hostops.ts'
import { notTested } from './not-tested.ts'

const BOOT_ID = '/proc/sys/kernel/random/boot_id'

/** A program with arguments that starts another one so. Null, and said so, where that is not allowed. */
export function anotherBoot(rig: HostopsRig): string[] | null {
  const file = rig.write('boot_id', `${randomUUID()}\n`)
  const wrap = ['unshare', '-m', 'sh', '-c', `mount --bind '${file}' ${BOOT_ID} && exec "$@"`, 'sh']
  const tried = spawnSync(wrap[0]!, [...wrap.slice(1), 'true'], { encoding: 'utf8' })
  if (tried.status === 0) return wrap
  notTested(`no other boot id can be shown here: ${(tried.stderr || String(tried.error)).trim()}`)
  return null
}
