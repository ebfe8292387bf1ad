/** What programs that copy, pack and fetch files reach beyond the rule's folder, and which other programs they run. */
import { beyondForm, type Place } from './forms.ts'
import { FILE_FORMS, TAKES_FILES } from './forms-files.ts'
import { type Hazard, hazard, pathHazard } from './hazard-words.ts'

export function fileHazards(name: string, argv: readonly string[], place: Place): Hazard[] {
  const form = FILE_FORMS.get(name)
  if (form !== undefined) return beyondForm(argv, 0, form, place, name)
  if (/^(bsd)?tar$/.test(name)) return tarHazards(name, argv, place)
  return TAKES_FILES.test(name) ? outside(name, argv, place) : []
}

/** Its options are to be named in any case; its first word may hold them without a dash. */
function tarHazards(name: string, argv: readonly string[], place: Place): Hazard[] {
  const [, letters = ''] = argv
  const isOld = /^[A-Za-z]+$/.test(letters)
  const found = argv.flatMap((word, index) =>
    index > 0 && word.includes(':')
      ? [hazard(argv, [index], `${name} of ${word} runs a program that reaches another host`)]
      : [],
  )
  if (isOld && /[^xctvzjJf]/.test(letters))
    found.push(hazard(argv, [1], `${name} ${letters} holds a letter that is not known here`))
  return [...found, ...outside(name, argv, place)]
}

/** A path may stand by itself, behind `=`, or right behind a letter. */
const outside = (name: string, argv: readonly string[], { leadsOut }: Place): Hazard[] =>
  argv.flatMap((word, index) => {
    if (index === 0) return []
    const behind = /^--?[^=]*=(.*)$/s.exec(word)?.[1]
    const places = /^-./s.test(word) ? [behind, word.slice(2)] : [word, /^[a-z]+=(.*)$/s.exec(word)?.[1]]
    return places.some(path => path !== undefined && path !== '' && leadsOut(path))
      ? [pathHazard(argv, index, `${name} of ${word} leads out of the rule's workdir`)]
      : []
  })
