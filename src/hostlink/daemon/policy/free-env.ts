/** Variables that turn an allowed command into any other one when a client may set them. Pure. */

const PROGRAM = 'it names code that is run along with the command'
const CONFIG = 'it names a folder with configuration, which names programs to run'
const WAYS: readonly (readonly [RegExp, string])[] = [
  [/^PATH$/, 'the command and whatever it starts are then other programs'],
  [/^LD_|^DYLD_/, PROGRAM],
  [/^(BASH_ENV|ENV|SHELLOPTS|BASHOPTS|PS4|IFS|PROMPT_COMMAND|BASH_FUNC_.*)$/, PROGRAM],
  [/^(NODE_OPTIONS|NODE_PATH|PYTHON.*|PERL5.*|RUBY(OPT|LIB)|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS)$/, PROGRAM],
  [/^(npm_config_.*|MAKEFLAGS|MAKEFILES|RSYNC_RSH|TAR_OPTIONS)$/i, PROGRAM],
  [
    /^(SSH_ASKPASS|GIT_(?!(TERMINAL_PROMPT|OPTIONAL_LOCKS|(AUTHOR|COMMITTER)_(NAME|EMAIL|DATE))$).*)$/,
    'it makes git run programs, or work on another checkout',
  ],
  [/^(EDITOR|VISUAL|PAGER|BROWSER|LESSOPEN|LESSCLOSE|SYSTEMD_EDITOR|SYSTEMD_PAGER|SYSTEMD_LESS)$/, PROGRAM],
  [
    /^(DOCKER_HOST|DOCKER_CONTEXT|CONTAINER_HOST)$/,
    'it names another engine, which the client may run itself',
  ],
  [
    /^(COMPOSE_(FILE|PATH_SEPARATOR|ENV_FILES|PROJECT_NAME|PROJECT_DIRECTORY))$/,
    'it makes compose work with other files, which may start any container, or on another stack',
  ],
  [/^(HOME|XDG_.*|DOCKER_CONFIG|BUILDX_CONFIG|CURL_HOME|WGETRC|GNUPGHOME)$/, CONFIG],
]

/** Null where it is harmless as far as is known. */
export const whyFreeEnvIsOpen = (name: string): string | null =>
  WAYS.find(([names]) => names.test(name))?.[1] ?? null
