/** What an image's name says about where it comes from. Pure. */
import * as z from 'zod'

/** Never an option: it starts with a letter or a digit. */
const IMAGE =
  /^[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$/

export const imageField = () =>
  z
    .string()
    .max(512)
    .regex(IMAGE, 'the name of an image, such as openclaw:local or registry.example/openclaw:1.2')

/** `registry.example/app`, `localhost/app`, `host:5000/app`: as Docker itself tells a host from a folder. */
export function hasRegistryHost(name: string): boolean {
  const [first = '', ...rest] = name.split('/')
  return rest.length > 0 && (/[.:]/.test(first) || first === 'localhost')
}

export const repositoryOf = (name: string): string => name.replace(/@.*$/, '').replace(/:[^/:]*$/, '')

const withTag = (name: string) => (/(:[^/]*|@[^/]*)$/.test(name.split('/').at(-1)!) ? name : `${name}:latest`)

export const sameImageName = (one: string, other: string): boolean => withTag(one) === withTag(other)
