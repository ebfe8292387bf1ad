/** What an allowed program can be made to do that its rule must allow in so many words. Pure. */
import { basename } from 'node:path'
import type { Place } from './forms.ts'
import { findHazards, rmHazards } from './hazard-delete.ts'
import { dockerHazards } from './hazard-docker.ts'
import { fileHazards } from './hazard-files.ts'
import { gitHazards } from './hazard-git.ts'
import { runHazards } from './hazard-run.ts'
import { systemctlHazards } from './hazard-systemctl.ts'
import type { Hazard } from './hazard-words.ts'

export function hazardsOf(program: string, argv: readonly string[], place: Place): Hazard[] {
  const name = basename(program)
  // One file with many names: what it does goes by the name that it was called by.
  if (name === 'busybox' && basename(argv[0] ?? '') !== name) return []
  switch (name) {
    case 'git':
      return gitHazards(argv, place)
    case 'docker':
    case 'podman':
    case 'nerdctl':
      return dockerHazards(argv, place)
    case 'docker-compose':
    case 'podman-compose':
      return shifted(dockerHazards(['docker', 'compose', ...argv.slice(1)], place), -1)
    case 'systemctl':
      return systemctlHazards(argv, place)
    case 'rm':
      return rmHazards(argv, place)
    case 'find':
      return findHazards(argv, place)
  }
  const { hazards, inner } = runHazards(name, argv)
  if (inner === null) return [...hazards, ...fileHazards(name, argv, place)]
  return [...hazards, ...shifted(hazardsOf(argv[inner]!, argv.slice(inner), place), inner)]
}

const shifted = (hazards: readonly Hazard[], by: number): Hazard[] =>
  hazards.map(({ words, why }) => ({
    why,
    words: words.map(word => ({ ...word, index: word.index + by })).filter(({ index }) => index > 0),
  }))
