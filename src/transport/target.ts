/** A target as people write it: its kind, and the part after the colon. Pure. */
import { forPlatform } from '../process/platform.ts'

export function splitTarget(target: string): { kind: string; rest: string | undefined } {
  const colon = target.indexOf(':')
  return colon < 0
    ? { kind: target, rest: undefined }
    : { kind: target.slice(0, colon), rest: target.slice(colon + 1) }
}

/** An OpenClaw node: no commands of steps reach it, only requests for runs on its host. */
export const isNode = (target: string): boolean => splitTarget(target).kind === 'node'

/** Windows has none, and only this machine can be one of those. */
export const hasShell = (target: string): boolean => forPlatform({ posix: true, windows: target !== 'local' })

/** Whether a daemon runs the commands, so that this process forks none. */
export const isHostlink = (target: string): boolean => splitTarget(target).kind === 'hostlink'
