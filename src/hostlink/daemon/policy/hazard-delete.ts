/** What `rm` and `find` delete, run and write beyond the files that they are given one by one. */
import { abbreviates, type Hazard, hazard, lettersOf } from './hazard-words.ts'

export function rmHazards(argv: readonly string[], isBound: boolean): Hazard[] {
  const found: Hazard[] = []
  for (const [index, word] of argv.entries()) {
    if (index === 0) continue
    const name = word.split('=')[0]!
    if (/[rR]/.test(lettersOf(word)) || abbreviates(word, '--recursive'))
      found.push(hazard(argv, [index], `rm ${name} deletes whole folders`))
    else if (abbreviates(word, '--no-preserve-root'))
      found.push(hazard(argv, [index], `rm ${name} deletes everything`))
    else if (isBound && (word.startsWith('/') || /(^|\/)\.\.(\/|$)/.test(word)))
      found.push(hazard(argv, [index], `rm of ${word} leads out of the rule's workdir`))
  }
  return found
}

export function findHazards(argv: readonly string[]): Hazard[] {
  return argv.flatMap((word, index) => {
    if (index > 0 && word === '-delete') return [hazard(argv, [index], 'find -delete deletes files')]
    return index > 0 && /^-(exec(dir)?|ok(dir)?|fprint[0f]?|fls)$/.test(word)
      ? [hazard(argv, [index], `find ${word} runs programs or writes files`)]
      : []
  })
}
