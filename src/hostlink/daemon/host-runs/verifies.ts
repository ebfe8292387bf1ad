/** Whether a playbook's own text asks for signatures. Pure. */
import { isScalar, parseDocument, visit } from 'yaml'

export function verifiesSignatures(text: string): boolean {
  let found = false
  visit(parseDocument(text), {
    Pair: (_, { key, value }) => {
      found ||= isScalar(key) && key.value === 'verify' && isScalar(value) && value.value === 'signature'
      return found ? visit.BREAK : undefined
    },
  })
  return found
}
