/** Which commands and options of git a rule's wildcard may stand for: they stay within the repository and lose nothing. */
import { readForms } from './forms.ts'

export const GIT_FORMS = readForms(`
@diffs: -p -u --patch -s --no-patch -U? --unified? -W --function-context --raw --patch-with-raw --patch-with-stat --stat?
    --numstat --shortstat --dirstat? -X? --cumulative --dirstat-by-file? --summary --compact-summary --name-only
    --name-status --check --binary --full-index --color? --no-color --abbrev? --no-abbrev --src-prefix: --dst-prefix:
    --line-prefix: --no-prefix --inter-hunk-context: -B? --break-rewrites? -M? --find-renames? -D
    --irreversible-delete -C? --find-copies? --find-copies-harder --no-renames --follow --minimal -w -b
    --ignore-all-space --ignore-space-change --ignore-space-at-eol --ignore-cr-at-eol --ignore-blank-lines -I:
    --ignore-matching-lines: --indent-heuristic --no-indent-heuristic --patience --histogram --diff-algorithm:
    --anchored: --word-diff? --word-diff-regex: --color-words? --color-moved? --no-color-moved --relative? --no-relative
    -a --text --exit-code --quiet --no-ext-diff --no-textconv --ignore-submodules? --submodule? -S: -G: --pickaxe-all
    --pickaxe-regex --find-object: --diff-filter: -z -R -l: --ita-invisible-in-index --ita-visible-in-index
    --ws-error-highlight: -t -r -m -c --cc --combined-all-paths --stat-width: --stat-name-width: --stat-count:
diff: @diffs --cached --staged --merge-base --ours --theirs --base -1 -2 -3 -0 -q <files>
diff-tree: @diffs --root --stdin -v --pretty? --format: --no-commit-id --always <files>
diff-files, diff-index: @diffs --cached --merge-base -q <files>
@walks: -# -n: --max-count: --skip: --since: --after: --until: --before: --author: --committer: --grep: --all-match
    --invert-grep -i --regexp-ignore-case -E --extended-regexp -F --fixed-strings -P --perl-regexp --all --branches?
    --tags? --remotes? --glob: --exclude: --reflog --merges --no-merges --min-parents: --max-parents: --first-parent
    --not --merge --boundary --cherry-pick --cherry-mark --cherry --left-right --left-only --right-only --walk-reflogs
    -g --simplify-merges --simplify-by-decoration --full-history --dense --sparse --ancestry-path? --date-order
    --author-date-order --topo-order --reverse --no-walk? --do-walk --parents --children --date: --relative-date
@walked: --pretty? --format: --oneline --abbrev-commit --no-abbrev-commit --encoding: --graph --no-graph --decorate?
    --no-decorate --decorate-refs: --decorate-refs-exclude: --clear-decorations --source --mailmap --use-mailmap
    --no-mailmap --notes? --no-notes --show-signature --show-linear-break? -q -L: --log-size
log, show, whatchanged: @diffs @walks @walked
rev-list: @walks @walked --count --header --timestamp --objects --disk-usage? --max-age: --min-age: --quiet
    --no-object-names --in-commit-order --missing:
shortlog: --since: --after: --until: --before: --author: --grep: --all --branches? --tags? --remotes? --merges
    --no-merges --first-parent --max-count: --skip: -n --numbered -s --summary -e --email -c --committer --group:
    --format: -w? -#
status: -v --verbose -s --short -b --branch --show-stash --ahead-behind --no-ahead-behind --porcelain? --long -z --null
    -u? --untracked-files? --ignored? --ignore-submodules? --column? --no-column --no-renames --renames --find-renames?
fetch: -v --verbose -q --quiet --all -a --append --atomic -t --tags -n --no-tags -j: --jobs: -p --prune
    --recurse-submodules? --no-recurse-submodules --dry-run --progress --no-progress --depth: --shallow-since:
    --shallow-exclude: --deepen: --unshallow --refetch -4 --ipv4 -6 --ipv6 --auto-gc --no-auto-gc --no-auto-maintenance
    --show-forced-updates --no-show-forced-updates --multiple -k --keep --filter: --set-upstream <remote>
pull: -v --verbose -q --quiet --progress --no-progress --recurse-submodules? --no-recurse-submodules -r? --rebase?
    --no-rebase -n --stat --no-stat --log? --no-log --signoff --squash --no-squash --commit --no-commit --no-edit --ff
    --no-ff --ff-only --no-verify --verify-signatures --no-verify-signatures --autostash --no-autostash -X:
    --strategy-option: --all -a --append -t --tags --no-tags -p --prune -j? --jobs? --dry-run --depth: --deepen:
    --unshallow -4 --ipv4 -6 --ipv6 --set-upstream <remote>
push: -v --verbose -q --quiet --all --tags -n --dry-run --porcelain --thin -u --set-upstream --progress --no-progress
    --no-verify --follow-tags --no-follow-tags --atomic -4 --ipv4 -6 --ipv6 --recurse-submodules: <pushed>
ls-remote: -q --quiet -t --tags -h --heads --refs --get-url --sort: --exit-code --symref <remote>
checkout: -b: -q --quiet --progress --no-progress -l -d --detach -t? --track? --no-track --guess --no-guess -m --merge
    --recurse-submodules? --no-recurse-submodules --overwrite-ignore --no-overwrite-ignore --orphan: --ours --theirs
    --conflict: --ignore-skip-worktree-bits
switch: -c: --create: -q --quiet --progress --no-progress -d --detach -t? --track? --no-track --guess --no-guess -m
    --merge --recurse-submodules? --no-recurse-submodules --overwrite-ignore --no-overwrite-ignore --orphan: --conflict:
restore: -s: --source: -S --staged -W --worktree -q --quiet --progress --no-progress --ignore-unmerged --overlay
    --no-overlay --ours --theirs --recurse-submodules?
branch: -v -vv --verbose -q --quiet -t? --track? --no-track -u: --set-upstream-to: --unset-upstream --color? --no-color -r
    --remotes --contains: --no-contains: --abbrev? --no-abbrev -a --all -d --delete -m --move -c --copy -l --list
    --show-current --create-reflog --merged: --no-merged: --column? --no-column --sort: --points-at: -i --ignore-case
    --format:
tag: -l --list -n? -v --verify -a --annotate -m: --message: -s --sign -u: --local-user: --column? --no-column --contains:
    --no-contains: --merged: --no-merged: --sort: --points-at: --format: --color? -i --ignore-case --cleanup:
rev-parse: --abbrev-ref? --short? --verify -q --quiet --symbolic --symbolic-full-name --show-toplevel --git-dir
    --absolute-git-dir --git-common-dir --is-inside-work-tree --is-inside-git-dir --is-bare-repository
    --is-shallow-repository --show-prefix --show-cdup --show-superproject-working-tree --all --branches? --tags?
    --remotes? --revs-only --no-revs --flags --no-flags --sq --end-of-options --show-object-format? --git-path
    --path-format:
describe: --contains --all --tags --long --first-parent --abbrev? --exact-match --candidates: --match: --exclude:
    --always --dirty? --broken?
remote: -v --verbose -n --push --all =show =get-url =update
stash: @diffs --index -q --quiet -k --keep-index --no-keep-index -u --include-untracked --only-untracked -m: --message:
    -S --staged --oneline --format: --pretty? --date: -n: =list =show =push =pop =apply =save =create =branch
submodule: -q --quiet --cached --init --remote -N --no-fetch --checkout --recursive --recommend-shallow
    --no-recommend-shallow --depth: --jobs: -j: --single-branch --no-single-branch --progress --files -n:
    --summary-limit: =status =init =update =summary =sync
worktree: -v --verbose --porcelain -z =list
reflog: @diffs @walks @walked =show =exists =HEAD
notes: =list =show
sparse-checkout: =list
ls-files: -z -t -v -f -c --cached -d --deleted -m --modified -o --others -i --ignored -s --stage -k --killed --directory
    --eol --no-empty-directory -u --unmerged -x: --exclude: --exclude-standard --full-name --recurse-submodules
    --error-unmatch --with-tree: --abbrev? --debug --deduplicate --sparse --format:
ls-tree: -d -r -t -z -l --long --name-only --name-status --object-only --full-name --full-tree --format: --abbrev?
merge: -n --stat --no-stat --summary --log? --no-log --squash --no-squash --commit --no-commit --no-edit --cleanup: --ff
    --no-ff --ff-only --verify-signatures --no-verify-signatures -X: --strategy-option: -m: --message: -v --verbose -q
    --quiet --abort --quit --continue --progress --no-progress --autostash --no-autostash --overwrite-ignore
    --no-overwrite-ignore --signoff --no-verify --into-name:
merge-base: -a --all --octopus --independent --is-ancestor --fork-point
merge-tree: --write-tree -z --name-only --messages --no-messages
for-each-ref: --count: --format: --color? --sort: --points-at: --merged: --no-merged: --contains: --no-contains:
    --ignore-case --exclude:
show-ref: --tags --heads --verify --head -d --dereference -s? --hash? --abbrev? -q --quiet
cat-file: -t -s -e -p
blame, annotate: -b --root --show-stats --progress --no-progress -f --show-name -n --show-number -p --porcelain
    --line-porcelain -c -t -l -s -e --show-email -w --ignore-rev: --color-lines --color-by-age --minimal -C? -M? -L:
    --abbrev? --since: --date: --incremental
grep: --cached --untracked --recurse-submodules -v --invert-match -i --ignore-case -w --word-regexp -a --text -I
    --no-textconv --max-depth: -r --recursive --no-recursive -E --extended-regexp -G --basic-regexp -F --fixed-strings
    -P --perl-regexp -n --line-number --column -h -H --full-name -l --files-with-matches --name-only -L
    --files-without-match -z --null -o --only-matching -c --count --color? --no-color --break --heading -C: --context:
    -B: --before-context: -A: --after-context: --threads: -p --show-function -W --function-context -e: --and --or --not
    -q --quiet --all-match -m: --max-count: -#
commit: -q --quiet -v --verbose --author: --date: -m: --message: --reset-author --trailer: -s --signoff --no-edit
    --cleanup: --status --no-status -S? --gpg-sign? --no-gpg-sign -a --all -i --include -o --only -n --no-verify
    --dry-run --short --branch --porcelain --long -z --null --amend --no-post-rewrite -u? --untracked-files?
    --allow-empty --allow-empty-message --fixup:
add, stage: -n --dry-run -v --verbose -f --force -u --update --renormalize -N --intent-to-add -A --all --no-all
    --ignore-removal --refresh --ignore-errors --ignore-missing --sparse --chmod:
rm: -n --dry-run -q --quiet --cached -r --ignore-unmatch --sparse
mv: -v --verbose -n --dry-run -k --sparse
reset: -q --quiet --no-quiet --refresh --no-refresh --mixed --soft --keep -N --intent-to-add
gc: -q --quiet --auto --no-prune --aggressive --keep-largest-pack
config: --get --get-all --get-regexp --get-urlmatch -l --list --local --worktree --type: --bool --int --bool-or-int
    --bool-or-str --path --expiry-date -z --null --name-only --includes --no-includes --show-origin --show-scope
    --default: --fixed-value --all --regexp --value: --url:
cherry: -v --verbose --abbrev?
cherry-pick, revert: --quit --continue --abort --skip --cleanup: -n --no-commit --no-edit -s --signoff -m: --mainline: -X:
    --strategy-option: -x --ff --allow-empty --allow-empty-message --keep-redundant-commits
rebase: --onto: --keep-base --no-verify -q --quiet -v --verbose -n --no-stat --stat --signoff --continue --skip --abort
    --quit --autostash --no-autostash -f --force-rebase --no-ff --apply --merge -m --root --empty: --keep-empty
    --update-refs --fork-point --no-fork-point -X: --strategy-option: --committer-date-is-author-date
    --reapply-cherry-picks --no-reapply-cherry-picks --show-current-patch
read-tree: -m -n --dry-run -v --trivial
symbolic-ref: --short -q --quiet --no-recurse <most 1>
name-rev: --name-only --tags --refs: --exclude: --all --undefined --no-undefined --always
range-diff: @diffs @walked --creation-factor: --no-dual-color --left-only --right-only
show-branch: -r --remotes -a --all --current --topo-order --date-order --sparse --more? --list --merge-base
    --independent --no-name --sha1-name --topics --color? --no-color
count-objects: -v --verbose -H --human-readable
fsck: -v --verbose --unreachable --dangling --no-dangling --tags --root --cache --reflogs --no-reflogs --full --no-full
    --connectivity-only --strict --progress --no-progress --name-objects
verify-commit, verify-tag: -v --verbose --raw
check-ignore: -q --quiet -v --verbose -n --non-matching --no-index
check-attr: -a --all --cached
check-ref-format: --branch --normalize --allow-onelevel --no-allow-onelevel --refspec-pattern
apply: --stat --numstat --summary --check --index --cached -3 --3way -R --reverse -v --verbose -q --quiet -p: -C:
    --recount --allow-empty --intent-to-add -N --whitespace: --ignore-whitespace --ignore-space-change <files>
version, help: -a --all -g --guides --build-options
get-tar-commit-id, patch-id, stripspace: --stable --unstable -s --strip-comments -c --comment-lines
pack-refs, write-tree, update-server-info: --all --no-prune
`)
