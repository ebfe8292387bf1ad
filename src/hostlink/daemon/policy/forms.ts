/**
 * What a program may be asked without its rule spelling it out. Only what is written down as harmless passes: an option
 * or a command that is missing here, or that a later version brings, has to be named by the rule.
 */
import { type Hazard, hazard, pathHazard } from './hazard-words.ts'

/** Where the rule lets the request work. */
export type Place = {
  /** The rule ties the request to a folder, so that what leads elsewhere has to be named, too. */
  readonly isBound: boolean
  readonly leadsOut: (path: string) => boolean
}

type Operands = 'free' | 'inside' | 'files' | 'remote' | 'pushed' | 'urls' | 'copies'

export type Form = {
  readonly flags: ReadonlySet<string>
  /** With a value: the rest of the word, or the next one. */
  readonly values: ReadonlySet<string>
  /** With a value only in the same word. */
  readonly attached: ReadonlySet<string>
  /** Of the values: those that are paths, which have to stay within the rule's folder. */
  readonly paths: ReadonlySet<string>
  readonly operands: Operands
  /** The first operand ends the options: what follows goes to another program, inside a container. */
  readonly passes: boolean
  /** What the first operand has to be, where there is one. */
  readonly actions: ReadonlySet<string> | null
  readonly most: number
}

/**
 * One form a line: `status log: -s -n: -M? -f/ <inside>`. `-n:` takes a value, `-M?` one in the same word, `-f/` a path;
 * `<...>` says what the operands are, `<passes>` that they end the options, `<most 1>` how many there may be; `=show`
 * is an action. A line that begins with `@name` is no command: its words stand wherever `@name` stands below it.
 */
export function readForms(text: string): ReadonlyMap<string, Form> {
  const lines = new Map<string, string[]>()
  for (const line of text.trim().split(/\n(?!\s{4})/)) {
    const [names = '', rest = ''] = line.split(/:(?=\s|$)(.*)/s)
    const tokens = rest.match(/<[^>]*>|\S+/g) ?? []
    const all = tokens.flatMap(token => (token.startsWith('@') ? lines.get(token)! : [token]))
    for (const name of names.split(',')) lines.set(name.trim(), all)
  }
  return new Map(
    [...lines].filter(([name]) => !name.startsWith('@')).map(([name, tokens]) => [name, formOf(tokens)]),
  )
}

function formOf(tokens: readonly string[]): Form {
  const ending = (mark: string) =>
    tokens.filter(token => token.startsWith('-') && token.endsWith(mark)).map(token => token.slice(0, -1))
  const about = tokens.filter(token => token.startsWith('<')).map(token => token.slice(1, -1))
  const actions = tokens.filter(token => token.startsWith('=')).map(token => token.slice(1))
  const most = about.find(word => word.startsWith('most '))?.slice(5)
  const kinds: Operands[] = ['inside', 'files', 'remote', 'pushed', 'urls', 'copies']
  return {
    flags: new Set(tokens.filter(token => /^-.*[^:?/]$/.test(token))),
    values: new Set([...ending(':'), ...ending('/')]),
    attached: new Set(ending('?')),
    paths: new Set(ending('/')),
    operands: kinds.find(kind => about.includes(kind)) ?? 'free',
    passes: about.includes('passes'),
    actions: actions.length > 0 ? new Set(actions) : null,
    most: most === undefined ? Number.POSITIVE_INFINITY : Number(most),
  }
}

type Asked = { readonly argv: readonly string[]; readonly place: Place; readonly command: string }

/** Everything behind the command's last word (at `at`) that its form does not hold. */
export function beyondForm(
  argv: readonly string[],
  at: number,
  form: Form | undefined,
  place: Place,
  command: string,
): Hazard[] {
  const asked = { argv, place, command }
  if (form === undefined) return [...unknownCommand(asked, at), ...unknownOptions(asked, at + 1)]
  const { operands, hazards } = readWords(asked, at + 1, form)
  return [...hazards, ...operandHazards(asked, operands, form)]
}

const unknownCommand = ({ argv, command }: Asked, at: number): Hazard[] =>
  at > 0 ? [hazard(argv, [at], `${command} is not among what is known to be harmless`)] : []

const isOption = (word: string): boolean => /^-./s.test(word)

const unknownOptions = ({ argv, command }: Asked, from: number): Hazard[] =>
  argv.flatMap((word, index) =>
    index >= from && isOption(word) ? [notKnown({ argv, command }, index, word.split('=')[0]!)] : [],
  )

const notKnown = ({ argv, command }: Pick<Asked, 'argv' | 'command'>, index: number, name: string): Hazard =>
  hazard(argv, [index], `${command} ${name} is not an option known here`)

