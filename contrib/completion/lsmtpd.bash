# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Bash completion for lsmtpd(8). tests/integration/test_manual.py compares it with `lsmtpd --help`.

# Finds the command, and the action of `spool`, in the words before the cursor.
_lsmtpd_parse() {
  local i
  command='' action=''
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case ${COMP_WORDS[i]} in
      -c | --config | --plugin | -o | --option | --output | --from | --to | --helo | --peer | --look-up | --socket | --recipient | --reason | --message-id | --for | --older | --orphans | --spool | --limit | --dir | --within) ((++i)) ;;
      -*) ;;
      *) if [ -z "$command" ]; then command=${COMP_WORDS[i]}; else action=${action:-${COMP_WORDS[i]}}; fi ;;
    esac
  done
}

# Sets `words`, `options` and `files` for `spool`.
_lsmtpd_spool() {
  local states='--waiting --dead --quarantine' select='--from --to --reason --message-id --for --older --limit'
  options+=' --plugin'
  case $action in
    '') words='summary ls show export rm retry import move' ;;
    summary) options+=" $states --all $select --json" ;;
    ls) options+=" $states --all $select --subject --json" ;;
    show) options+=" $states --json" ;;
    export) options+=" $states --all $select --output --dir" ;;
    rm) options+=" $states --all $select" ;;
    retry) options+=" --dead --quarantine --all $select" ;;
    import) files=1 ;;
    move) options+=" $states --all ${select/--to/--to --recipient} --held" ;;
  esac
}

# The installed plugins: the lines of `lsmtpd plugins` that are not indented begin with a name.
_lsmtpd_plugins() { "${COMP_WORDS[0]}" plugins 2>/dev/null | sed -n 's/^\([a-z_0-9]*\) .*/\1/p'; }

_lsmtpd() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local command action words='' options='--config --help' files=''
  _lsmtpd_parse
  case $before:$command in
    -c:* | --config:* | --output:* | --socket:* | --dir:* | --spool:* | -o:spool | -o:map) files=1 ;;
    --plugin:try)
      files=1
      words=$(_lsmtpd_plugins)
      ;;
    --plugin:* | -o:* | --option:* | --from:* | --helo:* | --peer:* | --look-up:*) options='' ;;
    --recipient:* | --reason:* | --message-id:* | --for:* | --older:* | --orphans:* | --limit:* | --within:*) options='' ;;
    --to:*)
      options=''
      [ "$action" != move ] || files=1
      ;;
    *:)
      words='run check plugins try auth migrate spool map claims ctl'
      options+=' --version'
      ;;
    *:check) options+=' --print --changed --user --live --route --listening' ;;
    *:plugins) words=$(_lsmtpd_plugins) ;;
    *:try) options+=' --plugin --option --from --to --helo --peer --show' ;;
    *:auth) words='hash' ;;
    *:migrate)
      files=1
      options+=' --from-env --service'
      ;;
    *:spool) _lsmtpd_spool ;;
    *:ctl)
      words='status reload drain sessions hold release flush log-level trace'
      options+=' --socket --json --flush --within --peer --to --log'
      ;;
    *:claims) options+=' --plugin --orphans --spool --delete' ;;
    *:map)
      files=1
      options+=' --plugin --output --look-up'
      ;;
  esac
  [[ $word != -* ]] || words=$options
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  [ -z "$files" ] || mapfile -O "${#COMPREPLY[@]}" -t COMPREPLY < <(compgen -f -- "$word")
}

complete -F _lsmtpd lsmtpd
