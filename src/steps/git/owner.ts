/**
 * Git runs what .git/config names: filters, transports, ssh commands. So it runs as the owner of the checkout, who could run
 * these anyway, and never as another user.
 */
import { Failed } from '../../failure.ts'
import type { StepContext } from '../contract/step.ts'

/** Somebody else than the runner, who is root. */
export type CheckoutOwner = { readonly uid: number; readonly gid: number; readonly hasAccount: boolean }

/**
 * What to put in front of a command. Nothing of root's environment goes along: it may hold secrets, and root's home. The
 * variables of the step do not either, because arguments are for everybody on the host to see.
 */
export const asOwner = ({ uid, gid, hasAccount }: CheckoutOwner): string[] => [
  ...['setpriv', `--reuid=${uid}`, `--regid=${gid}`, hasAccount ? '--init-groups' : '--clear-groups'],
  ...['--inh-caps=-all', '--reset-env', '--'],
  ...(hasAccount ? [] : ['env', 'HOME=/nonexistent', `USER=${uid}`, `LOGNAME=${uid}`]),
]

/** Shell. `account UID GID` sets $name, $gid and, where the user has an account, $known. */
const ACCOUNT = `
account() {
  name=$1 gid=$2
  known=$(getent passwd "$1" 2>/dev/null || awk -F: -v u="$1" '$3 == u' /etc/passwd)
  [ -n "$known" ] || return 0
  gid=$(printf '%s\\n' "$known" | head -n 1 | cut -d : -f 4) name=\${known%%:*} known=account
}
`

// Fixed text; the checkout arrives as $1. Git reads its configuration from the folder that a gitfile names, or, for a linked
// working tree, from the one that its commondir names. It believes what it reads from a folder of objects, wherever that is,
// and does not compare it with its name.
const PROBE = `${ACCOUNT}
me=$(id -u); echo "me $me $(id -un 2>/dev/null || echo "$me")"
git=$1/.git
if [ -f "$git" ]; then
  git=$(sed -n 's/^gitdir: //p' "$git"); case $git in /*) ;; *) git=$1/$git ;; esac
fi
common=$git
if [ -f "$git/commondir" ]; then
  common=$(cat "$git/commondir"); case $common in /*) ;; *) common=$git/$common ;; esac
fi
for each in "$1" "$1/.git" "$git" "$common" "$common/config"; do
  [ -e "$each" ] || continue
  set -- "$1" $(stat -L -c '%u %g' -- "$each")
  account "$2" "$3"
  echo "owner $2 $name $gid $known"
done
lenders() {
  echo "lends $(stat -L -c %u -- "$1" 2>/dev/null)"
  [ "$2" -lt 6 ] && [ -f "$1/info/alternates" ] || return 0
  while IFS= read -r each || [ -n "$each" ]; do
    case $each in '"'*) echo 'lends -1' ;; /*) ;; *) each=$1/$each ;; esac
    lenders "$each" $(($2 + 1))
  done <"$1/info/alternates"
}
lenders "$common/objects" 0
[ "$me" != 0 ] || ! setpriv --reuid="$2" --regid="$3" --clear-groups --inh-caps=-all --reset-env true 2>/dev/null || echo able
`

/** Shell: `$as` in front of a command makes it run as the owner of the current folder, where that is not the runner. */
export const AS_OWNER_OF_FOLDER = `${ACCOUNT}
as=
if [ "$(id -u)" = 0 ] && [ "$(stat -c %u .)" != 0 ]; then
  account $(stat -c '%u %g' .)
  as="setpriv --reuid=$(stat -c %u .) --regid=$gid --clear-groups --inh-caps=-all --reset-env -- env HOME=/nonexistent"
  [ -z "$known" ] || as="setpriv --reuid=$(stat -c %u .) --regid=$gid --init-groups --inh-caps=-all --reset-env --"
fi
`

/** Null: the runner itself. Throws where git would have to run as somebody whom the runner cannot be. */
export async function checkoutOwner(ctx: StepContext, path: string): Promise<CheckoutOwner | null> {
  const argv = ['sh', '-c', PROBE, 'hostops-owner', path]
  const { stdout } = await ctx.exec({ argv, repeatable: true, quiet: true, timeoutMs: 10_000 })
  const seen = parse(stdout)
  const [first] = seen.owners
  // There is nothing of that name; git says so better.
  if (first === undefined) return null
  const isForeign = (uid: number) => uid !== 0 && uid !== first.uid
  const isOne = seen.owners.every(owner => owner.uid === first.uid)
  const refuse = (why: 'not-root' | 'mixed' | 'objects' | 'no-setpriv') =>
    new Failed({ code: 'foreign-checkout', path, owner: first.name, user: seen.me.name, why })
  if (isOne && seen.me.uid === 0 && seen.lenders.some(isForeign)) throw refuse('objects')
  if (isOne && first.uid === seen.me.uid) return null
  if (!isOne) throw refuse('mixed')
  if (seen.me.uid !== 0) throw refuse('not-root')
  if (!seen.able) throw refuse('no-setpriv')
  return { uid: first.uid, gid: first.gid, hasAccount: first.hasAccount }
}

function parse(text: string) {
  const rows = text.split('\n').map(line => line.split(' '))
  const owners = rows.flatMap(([what, uid, name = '', gid, account]) =>
    what === 'owner' ? [{ uid: Number(uid), name, gid: Number(gid), hasAccount: account === 'account' }] : [],
  )
  const [, uid = '', name = ''] = rows.find(([what]) => what === 'me') ?? []
  const lenders = rows.flatMap(([what, uid]) => (what === 'lends' && uid ? [Number(uid)] : []))
  return { me: { uid: Number(uid), name }, owners, lenders, able: rows.some(([what]) => what === 'able') }
}
