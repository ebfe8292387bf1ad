/** Real repositories in a scratch folder, with a home of their own so that no setting of this machine counts. */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { execaSync } from 'execa'
import { stepContext } from './step-context.ts'

export type Scratch = ReturnType<typeof scratch>

export function scratch() {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'hostops-git-')))
  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '',
    HOME: root,
    XDG_CONFIG_HOME: root,
    GIT_CONFIG_NOSYSTEM: '1',
    // No sample hooks.
    GIT_TEMPLATE_DIR: '',
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@example.invalid',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@example.invalid',
  }
  writeFileSync(
    join(root, '.gitconfig'),
    '[init]\n\tdefaultBranch = main\n[protocol "file"]\n\tallow = always\n[advice]\n\tdetachedHead = false\n',
  )
  const git = (repo: string, ...args: string[]) =>
    execaSync('git', ['-C', join(root, repo), ...args], {
      env,
      extendEnv: false,
      stdin: 'ignore',
    }).stdout.trim()
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return {
    root,
    env,
    git,
    write,
    path: (...parts: string[]) => join(root, ...parts),
    read: (path: string) => readFileSync(join(root, path), 'utf8'),
    /** A repository with one commit. */
    init(repo: string) {
      mkdirSync(join(root, repo), { recursive: true })
      git(repo, 'init', '-q')
      return this.commit(repo, { 'app.txt': 'one\n' }, 'one')
    },
    /** Writes the files and commits them; returns the commit. */
    commit(repo: string, files: Record<string, string>, message: string) {
      for (const [name, text] of Object.entries(files)) write(`${repo}/${name}`, text)
      git(repo, 'add', '-f', '--all', '--', '.')
      git(repo, 'commit', '-q', '-m', message)
      return git(repo, 'rev-parse', 'HEAD')
    },
    clone(from: string, to: string, ...options: string[]) {
      git('.', 'clone', '-q', ...options, `file://${join(root, from)}`, join(root, to))
    },
    context: (more: Record<string, string> = {}) => stepContext({ env: { ...env, ...more } }),
    remove: () => rmSync(root, { recursive: true, force: true }),
  }
}
