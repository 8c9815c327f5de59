# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Configure, build, run, test.

# One ccache for all build folders: build-package does not compile again files that build compiled with the same
# options.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1

# configure FOLDER [-DNAME=VALUE...]: only when the folder is new or a value differs from its cache;
# ninja runs cmake again by itself when a CMakeLists.txt changed. Warnings are errors unless told otherwise.
configure() {
  local folder=$1 def name stale=
  shift
  case " $*" in *-DLSMTPD_WERROR=*) ;; *) set -- -DLSMTPD_WERROR=ON "$@" ;; esac
  set -- "$@" -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_C_COMPILER_LAUNCHER=ccache
  if [ -f "$folder/build.ninja" ]; then
    for def in "$@"; do
      name=${def#-D}
      [ "$(sed -n "s/^${name%%=*}:[A-Z]*=//p" "$folder/CMakeCache.txt")" = "${name#*=}" ] || stale=1
    done
    [ -n "$stale" ] || return 0
  fi
  say "configuring $folder"
  cmake -S . -B "$folder" -G Ninja "$@" >"$folder.configure.log" 2>&1 || {
    cat "$folder.configure.log" >&2
    die "cmake could not configure $folder"
  }
  mv "$folder.configure.log" "$folder/configure.log"
}

# The number of compilers at once: a core each, and about 1 GiB of the free memory of the machine and the container.
compile_jobs() {
  local cores mib limit
  cores=$(nproc)
  mib=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' "${LSMTPD_MEMINFO:-/proc/meminfo}")
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  [ "$limit" = max ] || [ $((limit / 1048576)) -ge "$mib" ] || mib=$((limit / 1048576))
  mib=$((mib / 1024))
  [ "$mib" -ge 1 ] || mib=1
  echo $((mib < cores ? mib : cores))
}

# Of ninja's lines, one every ten seconds that says how far it is, and all that a compiler says.
show_progress() {
  local line last=$SECONDS
  while IFS= read -r line; do
    if [[ $line =~ ^\[[0-9]+/[0-9]+\]\  ]]; then
      [ $((SECONDS - last)) -ge 10 ] || continue
      last=$SECONDS
    fi
    printf '%s\n' "$line"
  done
}

# build FOLDER [TARGET...]: with progress: on a terminal in one line, else a line now and then. Two at once in one folder
# wait for each other: ninja itself does not.
build() {
  local folder=$1 jobs
  shift
  jobs=$(compile_jobs)
  (
    exec 8>"$folder/lock"
    flock --nonblock 8 || {
      say "waiting for another contrib/dev that builds $folder"
      flock 8
    }
    if [ "$(ninja -C "$folder" -n "$@" 8<&- | wc -l)" -gt 2 ]; then say "building $folder, $jobs at once"; fi
    export NINJA_STATUS='[%f/%t] '
    if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then
      ninja -C "$folder" -j "$jobs" "$@" 8<&-
    else
      ninja -C "$folder" -j "$jobs" "$@" 2>&1 8<&- | show_progress
    fi
  )
}

# Prints whether warnings are errors for users who only build: OFF on a release whose compiler is untested.
werror_for_users() {
  case "$debian_release" in 12 | 13) echo ON ;; *) echo OFF ;; esac
}

# build_daemon [PACKAGE...]: the daemon and the plugins, without the tests.
build_daemon() {
  ensure_packages "${packages_build[@]}" "$@"
  [ -f build/build.ninja ] || configure build -DLSMTPD_TESTS=OFF "-DLSMTPD_WERROR=$(werror_for_users)"
  build build lsmtpd plugins/all
}

cmd_build() {
  build_daemon
  say "build/lsmtpd and build/plugins are up to date"
}

cmd_run() {
  build_daemon "${packages_run[@]}"
  say "serving; Ctrl-C stops it"
  exec build/lsmtpd run --config etc/lsmtpd.toml "$@"
}

# run_ctest FOLDER [OPTION...]
run_ctest() {
  local folder=$1
  shift
  LSMTPD_BUILD="$root/$folder" LSMTPD_CACHE="$cache" \
    ctest --test-dir "$folder" --output-on-failure -j "$(nproc)" "$@"
}

# prepare_tests [brokers]: the packages and programs of every kind of test, and the brokers.
prepare_tests() {
  ensure_packages "${packages_build[@]}" "${packages_test[@]}"
  [ -z "${CI:-}" ] || ensure_packages "${packages_ci[@]}"
  unpack_package postfix "$cache/postfix"
  unpack_package prometheus "$cache/prometheus" # promtool
  unpack_package exim4-daemon-light "$cache/exim4"
  unpack_package fail2ban "$cache/fail2ban" # fail2ban-regex
  unpack_package testssl.sh "$cache/testssl"
  get_policy_services
  (get_envoy) || say "without Envoy: its tests are skipped"
  if [ -n "$1" ]; then
    get_brokers || { [ -z "${CI:-}" ] || die "the message brokers are needed in CI"; }
    get_worker_libraries
  else
    export LSMTPD_NO_BROKERS=1
  fi
}

