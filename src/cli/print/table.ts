import { printable } from '../../wording/printable.ts'

/** Columns as wide as their widest cell; the last one is not padded. What a cell holds steers no terminal. */
export function table(texts: readonly (readonly string[])[], indent = ''): string {
  const rows = texts.map(row => row.map(printable))
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  return rows
    .map(
      row =>
        `${indent}${row
          .map((cell, at) => cell.padEnd(widths[at]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}
