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
  if [ "${1:-}" = --tidy ]; then lint_tidy || failed=1; fi
  [ -z "$failed" ] || die "lint found something"
  say "lint found nothing"
}

# The short list: what finds real mistakes, not what argues about taste.
lint_tidy() {
  say "clang-tidy"
  ensure_packages "${packages_build[@]}" "${packages_test[@]}"
  configure build -DLSMTPD_TESTS=ON
  git ls-files 'core/*.cpp' 'plugins/*.cpp' | xargs -r -P "$(nproc)" -n 4 \
    clang-tidy -p build --quiet --warnings-as-errors='*' \
    --checks='-*,bugprone-use-after-move,bugprone-dangling-handle,bugprone-infinite-loop,bugprone-sizeof-*,bugprone-undelegated-constructor,performance-move-const-arg,performance-for-range-copy,clang-analyzer-core.*,clang-analyzer-cplusplus.*,clang-analyzer-unix.*'
}

cmd_format() {
  ensure_packages clang-format git
  source_files | xargs -r clang-format -i
}
