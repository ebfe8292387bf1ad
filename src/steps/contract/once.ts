/** Made when first asked for, because a call uses few of all schemas, and building one costs more than using it. */
export function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
