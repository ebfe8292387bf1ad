import { wrongOption } from '../../app/start-options.ts'
import { Failed } from '../../failure.ts'
import { EXIT_OK } from '../../report/exit-code.ts'
import type { RunRow } from '../../runs/runs.ts'
import { jsonLine } from '../../wording/printable.ts'
import { type OfRuns, withRuns } from '../open/with-runs.ts'
import { table } from '../print/table.ts'
import type { Io } from '../terminal/io.ts'

export const runs = (options: OfRuns & { limit: string; json?: boolean }, io: Io): Promise<number> =>
  withRuns(options, io, async runs => {
    if (!/^[1-9][0-9]{0,5}$/.test(options.limit)) throw new Failed(wrongOption('--limit', 'count'))
    const rows = (await runs.list()).slice(0, Number(options.limit))
    if (options.json) io.stdout.write(`${jsonLine(rows)}\n`)
    else if (rows.length === 0) io.stderr.write(`no run yet ${runs.place}\n`)
    else
      io.stdout.write(table([['run', 'outcome', 'playbook', 'target', 'started (UTC)'], ...rows.map(cells)]))
    return EXIT_OK
  })

const cells = ({ runId, outcome, playbook, target, startedAt }: RunRow): string[] => [
  runId,
  outcome,
  playbook ?? '-',
  target ?? '-',
  startedAt.slice(0, 19).replace('T', ' '),
]
