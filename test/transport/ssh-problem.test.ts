import { expect, it } from 'vitest'
import { sshProblem } from '../../src/transport/ssh-problem.ts'

it.each([
  ['root@host: Permission denied (publickey,password).', 'auth-failed'],
  [
    'Received disconnect from ::1 port 22:2: Too many authentication failures\r\nDisconnected from ::1',
    'auth-failed',
  ],
  [
    'mux_client_request_session: session request failed: Session open refused by peer\nConnection closed by UNKNOWN port 65535',
    'busy',
  ],
])('%j is %s', (log, problem) => expect(sshProblem(log)).toEqual({ problem }))

it.each([
  [
    'ssh: connect to host h port 22: Connection refused',
    'connect to host h port 22: Connection refused',
    'sshd running',
  ],
  [
    'ssh: connect to host h port 22: Connection timed out',
    'connect to host h port 22: Connection timed out',
    'host up',
  ],
  [
    'ssh: Could not resolve hostname h: Name or service not known',
    'Could not resolve hostname h: Name or service not known',
    'name right',
  ],
  [
    '@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.',
    "the host's key is not the one that is known for it",
    'by hand',
  ],
  [
    'No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.',
    "the host's key is not known here",
    'by hand',
  ],
  [
    '/root/.ssh/config: line 3: Bad configuration option: foo\n/root/.ssh/config: terminating, 1 bad configuration options',
    '/root/.ssh/config: line 3: Bad configuration option: foo',
    'configuration',
  ],
  [
    'Warning: Permanently added h to the list of known hosts.\nConnection closed by 1.2.3.4 port 22',
    'Connection closed by 1.2.3.4 port 22',
    null,
  ],
  ['', 'ssh ended without a word', null],
])('%j is an outage', (log, reason, hint) => {
  expect(sshProblem(log)).toEqual({
    problem: 'unreachable',
    reason,
    ...(hint === null ? {} : { hint: expect.stringContaining(hint) }),
  })
})
