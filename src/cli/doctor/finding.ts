/** One thing that was looked at. `ok: null`: it could not be looked at, which is no fault by itself. */
export type Finding = { name: string; ok: boolean | null; detail: string; fix?: string }

export type Section = { title: string; findings: Finding[] }

export const good = (name: string, detail: string): Finding => ({ name, ok: true, detail })
export const bad = (name: string, detail: string, fix: string): Finding => ({ name, ok: false, detail, fix })
export const unseen = (name: string, detail: string): Finding => ({ name, ok: null, detail })
