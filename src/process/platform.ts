/** The only file that asks which system this is. What differs by it is behind names that say what is done. */
export type Platform = 'posix' | 'windows'

export const PLATFORM: Platform = process.platform === 'win32' ? 'windows' : 'posix'

export const IS_LINUX = process.platform === 'linux'

/** As Node calls it, for whoever asks what machine this is. */
export const SYSTEM_NAME: string = process.platform

/** One of two implementations, chosen once. */
export const forPlatform = <T>(by: Readonly<Record<Platform, T>>): T => by[PLATFORM]
