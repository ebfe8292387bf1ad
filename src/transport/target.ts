/** A target as people write it: its kind, and what stands behind the colon. Pure. */

export function partsOf(target: string): { kind: string; rest: string | undefined } {
  const colon = target.indexOf(':')
  return colon < 0
    ? { kind: target, rest: undefined }
    : { kind: target.slice(0, colon), rest: target.slice(colon + 1) }
}

/** Whether a daemon runs the commands, and none is forked from this process. */
export const isHostlink = (target: string): boolean => partsOf(target).kind === 'hostlink'
