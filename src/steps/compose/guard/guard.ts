import { createHash } from 'node:crypto'
import * as z from 'zod'
import { isRecord, recordOf } from '../../../document/is-record.ts'
import { Failed } from '../../../failure.ts'
import { once } from '../../contract/once.ts'
import { canonicalPath, refField, remoteField, repoField } from '../../contract/schema-fields.ts'
import type { CheckFinding, StepContext, StepKind } from '../../contract/step.ts'
import { withBorrowed } from '../../git/borrowed.ts'
import { targetOf } from '../../git/checkout-check.ts'
import { gitArgv, repoAt } from '../../git/git.ts'
import { haveCommit, resolveRef } from '../../git/ref.ts'
import { openRepository } from '../../git/repository.ts'
import { composeArgv, servicesField, stackFields } from '../compose.ts'
import { CONFIG } from '../project.ts'
import { type Examined, examine, withNow } from './examine.ts'
import type { ComposeConfig } from './host-paths.ts'

const key = () => z.string().regex(/^[!-+\--~]+$/, 'the key of a power, as the refusal names it')

const schema = once(() =>
  z.strictObject({
    ...stackFields(),
    services: servicesField(),
    repo: repoField(),
    ref: refField(),
    remote: remoteField(),
    allow: z
      .union([z.array(key()), z.string().regex(/^[!-~]*$/, 'keys of powers, with commas between them')])
      .default([])
      .describe(
        'Keys of powers that the new version may add, as the refusal names them: a list, or with commas.',
      ),
  }),
)
type With = z.infer<ReturnType<typeof schema>>

const allowed = ({ allow }: With): readonly string[] =>
  typeof allow === 'string' ? allow.split(',').filter(Boolean) : allow

/** Before `git.checkout`: what is refused never lies in the checkout. */
export const composeGuard: StepKind<With> = {
  uses: 'compose.guard',
  summary:
    'Renders the configuration of a ref before it is checked out, and refuses it where it could do more on the host than what runs.',
  schema,
  outputs: { repo: 'string', sha: 'string', powersAdded: 'list' },
  timeoutMs: 2 * 60_000,
  plan: {
    effect: () => 'read',
    about: input => ({ repoPath: input.repo, composePath: input.dir, requestedRef: input.ref }),
    commands: input => {
      const repo = repoAt(canonicalPath(input.repo))
      return [
        { argv: [...gitArgv(repo, ['cat-file', 'blob']), { unknown: 'the compose files of the commit' }] },
        { argv: composeArgv({ ...input, profiles: ['*'] }, CONFIG) },
      ]
    },
  },
  act: {
    async run(ctx, input) {
      const { repo, sha, added, unknown } = await withNow(ctx, input, async now => {
        const opened = await openRepository(ctx, canonicalPath(input.repo))
        const { sha } = await resolveRef(ctx, opened, input.ref, input.remote, { unpublished: true })
        const examined = await examine(ctx, { ...questionOf(input), now, opened, sha })
        return { repo: opened.repo, sha, ...examined }
      })
      const all = withAllowed(input, added)
      for (const service of unknown) ctx.say(notKnown(service))
      for (const each of all) ctx.say(`${each.words}${each.allowed ? ' (allowed)' : ''}`)
      const refused = added.filter((_, at) => !all[at]!.allowed)
      if (refused.length > 0) throw new Failed(refusal(input, refused))
      return {
        changed: false,
        outputs: { repo: repo.path, sha, powersAdded: added.map(each => each.key) },
        facts: { powersAdded: all },
      }
    },
  },
  look: {
    check: checkPowers,
  },
}

const questionOf = (input: With) => ({ dir: input.dir, services: input.services, allow: allowed(input) })
const withAllowed = (input: With, added: Examined['added']) =>
  added.map(each => ({ ...each, allowed: allowed(input).includes(each.key) }))
const notKnown = (service: string) =>
  `${service}: a compose or env file changed after its container was created, so its present powers are unknown`
const refusal = ({ dir, ref }: With, powers: Examined['added']) =>
  ({ code: 'powers-added', dir: canonicalPath(dir), ref, powers }) as const

async function checkPowers(ctx: StepContext, input: With): Promise<CheckFinding[]> {
  const checkout = await openRepository(ctx, canonicalPath(input.repo))
  return withBorrowed(ctx, checkout, async opened => {
    const { sha } = await targetOf(ctx, opened, input, { unpublished: true })
    if (!(await haveCommit(ctx, opened, { sha, remote: input.remote })))
      return [
        { text: `${input.ref} is not fetched yet: what it may do is not known`, seen: { unknown: sha } },
      ]
    const examined = await withNow(ctx, input, now =>
      examine(ctx, { ...questionOf(input), now, opened, sha }),
    )
    const all = withAllowed(input, examined.added)
    const refused = examined.added.filter((_, at) => !all[at]!.allowed)
    return [
      ...examined.unknown.map(service => ({ text: notKnown(service), seen: { unknown: service } })),
      ...all.map(({ key, words, allowed: isAllowed }) => ({
        text: `${words}${isAllowed ? ' (allowed)' : ''}`,
        seen: { power: key },
        ...(key === refused[0]?.key ? { failure: refusal(input, refused) } : {}),
      })),
      ...configuration(examined),
    ]
  })
}

/** Of the files at the commit; `compose.up` tells about those that are there now. */
function configuration({ config, before }: Examined): CheckFinding[] {
  if (config === null) return []
  const digest = createHash('sha256').update(JSON.stringify(config)).digest('hex')
  const changes = before === null ? [] : changed(before, config)
  const what =
    before === null ? 'nothing runs yet' : changes.length === 0 ? 'as it is now' : changes.join(', ')
  return [{ text: `new configuration ${digest.slice(0, 12)}: ${what}`, seen: { newConfiguration: digest } }]
}

/** "gateway: image, ports". */
function changed(before: ComposeConfig, after: ComposeConfig): string[] {
  const [was, is] = [recordOf(before['services']), recordOf(after['services'])]
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])].sort()
  const own = names.flatMap(name => {
    if (was[name] === undefined) return [`${name}: new`]
    if (is[name] === undefined) return [`${name}: gone`]
    const fields = different(was[name], is[name])
    return fields.length === 0 ? [] : [`${name}: ${fields.join(' ')}`]
  })
  const { services: _, ...top } = before
  const { services: __, ...now } = after
  return [...own, ...different(top, now)]
}

function different(was: unknown, is: unknown): string[] {
  if (!isRecord(was) || !isRecord(is)) return ['everything']
  const keys = [...new Set([...Object.keys(was), ...Object.keys(is)])].sort()
  return keys.filter(each => JSON.stringify(was[each]) !== JSON.stringify(is[each]))
}
