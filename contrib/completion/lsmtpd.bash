# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Bash completion for lsmtpd(8). tests/integration/test_manual.py compares it with `lsmtpd --help`.

# What the words before the cursor say: the command, and the action of `spool`.
_lsmtpd_parse() {
  local i
  command='' action=''
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case ${COMP_WORDS[i]} in
      -c | --config | --plugin | -o | --option | --output | --from | --to | --helo | --peer) ((++i)) ;;
      -*) ;;
      *) if [ -z "$command" ]; then command=${COMP_WORDS[i]}; else action=${action:-${COMP_WORDS[i]}}; fi ;;
    esac
  done
}

# Sets `words` and `options` for `spool`.
_lsmtpd_spool() {
  options+=' --plugin'
  case $action in
    '') words='ls show export rm retry' ;;
    ls) options+=' --dead --quarantine --all --json' ;;
    show) options+=' --json' ;;
    export) options+=' --output' ;;
    rm) options+=' --dead --quarantine --all' ;;
    retry) options+=' --quarantine --all' ;;
  esac
}

# The installed plugins: the lines of `lsmtpd plugins` that are not indented begin with a name.
_lsmtpd_plugins() { "${COMP_WORDS[0]}" plugins 2>/dev/null | sed -n 's/^\([a-z_0-9]*\) .*/\1/p'; }

_lsmtpd() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local command action words='' options='--config --help' files=''
  _lsmtpd_parse
  case $before:$command in
    -c:* | --config:* | --output:* | -o:spool) files=1 ;;
    --plugin:try)
      files=1
      words=$(_lsmtpd_plugins)
      ;;
    --plugin:* | -o:* | --option:* | --from:* | --to:* | --helo:* | --peer:*) options='' ;;
    *:)
      words='run check plugins try spool'
      options+=' --version'
      ;;
    *:check) options+=' --print --changed --user --live --listening' ;;
    *:plugins) words=$(_lsmtpd_plugins) ;;
    *:try) options+=' --plugin --option --from --to --helo --peer --show' ;;
    *:spool) _lsmtpd_spool ;;
  esac
  [[ $word != -* ]] || words=$options
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  [ -z "$files" ] || mapfile -O "${#COMPREPLY[@]}" -t COMPREPLY < <(compgen -f -- "$word")
}

complete -F _lsmtpd lsmtpd
