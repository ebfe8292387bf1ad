/** What `rm` and `find` delete, run and write beyond the files that they are given one by one. */
import { beyondForm, type Place } from './forms.ts'
import { FILE_FORMS, FIND_WORDS } from './forms-files.ts'
import { abbreviates, type Hazard, hazard, lettersOf, pathHazard } from './hazard-words.ts'

export function rmHazards(argv: readonly string[], place: Place): Hazard[] {
  const found: Hazard[] = []
  for (const [index, word] of argv.entries()) {
    if (index === 0) continue
    const name = word.split('=')[0]!
    if (/[rR]/.test(lettersOf(word)) || abbreviates(word, '--recursive'))
      found.push(hazard(argv, [index], `rm ${name} deletes whole folders`))
    else if (abbreviates(word, '--no-preserve-root'))
      found.push(hazard(argv, [index], `rm ${name} deletes everything`))
  }
  return [...found, ...beyondForm(argv, 0, FILE_FORMS.get('rm'), place, 'rm')]
}

export function findHazards(argv: readonly string[], { leadsOut }: Place): Hazard[] {
  const isTest = (word: string) => /^-./s.test(word) || /^[(),!]$/.test(word)
  const firstTest = argv.findIndex((word, index) => index > 0 && isTest(word) && word !== '-P')
  return argv.flatMap((word, index) => {
    if (index === 0) return []
    if (word === '-delete') return [hazard(argv, [index], 'find -delete deletes files')]
    if (/^-(exec(dir)?|ok(dir)?|fprint[0f]?|fls)$/.test(word))
      return [hazard(argv, [index], `find ${word} runs programs or writes files`)]
    // Also what may be the value of a test in front of it: which ones take how many is not worth knowing.
    if (/^-./s.test(word) && !FIND_WORDS.has(word) && !/^-(newer[aBcm][aBcmt]|[0-9]+)$/.test(word))
      return [hazard(argv, [index], `find ${word} is not a test known here`)]
    if (index < firstTest || firstTest < 0)
      return leadsOut(word)
        ? [pathHazard(argv, index, `find in ${word} leads out of the rule's workdir`)]
        : []
    return []
  })
}
