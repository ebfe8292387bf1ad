/** Why a rule whose words fit does not allow a request, or what is executed. Pure but for the look-ups in the context. */
import { posix } from 'node:path'
import type { ExecRequest } from '../../messages.ts'
import { isPlainPath } from './holes.ts'
import { type Judgement, type PolicyContext, programOf, type Rule } from './rule.ts'
import { unsafePlace } from './rule-paths.ts'
import { type Fault, type Filled, hasHole, printWord } from './template.ts'
import { isWithin, type Judged, LEADS } from './trust.ts'

type Fitting = {
  readonly rule: Rule
  /** Indexes count from behind the program. */
  readonly filled: readonly Filled[]
  readonly request: ExecRequest
  readonly argv: readonly string[]
  readonly file: string
}

export function judgeRequest(fitting: Fitting, context: PolicyContext): Judgement | string {
  const { rule, filled, request, argv, file } = fitting
  const foreign = Object.keys(request.env ?? {}).find(name => !rule.env.includes(name))
  if (foreign !== undefined) return `the variable ${foreign} is not named by the rule`
  const program = programOf(rule)
  const place = judgeWorkdir(rule, request.workdir, context)
  if (typeof place === 'string') return place
  const fault =
    context.judge(context.find(program) ?? file).unsafe ?? unsafePlace(rule, place.real, context.judge)
  if (fault !== null) return unsafe(fault)
  const words = [program, ...argv.slice(1)]
  for (const each of filled) {
    const word = words[each.index + 1]!
    const found = judgeWord(each, word, place, context)
    if ('objection' in found) return found.objection
    words[each.index + 1] = found.word
  }
  return { file, argv: words, workdir: place.real, workdirIs: place.id }
}

const unsafe = ({ reason }: Fault): string => `${reason}: ${LEADS}`

type Place = { real: string; id: NonNullable<Judged['found']>; isBound: boolean }

/** Without a workdir the command runs in /, where nobody leaves anything for it. */
function judgeWorkdir(
  { workdir }: Rule,
  asked: string | undefined,
  { judge }: PolicyContext,
): Place | string {
  if (workdir === undefined && asked !== undefined)
    return 'the rule names no workdir, so that none can be chosen'
  const shown = workdir === undefined ? '/' : printWord(workdir)
  if (workdir !== undefined && asked === undefined) return `a workdir within ${shown} is needed`
  const isDeep = workdir !== undefined && hasHole(workdir)
  const root = judge(isDeep && workdir.hole.kind === 'path' ? workdir.hole.root : shown)
  const found = asked === undefined ? root : judge(asked)
  // Links in it may lead anywhere: only the real folder counts.
  const fits = isDeep
    ? root.real !== null && found.real !== null && found.real !== root.real && isWithin(root.real, found.real)
    : root.real !== null && found.real === root.real
  if (!fits) return `the workdir is not within ${shown}`
  if (found.unsafe !== null) return unsafe(found.unsafe)
  if (found.found?.isFolder !== true) return `the workdir ${found.real} is not a folder`
  return { real: found.real!, id: found.found, isBound: workdir !== undefined }
}

type JudgedWord = { word: string } | { objection: string }

function judgeWord(
  { hole, value }: Filled,
  word: string,
  place: Place,
  { judge }: PolicyContext,
): JudgedWord {
  if (hole.kind === 'path') {
    const root = judge(hole.root)
    const found = judge(value)
    if (root.real === null || found.real === null || !isWithin(root.real, found.real))
      return { objection: `${value} leads out of ${hole.root}` }
    if (found.unsafe !== null) return { objection: unsafe(found.unsafe) }
    if (!isPlainPath(found.real)) return { objection: `${value} leads to a name that no hole takes` }
    return { word: word.slice(0, word.length - value.length) + found.real }
  }
  // A name may also be that of a file, and that file a link: `--secret=id=x,src=NAME` and `--data=@NAME` name one, too.
  for (const text of new Set([word, word.slice(word.indexOf('=') + 1), /[^=,@]*$/.exec(word)![0]])) {
    const objection = strayFile(text, place, judge)
    if (objection !== null) return { objection }
  }
  return { word }
}

function strayFile(text: string, place: Place, judge: PolicyContext['judge']): string | null {
  // In / a process (`proc/4711/root/x`) or somebody's file (`tmp/x`) may come a moment later: its first part decides.
  const path = posix.join(place.real, text)
  const found = judge(place.isBound ? path : `/${path.split('/')[1]}`)
  if (!place.isBound) return found.found === null ? null : `${text} is a file or folder in /`
  if (found.real === null || !isWithin(place.real, found.real))
    return `${text} leads out of the rule's workdir`
  return found.unsafe === null ? null : unsafe(found.unsafe)
}
