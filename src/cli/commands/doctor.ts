/** `hostops doctor`: what is there, what is missing, and what mends it. Changes nothing. */
import { join } from 'node:path'
import { targetFailure } from '../../app/connect-to.ts'
import { readSettings } from '../../app/read-settings.ts'
import { Failed } from '../../failure.ts'
import { EXIT_NO, EXIT_OK, EXIT_USAGE } from '../../report/exit-code.ts'
import { stateDir } from '../../runs/runs-folder.ts'
import { openTransport } from '../../transport/connect.ts'
import { isHostlink, isNode } from '../../transport/target.ts'
import { jsonLine, printable } from '../../wording/printable.ts'
import { sentence } from '../../wording/word.ts'
import { bad, type Finding, good, type Section, unseen } from '../doctor/finding.ts'
import { checkHere } from '../doctor/here.ts'
import { checkLink } from '../doctor/link.ts'
import { checkTools } from '../doctor/tools.ts'
import { wordedError } from '../print/print-failure.ts'
import type { Io } from '../terminal/io.ts'

export async function doctor(
  options: { target?: string; json?: boolean; config?: string; openclaw?: boolean; root: string },
  io: Io,
): Promise<number> {
  if (options.openclaw) {
    const { checkOpenclaw } = await import('../doctor/openclaw.ts')
    const sections = [{ title: 'OpenClaw node host', findings: await checkOpenclaw(options.root, io.env) }]
    return printSections('local', sections, options, io)
  }
  const settings = readSettings(options, io)
  if (!settings.ok) {
    io.stderr.write(wordedError(settings.failure))
    return EXIT_USAGE
  }
  const target = options.target ?? settings.settings.target ?? 'local'
  const wrong = targetFailure(target)
  if (wrong !== null) {
    io.stderr.write(wordedError(wrong))
    return EXIT_USAGE
  }
  const state = stateDir(io, settings.settings.stateDir)
  const sections: Section[] = [{ title: 'here', findings: checkHere(state) }]
  const link = isHostlink(target) ? await checkLink(target, io) : null
  if (link) sections.push({ title: 'hostlink', findings: link.findings })
  // Such a token may ask for no program: what it may do is all that can be looked at.
  const findings =
    link?.policy === 'playbooks' || isNode(target)
      ? await checkPlaybooks(target, state, options, io)
      : await checkTarget(target, state, io)
  sections.push({ title: `target ${target}`, findings })
  return printSections(target, sections, options, io)
}

function printSections(target: string, sections: Section[], { json }: { json?: boolean }, io: Io): number {
  const ok = sections.every(section => section.findings.every(finding => finding.ok !== false))
  io.stdout.write(json ? `${jsonLine({ ok, target, sections })}\n` : print(sections, io))
  return ok ? EXIT_OK : EXIT_NO
}

async function checkPlaybooks(
  target: string,
  state: string,
  options: { config?: string },
  io: Io,
): Promise<Finding[]> {
  const { playbooksAt } = await import('../open/with-runs.ts')
  const playbooks = await playbooksAt(target, state, options, io).catch((error: unknown) => {
    if (error instanceof Failed) return error.failure
    throw error
  })
  if ('code' in playbooks) return [unseen('playbooks', sentence(playbooks))]
  if (playbooks.length === 0)
    return [bad('playbooks', 'the policy names none', 'name one in policy.yaml on the host')]
  return playbooks.map(({ name, description, problem }) =>
    problem === null
      ? good(name, description?.trim().split('\n')[0] ?? 'may be run')
      : bad(name, problem, 'on the host: hostlinkd check'),
  )
}

async function checkTarget(target: string, state: string, io: Io): Promise<Finding[]> {
  const connected = await openTransport(target, { env: io.env, jobsFolder: join(state, 'jobs') })
  if (connected.ok) {
    try {
      return await checkTools(connected.transport, state)
    } finally {
      await connected.transport.close()
    }
  }
  const reason = connected.problem === 'auth-failed' ? 'authentication failed' : connected.reason
  const hint = connected.problem === 'auth-failed' ? undefined : connected.hint
  return [bad('reachable', reason, hint || 'mend what stands above first')]
}

function print(sections: Section[], io: Io): string {
  const utf8 = /utf-?8/i.test(io.env['LC_ALL'] || io.env['LC_CTYPE'] || io.env['LANG'] || '')
  const mark = ({ ok }: Finding) =>
    (ok === null ? '?' : ok ? (utf8 ? '✓' : 'ok') : utf8 ? '✗' : 'NO').padEnd(utf8 ? 1 : 2)
  return sections
    .map(({ title, findings }) => {
      const lines = findings.flatMap(finding => [
        `  ${mark(finding)} ${printable(finding.name).padEnd(13)} ${printable(finding.detail)}`,
        ...(finding.fix ? [`      fix: ${printable(finding.fix)}`] : []),
      ])
      return `${printable(title)}\n${lines.join('\n')}\n`
    })
    .join('\n')
}
