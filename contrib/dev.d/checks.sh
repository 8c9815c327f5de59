# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Checks before a review: format, include rules, shell mistakes.

source_files() { git ls-files '*.c' '*.cpp' '*.h' '*.hpp'; }

# lint [--staged | --tidy[=COMMIT]]. --staged, for contrib/hooks/pre-commit: only the files that are staged, and nothing is
# installed for it.
cmd_lint() {
  local -a files
  local failed=
  if [ "${1:-}" = --staged ]; then
    [ -z "$(missing_packages "${packages_lint[@]}")" ] ||
      die "lint needs $(missing_packages "${packages_lint[@]}" | xargs): contrib/dev packages lint"
    mapfile -t files < <(git diff --cached --name-only --diff-filter=d)
  else
    ensure_packages "${packages_lint[@]}"
    mapfile -t files < <(git ls-files)
  fi
  [ ${#files[@]} -gt 0 ] || return 0
  lint_files "${files[@]}" || failed=1
  case "${1:-}" in
    --tidy) lint_tidy '' || failed=1 ;;
    --tidy=*) lint_tidy "${1#--tidy=}" || failed=1 ;;
  esac
  [ -z "$failed" ] || die "lint found something"
  say "lint found nothing"
}

# lint_files FILE...
lint_files() {
  local failed=
  say "clang-format"
  printf '%s\n' "$@" | sed -nE '/\.(c|cpp|h|hpp)$/p' | xargs -r clang-format --dry-run -Werror || failed=1
  say "include rules"
  contrib/check-includes || failed=1
  say "names of constants and enumerators"
  contrib/check-names || failed=1
  say "licence lines"
  contrib/check-spdx "$@" || failed=1
  say "shell scripts"
  # contrib/dev.d/ is checked where it is read in.
  printf '%s\n' "$@" | sed 's#^contrib/dev\.d/.*#contrib/dev#' | sort -u |
    { xargs -r grep -lE '^#!.*\b(ba)?sh\b|^# shellcheck shell=' || true; } | xargs -r shellcheck -x -a || failed=1
  [ -z "$failed" ]
}

# .clang-tidy has the list. --tidy takes everything, --tidy=BASE what changed since that commit.
lint_tidy() {
  say "clang-tidy"
  ensure_packages "${packages_build[@]}" "${packages_test[@]}" "${packages_tidy[@]}"
  configure build -DLSMTPD_TESTS=ON
  if [ -n "$1" ]; then
    git diff --name-only --diff-filter=d "$1" -- 'core/*.cpp' 'plugins/*.cpp'
  else
    git ls-files 'core/*.cpp' 'plugins/*.cpp'
  fi | xargs -r -P "$(nproc)" -n 1 clang-tidy -p build --quiet
}

cmd_format() {
  ensure_packages clang-format git
  source_files | xargs -r clang-format -i
}