cmd_test() {
  case "${1:-}" in
    brokers | cluster | faults | soak)
      test_long "$@"
      return
      ;;
    packages)
      shift
      test_packages "$@"
      return
      ;;
  esac
  local sanitize='' brokers=1
  local -a ctest=()
  while [ $# -gt 0 ]; do
    case "$1" in
      --sanitize) sanitize=1 ;;
      --no-brokers) brokers='' ;;
      *) ctest+=("$1") ;;
    esac
    shift
  done
  prepare_tests "$brokers"
  if [ -n "$sanitize" ]; then
    test_sanitized "${ctest[@]}"
  else
    configure build -DLSMTPD_TESTS=ON
    build build
    run_ctest build "${ctest[@]}"
  fi
}

# faults [OPTION...]: the whole fault matrix; soak [MINUTES] [OPTION...]. Both print their ledgers. brokers [OPTION...]: the
# example workers, output_amqp with more brokers, and the long tests of outputs. cluster [OPTION...]: replicas behind a
# balancer into broker clusters.
test_long() {
  local kind=$1 brokers=1 folder=tests/integration
  local -a pytest=()
  shift
  if [ "$kind" = brokers ]; then
    export LSMTPD_LONG=1 LSMTPD_ALL_BROKERS=1
    get_worker_libraries all
    get_brokers all
    pytest=(test_amqp_workers.py test_workers.py test_use_cases.py test_brokers.py test_amqp_brokers.py test_output_kafka.py test_claim_s3.py)
  elif [ "$kind" = cluster ]; then
    export LSMTPD_LONG=1
    folder=tests/cluster
  elif [ "$kind" = faults ]; then
    export LSMTPD_LONG=1
    pytest=(test_kill.py test_replay.py test_faults.py test_power.py test_broker_faults.py test_conformance.py)
  else
    export LSMTPD_SOAK=30
    pytest=(test_soak.py)
    case "${1:-}" in [0-9]*)
      LSMTPD_SOAK=$1
      shift
      ;;
    esac
  fi
  while [ $# -gt 0 ]; do
    case "$1" in
      --no-brokers) brokers='' ;;
      --report)
        [ $# -gt 1 ] || die "--report needs a file"
        LSMTPD_REPORT=$(realpath -m "$2")
        export LSMTPD_REPORT
        shift
        ;;
      *) pytest+=("$1") ;;
    esac
    shift
  done
  prepare_tests "$brokers"
  configure build -DLSMTPD_TESTS=ON
  build build
  (
    cd "$folder"
    LSMTPD_BUILD="$root/build" LSMTPD_CACHE="$cache" PYTHONDONTWRITEBYTECODE=1 \
      /usr/bin/python3 -m pytest "--basetemp=$root/build/tests/integration/$kind" "${pytest[@]}"
  )
}

# bench outputs: each output to a broker or HTTP server, beside a bare sender of its protocol.
bench_outputs() {
  ensure_packages "${packages_build[@]}" "${packages_test[@]}" "${packages_bench[@]}"
  unpack_package postfix "$cache/postfix"
  get_brokers
  get_nats
  configure build -DLSMTPD_TESTS=ON
  build build lsmtpd plugins/all bare_senders
  LSMTPD_BUILD="$root/build" LSMTPD_CACHE="$cache" tests/bench/bench_outputs.py "$@"
}

# bench: the whole daemon from outside, beside its peers. bench micro: the hot functions, with Google
# Benchmark.
# In a folder of its own: the figure is that of an optimised build, whatever build/ is.
bench_instructions() {
  ensure_packages "${packages_build[@]}" "${packages_test[@]}" "${packages_bench[@]}"
  configure build-bench -DLSMTPD_TESTS=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo
  build build-bench lsmtpd plugins/all smtp_load
  LSMTPD_BUILD="$root/build-bench" tests/bench/instructions.py "$@"
}

# bench --tls: the same folder, for the same reason.
bench_tls() {
  ensure_packages "${packages_build[@]}" "${packages_test[@]}" "${packages_bench[@]}"
  get_peers
  configure build-bench -DLSMTPD_TESTS=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo
  build build-bench lsmtpd plugins/all smtp_load
  ulimit -n "$(ulimit -Hn)"
  LSMTPD_BUILD="$root/build-bench" LSMTPD_CACHE="$cache" tests/bench/bench_tls.py "$@"
}

# bench floods: what short lines of many clients cost another one.
bench_floods() {
  ensure_packages "${packages_build[@]}" "${packages_test[@]}"
  configure build-bench -DLSMTPD_TESTS=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo
  build build-bench lsmtpd plugins/all
  ulimit -n "$(ulimit -Hn)"
  LSMTPD_BUILD="$root/build-bench" tests/bench/bench_floods.py "$@"
}

