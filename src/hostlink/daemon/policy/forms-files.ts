/** The same of programs that read, write and fetch files; those that have no command of their own. */
import { readForms } from './forms.ts'

export const FILE_FORMS = readForms(`
rm: -f --force -i -I --interactive? -v --verbose -d --dir --one-file-system --preserve-root? <inside>
rsync: -a --archive -v --verbose -z --compress -r --recursive -t --times -n --dry-run -q --quiet -u --update -c --checksum
    -h --human-readable -i --itemize-changes -l --links -p --perms -P --partial --progress --stats --exclude: --include:
    -m --prune-empty-dirs <copies>
curl: -f --fail --fail-with-body -s --silent -S --show-error -i --include -I --head -v --verbose -g --globoff -L
    --location -m: --max-time: --connect-timeout: --retry: --retry-delay: --retry-max-time: --retry-connrefused
    --retry-all-errors -X: --request: -4 --ipv4 -6 --ipv6 --http1.1 --http2 --compressed -A: --user-agent: -N --no-buffer
    <urls>
wget: -q --quiet -S --server-response --spider -T: --timeout: -t: --tries: -nv --no-verbose -4 -6 <urls>
`)

/** What `find` may look at. It takes its words one by one, with one dash. */
export const FIND_WORDS = new Set(
  `-P -a -and -o -or -not -true -false -depth -d -maxdepth -mindepth -mount -xdev -daystart -ignore_readdir_race
  -noignore_readdir_race -amin -anewer -atime -cmin -cnewer -ctime -empty -executable -fstype -gid -group -ilname -iname
  -inum -ipath -iregex -iwholename -links -lname -mmin -mtime -name -newer -nogroup -nouser -path -perm -readable -regex
  -regextype -samefile -size -type -uid -used -user -wholename -writable -xtype -print -print0 -printf -ls -prune
  -quit --help --version -help -version`.split(/\s+/),
)

/** Programs whose words are the files that they read or write: in a rule's folder they stay there. */
export const TAKES_FILES =
  /^(cat|tac|head|tail|less|more|cp|mv|ln|install|tee|touch|mkdir|rmdir|chmod|chown|chgrp|ls|dir|du|stat|file|wc|sort|uniq|cut|diff|cmp|grep|egrep|fgrep|zcat|gzip|gunzip|bzip2|xz|zip|unzip|cpio|ar|dd|truncate|shred|unlink|readlink|realpath|tree|od|xxd|hexdump|strings|base64|base32|md5sum|sha[0-9]+sum|jq|yq|split|patch|nl|fold|paste|join|comm|rev)$/
