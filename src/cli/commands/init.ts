import { writeFileSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { EXIT_OK, EXIT_USAGE } from '../../report/exit-code.ts'
import type { Io } from '../terminal/io.ts'

/** A commented starter playbook that is valid as it stands. Overwrites nothing unless told to. */
export async function init(file: string | undefined, options: { force?: boolean }, io: Io): Promise<number> {
  const path = file ?? 'playbook.yaml'
  try {
    writeFileSync(resolve(io.cwd, path), starter(nameFrom(path)), { flag: options.force ? 'w' : 'wx' })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const [problem, hint] = PROBLEMS[code ?? ''] ?? [`cannot be written (${code})`, 'name another file']
    io.stderr.write(`error: ${path} ${problem}\nhint: ${hint}\n`)
    return EXIT_USAGE
  }
  io.stderr.write(`wrote ${path}\nhint: hostops validate ${path}\n`)
  return EXIT_OK
}

const PROBLEMS: Record<string, [string, string]> = {
  EEXIST: ['is there already', 'name another file, or overwrite it with --force'],
  ENOENT: ['stands in a folder that does not exist', 'make the folder first'],
  EISDIR: ['is a folder', 'name a file in it'],
  EACCES: ['may not be written', 'name another file'],
  EROFS: ['may not be written', 'name another file'],
}

function nameFrom(path: string): string {
  const stem = basename(path).replace(/\.ya?ml$/, '')
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(stem) ? stem : 'playbook'
}

const starter = (name: string) => `# A hostops playbook. Check it with: hostops validate FILE
# See what it would do, without doing anything: hostops run FILE -i repoPath=/srv/app --dry-run
hostops: 1
name: ${JSON.stringify(name)}
description: Upgrade a Docker Compose stack from git; go back when it does not come up healthy.

# What a caller may choose. Every value is checked before anything is contacted.
# Types: string, ref, path, url, boolean, integer, number, duration, secret.
inputs:
  repoPath:  { type: path, description: "The checkout, on the host" }
  ref:       { type: ref, default: main, description: "Branch, tag or commit" }
  healthUrl: { type: url, default: "http://127.0.0.1:8080/healthz" }

# Supplies these fields to every step that has them and does not set them itself.
defaults:
  repo: \${{ inputs.repoPath }}
  dir: \${{ inputs.repoPath }}

onFailure: rollback # or: stop
timeout: 30m

steps:
  # Local changes would be lost or carried along: refuse to start.
  - uses: git.dirty-check
  - uses: git.fetch
  - uses: git.checkout
    with: { ref: "\${{ inputs.ref }}" }

  # A command of your own: its words, no shell. \`undo\` puts back what was there when a later step fails, and
  # \`verify\` looks whether it has: without it, a rollback cannot tell.
  # - run: [./backup.sh, "\${{ run.id }}"]
  #   cwd: \${{ inputs.repoPath }}
  #   undo: [./restore.sh, "\${{ run.id }}"]
  #   verify: [./compare.sh, "\${{ run.id }}"]

  - uses: compose.build
  - uses: compose.up

  # Asked on the host itself; several good answers in a row are needed.
  - uses: health.poll
    with:
      urls: ["\${{ inputs.healthUrl }}"]
      timeout: 120s
`
