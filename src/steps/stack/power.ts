/** One thing that a stack may do beyond its own containers, with a key that a reviewer can allow it by. */

import { createHash } from 'node:crypto'
import { isRecord } from '../../document/is-record.ts'

export type Power = {
  /** `gateway:bind=/srv/data`: stable, without spaces and commas. */
  key: string
  /** "gateway would mount /srv/data of the host". */
  words: string
}

/** `name`: of a service, or `networks.NAME` and the like; empty for the top level. */
export const power = (name: string, what: string, words: string, value?: unknown): Power => ({
  key: `${name === '' ? '' : `${keyWord(name).replaceAll(':', '%3A')}:`}${keyWord(what)}${value === undefined ? '' : `=${keyed(value)}`}`,
  // Not cut: half of a secret is one, too.
  words:
    words.length > 2 * LONGEST
      ? `${name || 'the stack'} would set ${what} to something long`
      : visible(words),
})

/** A field about which nothing is known but its name. Each entry of a list is a power of its own. */
export function unknownField(name: string, field: string, value: unknown): Power[] {
  const who = name === '' ? 'the stack' : name
  const all = Array.isArray(value) && value.length > 0 ? value : [value]
  return all.map(each => {
    // What stands inside may be the value of a secret.
    const shownValue = typeof each === 'object' ? '' : `: ${text(each)}`
    return power(name, field, `${who} would set ${field}${shownValue}`, each)
  })
}

const LONGEST = 200
export const text = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? '')

/** What is not a plain word is named by its digest, so that another value is another power. */
function keyed(value: unknown): string {
  const whole = text(isRecord(value) ? sorted(value) : value)
  if (typeof value !== 'object' && whole !== '' && whole.length <= LONGEST) return keyWord(whole)
  return `sha256.${createHash('sha256').update(whole).digest('hex').slice(0, 16)}`
}

const sorted = (value: object) =>
  JSON.parse(
    JSON.stringify(value, (_, each) =>
      isRecord(each) ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1))) : each,
    ),
  )

export const keyWord = (word: string) =>
  word.replace(/[^\x21-\x7e]|[,%=]/gu, each =>
    each === ',' ? '%2C' : encodeURIComponent(/\p{Surrogate}/u.test(each) ? '?' : each),
  )

/** One line, without anything that turns text around. */
export const visible = (words: string): string =>
  words.replace(/[^\x20-\x7e\u00a0-\u1fff\u2c00-\ud7ff]/g, '?')
