import type { GitFailure } from '../failure.ts'
import { count, listed, quoted, type Words } from './phrases.ts'

export const GIT: Words<GitFailure> = {
  'not-a-repository': failure => ({
    message: `${failure.path} is no git checkout: ${failure.detail}`,
    hint: 'repoPath is the path of the checkout as the target sees it',
  }),
  'foreign-checkout': failure => FOREIGN[failure.why](failure),
  'dirty-tree': failure => ({
    message: `${failure.repo} has ${count(failure.total, 'local change')}: ${listed(failure.entries, failure.total)}`,
    hint: `git -C ${failure.repo} status   shows them; commit or stash them, or run with --allow-dirty`,
  }),
  'ref-not-found': failure => ({
    message: `${failure.repo} has no branch, tag or commit ${quoted(failure.ref)}`,
    hint: failure.suggestion
      ? `did you mean ${quoted(failure.suggestion)}?`
      : `git -C ${failure.repo} ls-remote   shows what there is`,
  }),
  'ref-ambiguous': failure => ({
    message: `${quoted(failure.ref)} is ${failure.candidates.join(' and ')} in ${failure.repo}`,
    hint: `say which one: ${failure.candidates.join(' or ')}`,
  }),
  'ref-not-published': failure => ({
    message: `no branch or tag of ${failure.remote} holds ${quoted(short(failure.ref))} in ${failure.repo}`,
    hint: `git -C ${failure.repo} ls-remote --heads --tags ${failure.remote}   shows what is published; unpublished: true in the playbook allows other commits`,
  }),
  'ref-not-allowed': failure => ({
    message: `${quoted(short(failure.ref))} is ${failure.resolved}, and the playbook allows ${listed(failure.refs, failure.refs.length)}`,
    hint: 'choose such a ref, or widen refs: in the playbook’s git.checkout',
  }),
  'modules-unsafe': failure => ({
    message: `the .gitmodules of ${short(failure.sha)} is refused: ${listed(failure.problems, failure.problems.length)}`,
    hint: `git -C ${failure.repo} show ${short(failure.sha)}:.gitmodules   shows it`,
  }),
  'history-rewritten': failure => ({
    message: `${failure.branch} was rewritten upstream: ${short(failure.local)} is no ancestor of ${short(failure.remote)}`,
    hint: `look at it first: git -C ${failure.repo} log --oneline ${short(failure.remote)}...${short(failure.local)}`,
  }),
  'branch-diverged': failure => ({
    message: `${failure.branch} has ${count(failure.ahead, 'commit')} of its own and lacks ${failure.behind} of upstream’s`,
    hint: `git -C ${failure.repo} log --oneline @{upstream}..   shows the commits that exist only there`,
  }),
  'index-locked': failure => ({
    message: `${failure.lockFile} exists${failure.ageSeconds === null ? '' : ` (${failure.ageSeconds} s old)`}: ${failure.holder ? `held by ${failure.holder}` : 'no process holds it'}`,
    hint: failure.holder
      ? 'wait until that git command has ended'
      : `when no git command runs there any more: rm ${failure.lockFile}`,
  }),
  'files-in-the-way': failure => ({
    message: `the new tree would overwrite ${listed(failure.files, failure.files.length)}`,
    hint: 'move them away first: git keeps no copy of ignored or untracked files',
  }),
  'signature-missing': failure => ({
    message: `${quoted(failure.ref)} carries no good signature: ${failure.detail}`,
  }),
  'fetch-failed': failure => ({
    message: `cannot fetch ${failure.remote} in ${failure.repo}: ${failure.detail}`,
    hint: `on the target: git -C ${failure.repo} fetch ${failure.remote}`,
  }),
  'head-differs': failure => ({
    message: `HEAD of ${failure.repo} is ${short(failure.actual)}, expected ${short(failure.expected)}`,
  }),
}

type Foreign = Extract<GitFailure, { code: 'foreign-checkout' }>

const FOREIGN: Readonly<Record<Foreign['why'], (failure: Foreign) => { message: string; hint: string }>> = {
  'not-root': ({ path, owner, user }) => ({
    message: `${path} belongs to ${owner}, and hostops runs as ${user}: git would run what ${owner} has configured`,
    hint: `sudo chown -R ${user} ${path}   or run hostops as ${owner}`,
  }),
  mixed: ({ path, owner }) => ({
    message: `${path} and its .git belong to different users`,
    hint: `sudo chown -R ${owner} ${path}   (and the folder that a .git file names)`,
  }),
  objects: ({ path, owner }) => ({
    message: `${path} belongs to ${owner}, and its objects lie in a folder of another user, who could change them`,
    hint: `sudo -u ${owner} git -C ${path} repack -a -d && sudo rm ${path}/.git/objects/info/alternates`,
  }),
  submodule: ({ path, owner }) => ({
    message: `${path} is a submodule that does not belong to ${owner}, as the checkout around it does`,
    hint: `sudo chown -R ${owner.replace('uid ', '')} ${path}`,
  }),
  'no-setpriv': ({ path, owner, user }) => ({
    message: `${path} belongs to ${owner}, and ${user} cannot run git as ${owner}: setpriv of util-linux is missing or does not work`,
    hint: 'sudo apt-get install util-linux',
  }),
}

const short = (sha: string) => (/^[0-9a-f]{40,64}$/.test(sha) ? sha.slice(0, 12) : sha)
