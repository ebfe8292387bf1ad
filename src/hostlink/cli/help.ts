import { VERSION } from '../../build/version.ts'

export const version = () => `hostlink ${VERSION}\n`

export const help = () => `Usage: hostlink [OPTIONS] COMMAND

Commands
  exec WORD...            run a shell command on the host; several words are joined with one blank
  ping                    is the daemon there, and does it know the token?
  targets [-P]            list targets.conf; -P pings each of them
  job list                jobs, oldest first
  job status ID           how a job stands, or how it ended
  job tail ID [-f]        its output so far; -f follows it to the end; --stderr: the other stream
  job wait ID [-o]        until it has ended; -o: then print its output
  job cancel ID [--kill]  end it (TERM, or KILL)

Where to (options stand before the command or right behind it, in front of its words)
  -s, --socket PATH       Unix socket (HOSTLINK_SOCKET, else /run/hostlink/hostlink.sock)
  -a, --address HOST[:PORT]  TCP (port 9876)
  -t, --target NAME       a section of targets.conf (HOSTLINK_TARGET)
  -F, --targets-file FILE (HOSTLINK_TARGETS, else /etc/hostlink/targets.conf, ~/.config/hostlink/targets.conf)
      --token-file FILE   file with the token (HOSTLINK_TOKEN_FILE)
  -k, --token TOKEN       the token itself, seen by every user of this machine (better: HOSTLINK_TOKEN)
  -C, --connect-timeout MS  default 5000

How
  -w, --workdir DIR       working directory there
  -e, --env NAME=VALUE    environment variable there; may be repeated
  -T, --timeout MS        limit of the command (with -D: of the job); without: the target's or the daemon's
  -m, --max-output SIZE   keep at most this much of each stream (4096, 64K, 4M, 1G)
      --max-stdout SIZE, --max-stderr SIZE  of one stream
  -O, --output-to-file    output goes to files on the host; their names are printed
  -D, --detach            run as a job: prints its id and returns at once
      --stream            live output, exact bytes
      --argv              the words are program and arguments, no shell takes part
  -j, --json              print the whole answer as one line of JSON
      --passthrough       exit with the command's own code (HOSTLINK_EXIT_CODES=passthrough)
  -f, -o, --kill, --stderr, --interval MS, --wait-timeout MS  belong to job
  -h, --help   -V, --version

Exit codes
  0 ok   1 the command failed   2 cannot connect   3 authentication failed   4 the daemon refused or failed
  5 timeout   6 no answer, or a broken one   7 wrong arguments or settings   130 Ctrl-C (the command is cancelled)
  --passthrough: the command's own code, 124 timeout, 125 everything else that is not the command's

--stream and --argv need a daemon that offers them; others are left alone, exit code 7.
Without -T the client waits 10 minutes for an answer at the most.
`
