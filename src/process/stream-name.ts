export type StreamName = 'stdout' | 'stderr'
