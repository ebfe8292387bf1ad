/** Undefined: it is not JSON. */
export function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
