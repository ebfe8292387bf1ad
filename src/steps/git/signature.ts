import { Failed } from '../../failure.ts'
import { lines } from '../plain-text.ts'
import type { StepContext } from '../step.ts'
import { readGit } from './git.ts'
import type { Resolved } from './ref.ts'
import type { Opened } from './repository.ts'

/** A good signature of the tag or of the commit, by the keys that the target trusts. */
export async function requireSignature(ctx: StepContext, opened: Opened, ref: Resolved): Promise<void> {
  const said: string[] = []
  const annotated = ref.object !== ref.sha
  for (const args of [...(annotated ? [['verify-tag', ref.object]] : []), ['verify-commit', ref.sha]]) {
    const done = await readGit(ctx, opened.repo, args)
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
