import { listRuns, type RunEntry } from '../../runs/runs-folder.ts'
import { jsonLine } from '../../ui/printable.ts'
import { EXIT_OK, EXIT_USAGE } from '../exit-code.ts'
import type { Io } from '../io.ts'
import { blockerOf } from '../state/last-run.ts'
import { openState } from '../state/open-state.ts'
import { storedReport } from '../state/stored-report.ts'
import { table } from '../table.ts'

export async function runs(
  options: { limit: string; json?: boolean; config?: string },
  io: Io,
): Promise<number> {
  if (!/^[1-9][0-9]{0,5}$/.test(options.limit)) {
    io.stderr.write('error: --limit takes a whole number from 1\nhint: hostops runs --limit 20\n')
    return EXIT_USAGE
  }
  const state = await openState(options, io)
  if (state === null) return EXIT_USAGE
  const rows = listRuns(state).slice(0, Number(options.limit)).map(row)
  if (options.json) io.stdout.write(`${jsonLine(rows)}\n`)
  else if (rows.length === 0) io.stderr.write(`no run yet in ${state}\n`)
  else io.stdout.write(runsTable(rows))
  return EXIT_OK
}

function row(run: RunEntry) {
  const { report } = storedReport(run)
  const blockedBy = blockerOf(run)
  return {
    runId: run.head.runId,
    outcome: run.alive && !run.unseen ? 'running' : report.outcome,
    success: report.success,
    playbook: run.head.playbook,
    target: run.head.target,
    startedAt: run.head.startedAt,
    durationMs: report.finishedAt === null ? null : report.durationMs,
    folder: run.folder,
    ...(blockedBy === null ? {} : { blockedBy }),
  }
}

/** Rows may come from another hostops: what is not there is shown as such. */
export function runsTable(rows: readonly { readonly [field: string]: unknown }[]): string {
  const text = (value: unknown) => (typeof value === 'string' ? value : '-')
  const cells = rows.map(r => [
    text(r['runId']),
    text(r['outcome']),
    text(r['playbook']),
    text(r['target']),
    text(r['startedAt']).slice(0, 19).replace('T', ' '),
  ])
  return table([['run', 'outcome', 'playbook', 'target', 'started (UTC)'], ...cells])
}
