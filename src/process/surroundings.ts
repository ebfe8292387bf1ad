/** The parts of this process that commands depend on. They are passed in, so that nothing reaches for globals. */
export type Surroundings = {
  env: Env
  cwd: string
}

export type Env = Readonly<Record<string, string | undefined>>
