import { Failed } from '../../failure.ts'
import { lines } from '../contract/plain-text.ts'
import type { StepContext } from '../contract/step.ts'
import { ask, readGit } from './git.ts'
import type { Resolved } from './ref.ts'
import type { Opened } from './repository.ts'

/** A good signature of the tag or of the commit, by the keys that the user or the system of the target trusts. */
export async function requireSignature(ctx: StepContext, opened: Opened, ref: Resolved): Promise<void> {
  const said: string[] = []
  const trust = await trustOfHost(ctx, opened)
  const checks = [...(await tagChecks(ctx, opened, ref, said)), ['verify-commit', ref.sha]]
  for (const args of checks) {
    const done = await readGit(ctx, opened.repo, [...trust, ...args])
    if (done.code === 0) return
    said.push(...lines(done.stderr))
  }
  throw new Failed({
    code: 'signature-missing',
    repo: opened.repo.path,
    ref: ref.name,
    detail: said.at(-1) ?? `neither ${ref.from} nor its commit is signed`,
  })
}

/** A signed tag under another name, such as an old release under a new one, is not what its signer meant. */
async function tagChecks(ctx: StepContext, { repo }: Opened, ref: Resolved, said: string[]) {
  if (ref.object === ref.sha) return []
  const name = await ask(ctx, repo, ['for-each-ref', '--format=%(tag)', ref.from])
  if (name === ref.name) return [['verify-tag', ref.object]]
  said.push(`the tag object at ${ref.from} is ${name}`)
  return []
}

/** What decides whether a signature is good, with git's own default: whatever .git/config says of it is overruled. */
const TRUST: Readonly<Record<string, string>> = {
  'gpg.program': 'gpg',
  'gpg.openpgp.program': 'gpg',
  'gpg.x509.program': 'gpgsm',
  'gpg.ssh.program': 'ssh-keygen',
  'gpg.ssh.allowedsignersfile': '/dev/null',
  'gpg.ssh.revocationfile': '/dev/null',
  'gpg.mintrustlevel': 'undefined',
}

async function trustOfHost(ctx: StepContext, { repo }: Opened): Promise<string[]> {
  // After a line break a value of .git/config would read as a line of another scope.
  const args = ['config', '--show-scope', '--get-regexp', '^gpg\\.', '![[:cntrl:]]']
  const listed = await readGit(ctx, repo, args)
  const own = listed.stdout.split(/\r?\n/).flatMap(line => {
    const [, scope, key = '', value = ''] = /^(\S+)\t(\S+) (.*)$/.exec(line) ?? []
    return (scope === 'system' || scope === 'global') && key in TRUST ? [[key, value] as const] : []
  })
  const trusted = { ...TRUST, ...Object.fromEntries(own) }
  // The general key of the openpgp program goes by the older name where only that is set.
  if (!own.some(([key]) => key === 'gpg.openpgp.program'))
    trusted['gpg.openpgp.program'] = trusted['gpg.program']!
  return Object.entries(trusted).flatMap(([key, value]) => ['-c', `${key}=${value}`])
}
