/** Playbooks that are installed on this host, by name: the text that is judged is the text that runs. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packagePath } from '../build/package-path.ts'
import type { Config } from '../hostlink/daemon/config/config.ts'
import type { Problem } from '../hostlink/daemon/config/problem.ts'
import { bareDigest, type Token } from '../hostlink/daemon/policy/policy.ts'
import { systemReason } from '../process/system-error.ts'

export type Installed = { readonly file: string; readonly text: Buffer; readonly digest: string }

const ENDINGS = ['.yaml', '.yml']

/** The owner's folder first, then what ships with the package. */
export const playbookFolders = ({ playbooksDir }: Pick<Config, 'playbooksDir'>): string[] => [
  playbooksDir,
  packagePath('playbooks'),
]

/** Null when there is none; throws when there is one that cannot be read. A checked name leads out of no folder. */
export function findInstalled(name: string, config: Pick<Config, 'playbooksDir'>): Installed | null {
  for (const folder of playbookFolders(config)) {
    for (const ending of ENDINGS) {
      const file = join(folder, name + ending)
      try {
        const text = readFileSync(file)
        return { file, text, digest: createHash('sha256').update(text).digest('hex') }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
  }
  return null
}

/** Grants that nobody can use, because what is installed is not what was reviewed. */
export function grantProblems(config: Config, tokens: readonly Token[]): Problem[] {
  return tokens.flatMap(({ name: token, policy, file = config.file }) =>
    policy.kind === 'playbooks'
      ? policy.playbooks.flatMap(({ name, digest }) => {
          const problem = grantProblem(name, digest, config)
          const where = { file, key: `tokens.${token}.playbooks` }
          return problem === null ? [] : [{ ...where, ...problem }]
        })
      : [],
  )
}

function grantProblem(name: string, digest: string, config: Config): Pick<Problem, 'reason' | 'hint'> | null {
  try {
    const installed = findInstalled(name, config)
    if (installed === null) {
      return {
        reason: `there is no playbook ${name} in ${playbookFolders(config).join(', ')}`,
        hint: `put ${name}.yaml into ${config.playbooksDir}, or name another folder: playbooks_dir`,
      }
    }
    if (installed.digest === bareDigest(digest)) return null
    return {
      reason: `${installed.file} is not the ${name} that was reviewed: it has another digest`,
      hint: `review it again, then write digest: sha256:${installed.digest}`,
    }
  } catch (error) {
    return { reason: `the playbook ${name} cannot be read: ${systemReason(error)}` }
  }
}
