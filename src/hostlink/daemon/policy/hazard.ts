/** What an allowed program can be made to do that its rule must allow in so many words. Pure. */
import { basename } from 'node:path'
import { findHazards, rmHazards } from './hazard-delete.ts'
import { dockerHazards } from './hazard-docker.ts'
import { gitHazards } from './hazard-git.ts'
import { runHazards } from './hazard-run.ts'
import { systemctlHazards } from './hazard-systemctl.ts'
import type { Hazard } from './hazard-words.ts'

/** `isBound`: the rule ties the request to a folder, so that options that lead elsewhere have to be named, too. */
export function hazardsOf(program: string, argv: readonly string[], isBound: boolean): Hazard[] {
  const name = basename(program)
  // One file with many names: what it does goes by the name that it was called by.
  if (name === 'busybox' && basename(argv[0] ?? '') !== name) return []
  switch (name) {
    case 'git':
      return gitHazards(argv, isBound)
    case 'docker':
    case 'podman':
    case 'nerdctl':
      return dockerHazards(argv, isBound)
    case 'docker-compose':
    case 'podman-compose':
      return shifted(dockerHazards(['docker', 'compose', ...argv.slice(1)], isBound), -1)
    case 'systemctl':
      return systemctlHazards(argv)
    case 'rm':
      return rmHazards(argv, isBound)
    case 'find':
      return findHazards(argv)
  }
  const { hazards, inner } = runHazards(name, argv)
  if (inner === null) return hazards
  return [...hazards, ...shifted(hazardsOf(argv[inner]!, argv.slice(inner), isBound), inner)]
}

const shifted = (hazards: readonly Hazard[], by: number): Hazard[] =>
  hazards.map(({ words, why }) => ({
    why,
    words: words.map(({ index, text }) => ({ index: index + by, text })).filter(({ index }) => index > 0),
  }))
