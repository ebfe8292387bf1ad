/** How a run is shown, and where its report is written besides. */
export type Shown = {
  output: 'auto' | 'tree' | 'lines' | 'json'
  quiet?: boolean
  reportFile?: string
}