function readWords(asked: Asked, from: number, form: Form) {
  const { argv } = asked
  const operands: number[] = []
  const hazards: Hazard[] = []
  let isSure = true
  for (let index = from; index < argv.length; index += 1) {
    const word = argv[index]!
    if (!isOption(word)) {
      operands.push(index)
      // Where an option is not known, nobody can say where its value ends and what is passed on begins.
      if (form.passes && isSure) break
    } else if (word === '--') {
      if (isSure) operands.push(...argv.map((_, key) => key).filter(key => key > index))
      else hazards.push(...unknownOptions(asked, index + 1))
      break
    } else {
      const { bad, value } = readOption(word, form)
      if (bad !== null) {
        hazards.push(notKnown(asked, index, bad))
        isSure = false
      }
      if (value === null) continue
      const isNext = value.text === null
      const text = value.text ?? argv[index + 1] ?? ''
      if (form.paths.has(value.name) && asked.place.leadsOut(text))
        hazards.push(leadsOut(asked, isNext ? index + 1 : index, text))
      if (!isNext || argv[index + 1] === undefined) continue
      index += 1
      if (!isOption(text)) continue
      hazards.push(
        hazard(argv, [index], `${asked.command} ${value.name} ${text} looks like an option of its own`),
      )
      isSure = false
    }
  }
  return { operands, hazards }
}

type Read = { bad: string | null; value: { name: string; text: string | null } | null }

function readOption(word: string, form: Form): Read {
  if (word.startsWith('--')) {
    const equals = word.indexOf('=')
    const name = equals < 0 ? word : word.slice(0, equals)
    const text = equals < 0 ? null : word.slice(equals + 1)
    if (form.values.has(name)) return { bad: null, value: { name, text } }
    return { bad: form.attached.has(name) || form.flags.has(name) ? null : name, value: null }
  }
  if (/^-[0-9]+$/.test(word) && form.flags.has('-#')) return { bad: null, value: null }
  if (form.flags.has(word)) return { bad: null, value: null }
  for (const [at, letter] of [...word.slice(1)].entries()) {
    const name = `-${letter}`
    const rest = word.slice(at + 2)
    if (form.values.has(name)) return { bad: null, value: { name, text: rest === '' ? null : rest } }
    if (form.attached.has(name)) return { bad: null, value: null }
    if (!form.flags.has(name)) return { bad: word.split('=')[0]!, value: null }
  }
  return { bad: null, value: null }
}

function operandHazards(asked: Asked, operands: readonly number[], form: Form): Hazard[] {
  const { argv, command, place } = asked
  const found: Hazard[] = []
  const [first] = operands
  if (first !== undefined && form.actions !== null && !form.actions.has(argv[first]!))
    found.push(hazard(argv, [first], `${command} ${argv[first]} is not among what is known to be harmless`))
  const extra = operands[form.most]
  if (extra !== undefined)
    found.push(hazard(argv, [extra], `${command} with ${argv[extra]} changes what it would show`))
  return [...found, ...KINDS[form.operands](operands, asked)].concat(
    form.operands === 'free'
      ? []
      : operands
          .filter(index => place.leadsOut(argv[index]!))
          .map(index => leadsOut(asked, index, argv[index]!)),
  )
}

const leadsOut = ({ argv, command }: Asked, index: number, path: string): Hazard =>
  pathHazard(argv, index, `${command} of ${path} leads out of the rule's workdir`)

/** What is to be said of the operands wherever the request works. */
const KINDS: Readonly<Record<Operands, (operands: readonly number[], asked: Asked) => Hazard[]>> = {
  free: () => [],
  inside: () => [],
  files: (operands, { argv, command }) =>
    operands
      .filter(index => climbs(argv[index]!))
      .map(index => pathHazard(argv, index, `${command} of ${argv[index]} reads any file of the host`)),
  remote: ([first], { argv, command }) =>
    first !== undefined && /[:/\\]|^[.~]/.test(argv[first]!)
      ? [pathHazard(argv, first, `${command} of ${argv[first]} is an address, not a remote that is set up`)]
      : [],
  // A remote that is not set up is a folder: pushing there runs its hooks.
  pushed: ([first], { argv, command }) =>
    first !== undefined && argv[first] !== 'origin'
      ? [pathHazard(argv, first, `${command} to ${argv[first]} may run hooks of a folder of that name`)]
      : [],
  urls: (operands, { argv, command }) =>
    operands
      .filter(index => !/^https?:\/\/|^[^:/]+(:[0-9]+)?([/?#]|$)/i.test(argv[index]!))
      .map(index => pathHazard(argv, index, `${command} of ${argv[index]} is no address of a web server`)),
  copies: (operands, { argv, command }) =>
    operands
      .filter(index => argv[index]!.includes(':'))
      .map(index =>
        pathHazard(argv, index, `${command} of ${argv[index]} runs a program that reaches another host`),
      ),
}

export const climbs = (path: string): boolean => path.startsWith('/') || /(^|[/\\])\.\.([/\\]|$)/.test(path)
