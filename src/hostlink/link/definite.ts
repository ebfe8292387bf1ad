type Definite<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}

/** Leaves out what is undefined, so that it counts as absent. */
export const definite = <T extends object>(fields: T): Definite<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Definite<T>