# bench flushes: the durable layouts where each flush lasts longer, and in memory.
bench_flushes() {
  ensure_packages "${packages_build[@]}" "${packages_test[@]}"
  (unpack_package postfix "$cache/postfix") || say "without Postfix"
  configure build-bench -DLSMTPD_TESTS=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo
  build build-bench lsmtpd plugins/all smtp_load bare_flush slow_flush
  ulimit -n "$(ulimit -Hn)"
  LSMTPD_BUILD="$root/build-bench" LSMTPD_CACHE="$cache" tests/bench/bench_flushes.py "$@"
}

# bench replay: from the spool into brokers, alone and beside live mail.
bench_replay() {
  ensure_packages "${packages_build[@]}" "${packages_test[@]}"
  get_brokers
  configure build-bench -DLSMTPD_TESTS=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo
  build build-bench lsmtpd plugins/all smtp_load
  ulimit -n "$(ulimit -Hn)"
  LSMTPD_BUILD="$root/build-bench" LSMTPD_CACHE="$cache" tests/bench/bench_replay.py "$@"
}

cmd_bench() {
  case "${1:-}" in
    flushes | floods | instructions | outputs | replay)
      local kind=$1
      shift
      "bench_$kind" "$@"
      return
      ;;
    --tls)
      shift
      bench_tls "$@"
      return
      ;;
  esac
  ensure_packages "${packages_build[@]}" "${packages_test[@]}" "${packages_bench[@]}"
  if [ "${1:-}" = micro ]; then
    shift
    configure build-bench -DLSMTPD_TESTS=ON -DLSMTPD_BENCH=ON
    build build-bench tests/bench/all
    local program
    for program in build-bench/tests/*_bench; do "$program" "$@"; done
    return
  fi
  get_peers
  configure build -DLSMTPD_TESTS=ON
  build build lsmtpd plugins/all tests/bench/all
  ulimit -n "$(ulimit -Hn)"
  LSMTPD_BUILD="$root/build" LSMTPD_CACHE="$cache" tests/bench/bench.py "$@"
}

# fuzz [SECONDS [NAME...]]: each harness (or the named ones) for so long, with its earlier findings. A dictionary is
# one harness's (tests/fuzz/NAME.dict) or a family's (smtp.dict for smtp_...). CI's run begins with the same seed
# each time, so that a failure comes from the change.
cmd_fuzz() {
  local seconds=${1:-60} program name dict
  local -a options
  [ $# -eq 0 ] || shift
  ensure_packages "${packages_build[@]}" "${packages_test[@]}" "${packages_fuzz[@]}"
  configure build-fuzz -DLSMTPD_TESTS=ON -DLSMTPD_FUZZ=ON -DCMAKE_C_COMPILER=/usr/bin/clang \
    -DCMAKE_CXX_COMPILER=/usr/bin/clang++
  for name; do [ -f "tests/fuzz/${name}_fuzz.cpp" ] || die "fuzz: no harness is called $name"; done
  build build-fuzz tests/fuzz/all
  for program in build-fuzz/tests/*_fuzz; do
    name=$(basename "$program" _fuzz)
    case " $* " in "  " | *" $name "*) ;; *) continue ;; esac
    say "fuzzing $name for $seconds s"
    mkdir -p "build-fuzz/corpus/$name"
    options=(-max_total_time="$seconds" -timeout=60 -print_final_stats=1 -artifact_prefix="build-fuzz/$name-")
    [ -z "${CI:-}" ] || options+=(-seed=1)
    for dict in "tests/fuzz/$name.dict" "tests/fuzz/${name%%_*}.dict"; do
      [ ! -f "$dict" ] || { options+=(-dict="$dict") && break; }
    done
    "$program" "${options[@]}" "build-fuzz/corpus/$name" "tests/fuzz/corpus/$name"
  done
}

# Address and undefined for everything, thread for tests with threads, the daemon's black-box tests included: the two
# sanitizers do not mix. The brokers are other programs, and TSan does not see into Proton: without them there.
test_sanitized() {
  export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
  export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=$root/tests/support/tsan.supp
  local quick='-O1 -g1' # they are built more often than run, and the sanitizers slow them down anyway
  configure build-asan -DLSMTPD_TESTS=ON -DLSMTPD_SANITIZE=address,undefined "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=$quick"
  build build-asan
  run_ctest build-asan "$@"
  configure build-tsan -DLSMTPD_TESTS=ON -DLSMTPD_SANITIZE=thread "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=$quick"
  build build-tsan
  # GCC's thread sanitizer cannot map its shadow with the address randomization of newer kernels.
  LSMTPD_BUILD="$root/build-tsan" LSMTPD_CACHE="$cache" setarch -R \
    ctest --test-dir build-tsan --output-on-failure -j "$(nproc)" -L 'threads|integration' -LE brokers "$@"
}
