/**
 * hostlink-supervise FOLDER: looks after one job, whose command comes over stdin. With `--spare` in place of the folder it waits
 * for that as well, and ends without a trace if no job comes.
 */
import { text } from 'node:stream/consumers'
import { SPARE } from '../jobs/job-spec.ts'
import { supervise } from '../jobs/supervise.ts'

const [folder] = process.argv.slice(2)
if (folder === undefined) {
  process.stderr.write('hostlink-supervise is started by hostlinkd or hostops\n')
  process.exitCode = 2
} else if (folder === SPARE) {
  const said = await text(process.stdin)
  const end = said.indexOf('\n')
  if (end > 0) await supervise(said.slice(0, end), () => said.slice(end + 1))
} else {
  await supervise(folder, () => text(process.stdin))
}
