/** Keeps secrets out of what is written down about a request. Pure, and linear in texts that strangers send. */

const HIDDEN = '[redacted]'
const SECRET_NAME =
  /token|secret|passw(or)?d|passphrase|(api|access|private)[_-]?key|credential|authorization|cookie|(^|[^a-z])(auth|pass)($|[^a-z])|[^a-z]pwd($|[^a-z])/i
/** NAME:PASSWORD of curl and its like; where it is a user and a group, nothing of worth is lost. */
const LOGIN = /^(-u|--user|--proxy-user|-U)$/
const WORD = /[\w.-]+/g
/** Behind a name: `=x`, `: x`, `": "x y"`; the value up to a blank, or up to the end of its quotes. */
const ASSIGNED = /(["']?[ \t]*[=:][ \t]*)(?:"[^"]*"?|'[^']*'?|[^\s;&|]+)/y
/** Behind an option: ` x`, but not another option. */
const FOLLOWED = /([ \t]+)(?!-)(?:"[^"]*"?|'[^']*'?|[^\s;&|]+)/y
const BEARER = /\b(bearer|basic)([ \t]+)[A-Za-z0-9+/_=.~-]+/gi
const USERINFO = /((?<![a-z0-9+.-])[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:)[^\s/@]+@/gi

const isSecretName = (name: string): boolean => SECRET_NAME.test(name)

/** `known`: texts that are secret wherever they stand. */
export function redactText(text: string, known: readonly string[]): string {
  const plain = withoutKnown(text, known).replace(BEARER, `$1$2${HIDDEN}`).replace(USERINFO, `$1${HIDDEN}@`)
  let shown = ''
  let done = 0
  for (const { 0: name, index } of plain.matchAll(WORD)) {
    const end = index + name.length
    if (index < done || !isSecretName(name)) continue
    const value =
      matchAt(ASSIGNED, plain, end) ?? (name.startsWith('-') ? matchAt(FOLLOWED, plain, end) : null)
    if (value === null) continue
    shown += plain.slice(done, end) + value[1] + HIDDEN
    done = end + value[0].length
  }
  return shown + plain.slice(done)
}

export function redactArgv(argv: readonly string[], known: readonly string[]): string[] {
  return argv.map((word, index) => {
    const before = argv[index - 1] ?? ''
    if (/^--?[\w.-]+$/.test(before) && isSecretName(before)) return HIDDEN
    if (LOGIN.test(before) && word.includes(':')) return `${word.slice(0, word.indexOf(':'))}:${HIDDEN}`
    const equals = word.indexOf('=')
    const name = word.slice(0, Math.max(0, equals))
    if (/^[\w.-]+$/.test(name) && isSecretName(name)) return `${name}=${HIDDEN}`
    return redactText(word, known)
  })
}

export function redactEnv(env: Readonly<Record<string, string>>, known: readonly string[]) {
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [
      name,
      isSecretName(name) ? HIDDEN : redactText(value, known),
    ]),
  )
}

const withoutKnown = (text: string, known: readonly string[]): string =>
  known.reduce((rest, secret) => (secret === '' ? rest : rest.replaceAll(secret, HIDDEN)), text)

function matchAt(pattern: RegExp, text: string, index: number): RegExpExecArray | null {
  pattern.lastIndex = index
  return pattern.exec(text)
}
