/** What the ssh client said when there was no connection: the only place that reads its words. Pure. */

export type SshProblem =
  | { problem: 'auth-failed' }
  | { problem: 'unreachable'; reason: string; hint?: string }
  /** The connection is there and takes no more sessions for now; nothing ran. */
  | { problem: 'busy' }

export function sshProblem(log: string): SshProblem {
  const lines = log
    .split(/\r?\n/)
    .map(line => line.trim())
    .filter(line => line !== '' && !/^(Warning: Permanently added|\*\* )/.test(line))
  const says = (pattern: RegExp) => lines.some(line => pattern.test(line))
  if (says(/Session open refused by peer|open failed: (administratively|connect failed|resource)/i))
    return { problem: 'busy' }
  if (says(/Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|No .* host key is known/i))
    return {
      problem: 'unreachable',
      reason: says(/IDENTIFICATION HAS CHANGED/)
        ? "the host's key is not the one that is known for it"
        : "the host's key is not known here",
      hint: 'connect once by hand with ssh and check the key',
    }
  if (says(/Permission denied|Too many authentication failures|no more authentication methods/i))
    return { problem: 'auth-failed' }
  return unreachable(lines)
}

const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /Could not resolve hostname|Name or service not known/i,
    'is the name right? it is looked up like: ssh <destination>',
  ],
  [/Connection refused/i, 'is sshd running there, and is the port right?'],
  [/timed out|No route to host|Network is unreachable/i, 'is the host up, and may this machine reach it?'],
  [/Bad configuration option|Bad owner or permissions/i, 'correct the ssh configuration of this user'],
]

function unreachable(lines: readonly string[]): SshProblem {
  const telling = lines.find(line => HINTS.some(([pattern]) => pattern.test(line))) ?? lines.at(-1)
  if (telling === undefined) return { problem: 'unreachable', reason: 'ssh ended without a word' }
  const hint = HINTS.find(([pattern]) => pattern.test(telling))?.[1]
  const reason = telling.replace(/^ssh: /, '')
  return { problem: 'unreachable', reason, ...(hint === undefined ? {} : { hint }) }
}
