# shellcheck shell=bash
# What a reviewer should not have to look for: format, include rules, shell mistakes.

source_files() { git ls-files '*.c' '*.cpp' '*.h' '*.hpp'; }

cmd_lint() {
  ensure_packages "${packages_lint[@]}"
  local failed=
  say "clang-format"
  source_files | xargs -r clang-format --dry-run -Werror || failed=1
  say "include rules"
  contrib/check-includes || failed=1
  say "shell scripts"
  # contrib/dev.d/ is checked where it is read in.
  git ls-files | xargs -r grep -lE '^#!.*\b(ba)?sh\b' | xargs -r shellcheck -x -a || failed=1
  case "${1:-}" in
    --tidy) lint_tidy '' || failed=1 ;;
    --tidy=*) lint_tidy "${1#--tidy=}" || failed=1 ;;
  esac
  [ -z "$failed" ] || die "lint found something"
  say "lint found nothing"
}

# .clang-tidy has the list. --tidy takes everything, --tidy=BASE what changed since that commit.
lint_tidy() {
  say "clang-tidy"
  ensure_packages "${packages_build[@]}" "${packages_test[@]}"
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
