/** What people read when something fails. The first line of each is the existing client's, word for word. */
import type { Address, Endpoint, LinkFailure } from '../link/link.ts'

/** Control bytes from a daemon must not drive a person's terminal. */
export const withoutControls = (text: string): string =>
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '?')

export function wordFailure(failure: LinkFailure, endpoint: Endpoint): string {
  switch (failure.kind) {
    case 'connect':
      return messageLines(
        `Cannot connect to ${wordAddress(failure.at)}: ${failure.reason}`,
        connectHint(failure),
      )
    case 'auth':
      return messageLines(
        'Authentication failed',
        `the token came from ${endpoint.tokenFrom}${oddToken(endpoint.token)}; on the host it is in /etc/hostlink/token, or where hostlink.conf says`,
      )
    case 'refused':
      return messageLines(
        `[${withoutControls(failure.node)}] ${withoutControls(failure.status)}: ${withoutControls(failure.message)}`,
      )
    case 'timeout':
      return messageLines(
        `No response within ${failure.afterMs}ms`,
        `what was asked may still happen there; a longer limit is set with -T. Is it hostlinkd that listens on ${addressOnly(endpoint.at)}?`,
      )
    case 'protocol':
      return messageLines(
        `Invalid response: ${failure.reason}`,
        `is it hostlinkd that listens on ${addressOnly(endpoint.at)}?`,
      )
    case 'lost':
      return failure.sent
        ? messageLines('No response', `${failure.reason}; whether the request was carried out is not known`)
        : messageLines('No response', `${failure.reason}; the request was not sent`)
    case 'unsupported':
      return messageLines(
        `this daemon does not offer "${failure.feature}", nothing was started`,
        FEATURE_HINTS[failure.feature] ?? 'install the newer hostlinkd on the host',
      )
    case 'cancelled':
      return messageLines('cancelled')
  }
}

export const messageLines = (message: string, hint?: string): string =>
  hint === undefined ? `${message}\n` : `${message}\nhint: ${hint}\n`

export const addressOnly = (at: Address): string => (at.kind === 'unix' ? at.path : `${at.host}:${at.port}`)
const wordAddress = (at: Address): string => (at.kind === 'unix' ? `Unix socket ${at.path}` : addressOnly(at))

/** What a copy of a token often brings along. */
const oddToken = (token: string): string =>
  token === token.trim() ? '' : ' and begins or ends with a blank or a line break'

const FEATURE_HINTS: Readonly<Record<string, string>> = {
  argv: 'leave out --argv and quote the words for a shell, or install the newer hostlinkd on the host',
  stream: 'leave out --stream (-O keeps exact bytes), or install the newer hostlinkd on the host',
}

function connectHint({ at, code }: { at: Address; code: string }): string {
  if (at.kind === 'tcp')
    return code === 'ENOTFOUND' || code === 'EAI_AGAIN'
      ? 'is the name of the host right?'
      : 'does hostlinkd run there, with tcp_enabled = true and this port?'
  if (code === 'EACCES' || code === 'EPERM')
    return "only members of the socket's group may use it: `usermod -aG hostlink USER` on the host, then log in again; for a container, group_add in its compose file"
  if (code === 'ENOTSOCK')
    return 'that is not a socket; hostlinkd makes one, usually /run/hostlink/hostlink.sock'
  if (code === 'ENAMETOOLONG') return 'the path of a socket has at most 107 bytes'
  if (code === 'ECONNREFUSED')
    return 'nobody listens there; start the daemon on the host: systemctl start hostlinkd'
  return 'does hostlinkd run on the host, and is its socket mounted here? -s or HOSTLINK_SOCKET names another one'
}
