/** For a script: a folder of its own in `$top`, without links in its name, removed when the script ends or is stopped. */
export const PRIVATE_FOLDER = `
umask 077
top=$(mktemp -d "\${TMPDIR:-/tmp}/hostops-guard.XXXXXX") && top=$(cd -- "$top" && pwd -P) || exit 9
trap 'rm -rf "$top"' EXIT
trap 'exit 9' HUP INT TERM
`
