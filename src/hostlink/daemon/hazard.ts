/** What an allowed program can be made to do that its rule must allow in so many words. Pure. */
import { basename } from 'node:path'
import { dockerHazards } from './hazard-docker.ts'
import { gitHazards } from './hazard-git.ts'
import type { Hazard } from './hazard-words.ts'

/** `isBound`: the rule ties the request to a folder, so that options that lead elsewhere have to be named, too. */
export function hazardsOf(program: string, argv: readonly string[], isBound: boolean): Hazard[] {
  switch (basename(program)) {
    case 'git':
      return gitHazards(argv, isBound)
    case 'docker':
    case 'podman':
    case 'nerdctl':
      return dockerHazards(argv, isBound)
    case 'docker-compose':
    case 'podman-compose':
      return dockerHazards(['docker', 'compose', ...argv.slice(1)], isBound).map(shiftLeft)
    default:
      return []
  }
}

const shiftLeft = ({ words, why }: Hazard): Hazard => ({
  why,
  words: words.map(({ index, text }) => ({ index: index - 1, text })).filter(({ index }) => index > 0),
})
