/** Whether the new version keeps its state in another form: by a value in a file of both trees. */
import * as z from 'zod'
import { type Json, parseJson } from '../../document/json.ts'
import type { CheckFinding, StepContext } from '../contract/step.ts'
import { parseJsonPath, valueAt } from '../health/json-path.ts'
import { type Repo, readGit } from './git.ts'
import { haveCommit } from './ref.ts'
import type { Opened } from './repository.ts'

export const migratesField = () =>
  z
    .strictObject({
      file: z
        .string()
        .regex(/^[^/\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$/, 'a file, relative to the top of the tree')
        .describe('A JSON file of the tree, such as package.json.'),
      json: z
        .string()
        .refine(text => parseJsonPath(text) !== null, "a path like $.a.b[0]['c']")
        .describe('Path of the value that changes when the state does.'),
      hint: z.string().default('').describe('What to do about it.'),
    })
    .optional()
    .describe('By which value --check sees that the new version migrates its state.')
type Migrates = NonNullable<z.infer<ReturnType<typeof migratesField>>>

const MOST_SHOWN = 200

/** Nothing where neither tree has such a value. */
export async function migrationFindings(
  ctx: StepContext,
  opened: Opened,
  asked: Migrates,
  target: { sha: string; remote: string },
): Promise<CheckFinding[]> {
  const at = `${asked.file} ${asked.json}`
  if (!(await haveCommit(ctx, opened, target)))
    return [{ text: `${at}: not known before the fetch`, seen: { migrates: target.sha } }]
  const [before = null, after = null] = await Promise.all(
    [opened.head.sha, target.sha].map(sha => valueIn(ctx, opened.repo, sha, asked)),
  )
  const [was, is] = [before, after].map(value => (value === null ? 'none' : JSON.stringify(value)))
  if (before === null && after === null) return []
  const seen = { migrates: { before, after } }
  if (was === is) return [{ text: `${at} stays the same: no migration of the state`, seen }]
  const change = `${at} ${short(was!)} -> ${short(is!)}`
  const hint = asked.hint === '' ? '' : `; ${asked.hint}`
  return [{ text: `${change}: the new version migrates its state${hint}`, seen }]
}

async function valueIn(ctx: StepContext, repo: Repo, sha: string, { file, json }: Migrates) {
  const { code, stdout } = await readGit(ctx, repo, ['cat-file', 'blob', `${sha}:${file}`])
  const document: Json | undefined = code === 0 ? parseJson(stdout) : undefined
  return document === undefined ? undefined : valueAt(document, parseJsonPath(json) ?? [])
}

const short = (text: string) => (text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text)
