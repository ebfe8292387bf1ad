/** The folder with the state of a service: found, measured, and judged by who could put another one in its place. */
import { Failed, type FilesProblem } from '../../failure.ts'
import { docker } from '../compose/compose.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'

export type StateFolder = {
  /** With all links resolved: nothing is done through a link. */
  real: string
  /** It stays when the folder is renamed, and tells it from any other. */
  inode: string
  usedBytes: number
  entries: number
  freeBytes: number
  /** The file system stores a copy's blocks once. */
  shares: boolean
}
export type StatePlace = { path?: string | undefined; volume?: string | undefined }

export const printPlace = ({ path, volume }: StatePlace): string =>
  path === undefined ? `volume ${volume}` : canonicalPath(path)

/** Follows PATH link by link, and prints each folder that an entry is looked up in. */
const LOOK = `
export LC_ALL=C
no() { echo "problem $*"; exit; }
cp --reflink=auto --version >/dev/null 2>&1 && find /dev/null -printf '' 2>/dev/null || no tools
echo "me $(id -u)"
at=/ rest=$1 links=0
while [ -n "$rest" ]; do
  part=\${rest%%/*}; rest=\${rest#"$part"}; rest=\${rest#/}
  [ -n "$part" ] && [ "$part" != . ] || continue
  stat -c 'way %u %g %a %n' -- "$at"
  next=\${at%/}/$part
  [ -L "$next" ] || { at=$next; continue; }
  links=$((links + 1)); [ "$links" -le 40 ] || no missing
  to=$(readlink -n -- "$next"; echo .); to=\${to%.}
  # A line break in a name would be read as a line of this.
  case $to in *[[:cntrl:]]*) no unreadable ;; esac
  rest=$to/$rest
  case $to in /*) at=/ ;; esac
done
[ -e "$1" ] || no missing
[ -d "$1" ] || no not-a-folder
real=$(cd -P -- "$1" && pwd -P) || no unreadable
case $real in *[[:cntrl:]]*) no unreadable ;; /) no mount-point ;; esac
echo "real $real"
stat -c 'state %u %i' -- "$real"
[ "$2" = measured ] || exit 0
HOSTOPS_AT=$real/ awk '
  { at = $5 "/"; gsub(/\\\\040/, " ", at) }
  index(at, ENVIRON["HOSTOPS_AT"]) == 1 { found = 1 }
  END { exit !found }' /proc/self/mountinfo && no mount-point
if [ "$(id -u)" != 0 ]; then
  [ -z "$(find "$real" ! -user "$(id -u)" -print -quit 2>/dev/null)" ] || no owners
  [ -z "$(find "$real" \\( -type d -o -type f \\) ! -readable -print -quit 2>/dev/null)" ] || no unreadable
fi
# A service that runs may remove files meanwhile.
used=$(du -sB1 -- "$real" 2>/dev/null)
echo "used \${used%%[!0-9]*}"
echo "entries $(find "$real" -printf . 2>/dev/null | wc -c)"
echo "free $(df --output=avail -B1 -- "$real" | tail -n 1)"
stat -f -c 'type %T' -- "$real"
`
const SHARING = /^(btrfs|xfs|bcachefs|ocfs2)$/

/** Throws where it cannot be copied, or where somebody else could swap it. */
export async function findState(ctx: StepContext, place: StatePlace): Promise<StateFolder> {
  const said = await look(ctx, place, 'measured')
  const number = (key: string) => Number(said(key)[0] ?? 0)
  return {
    ...foundIn(place, said),
    usedBytes: number('used'),
    entries: number('entries'),
    freeBytes: number('free'),
    shares: SHARING.test(said('type')[0] ?? ''),
  }
}

/** The same without measuring it, which takes long. */
export async function locateState(
  ctx: StepContext,
  place: StatePlace,
): Promise<Pick<StateFolder, 'real' | 'inode'>> {
  return foundIn(place, await look(ctx, place, 'only'))
}

type Said = (key: string) => string[]

/** The lines that begin with the key, without it. */
export const answersIn =
  (stdout: string): Said =>
  key =>
    stdout.split('\n').flatMap(line => (line.startsWith(`${key} `) ? [line.slice(key.length + 1)] : []))

async function look(ctx: StepContext, place: StatePlace, how: 'measured' | 'only'): Promise<Said> {
  if (!ctx.hasShell) throw unusable(place, 'no-shell')
  const path = place.path === undefined ? await mountpointOf(ctx, place) : canonicalPath(place.path)
  const done = await ctx.exec({ argv: ['sh', '-c', LOOK, 'hostops-state', path, how], ...LOOKING })
  const said = answersIn(done.stdout)
  const [problem] = said('problem')
  if (problem === undefined) return said
  if (place.path === undefined && problem === 'missing') throw unusable(place, 'volume', path)
  throw unusable(place, problem as FilesProblem)
}

function foundIn(place: StatePlace, said: Said): { real: string; inode: string } {
  const [owner = '', inode = ''] = (said('state')[0] ?? '').split(' ')
  const real = said('real')[0] ?? ''
  const trusted = new Set([0, Number(said('me')[0]), Number(owner)])
  const fault = said('way')
    .map(line => faultOnTheWay(line, trusted))
    .find(each => each !== null)
  if (fault) throw unusable(place, 'swappable', fault)
  if (inode === '') throw unusable(place, 'unreadable')
  return { real, inode }
}

/** Pure. `UID GID MODE PATH`: in a sticky folder nobody renames what belongs to others. */
export function faultOnTheWay(line: string, trusted: ReadonlySet<number>): string | null {
  const [, uid, gid, mode = '', path] = /^(\d+) (\d+) (\d+) (.*)$/.exec(line) ?? []
  if (!trusted.has(Number(uid))) return `${path} belongs to uid ${uid}`
  const bits = Number.parseInt(mode, 8)
  if ((bits & 0o1000) !== 0) return null
  if ((bits & 0o002) !== 0) return `every user can change ${path}`
  // Where each user has a group of their own, it has the user's number.
  return (bits & 0o020) !== 0 && gid !== uid ? `group ${gid} can change ${path}` : null
}

/** Only the engine's own driver keeps the files of a volume in a folder, and only without options. */
async function mountpointOf(ctx: StepContext, { volume = '' }: StatePlace): Promise<string> {
  const format = '{{.Driver}} {{len .Options}} {{.Mountpoint}}'
  const asked = ['volume', 'inspect', '--format', format, volume]
  const [, driver, options, path] =
    /^(\S+) (\d+) (\/.*)$/m.exec((await docker(ctx, '/', asked, LOOKING)).stdout) ?? []
  if (driver === 'local' && options === '0' && path !== undefined) return path
  throw unusable({ volume }, 'volume', `driver ${driver}, ${options} options`)
}

export const unusable = (place: StatePlace, why: FilesProblem, detail = '') =>
  new Failed({ code: 'files-unusable', path: printPlace(place), why, detail })

export function printBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  return `${Number((bytes / 1024 ** power).toFixed(1))} ${units[power]}`
}
