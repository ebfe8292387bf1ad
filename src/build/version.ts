declare const __VERSION__: string | undefined

/** Filled in by the bundle; tests that import sources see the placeholder. */
export const VERSION = typeof __VERSION__ === 'string' ? __VERSION__ : '0.0.0-source'
