// SPDX-License-Identifier: Apache-2.0
// The cost of the session without the kernel: octets a second of the data scanner, nanoseconds a
// message of the session.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>

#include "smtp/octets.hpp"
#include "smtp/session.hpp"

namespace lsmtpd::smtp {
namespace {

// Lines of 76 characters, as base64 has them: the densest line ends that long mails usually have.
std::string mail_of(size_t octets) {
  std::string mail =
      "From: sender@example.org\r\nTo: receiver@example.org\r\nSubject: benchmark\r\n\r\n";
  while (mail.size() + 78 < octets) mail += std::string(76, 'x') + "\r\n";
  return mail + std::string(octets > mail.size() + 2 ? octets - mail.size() - 2 : 0, 'y') + "\r\n";
}

constexpr Want everything{~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}};

// The second number counts the versions: plain, SSE2, AVX2.
void find_nothing(benchmark::State& state) {
  const auto versions = find_special_versions();
  const auto version = static_cast<size_t>(state.range(1));
  if (version >= versions.size()) return state.SkipWithError("not on this machine");
  const std::string mail = mail_of(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    LineContext context{0, 1};
    benchmark::DoNotOptimize(versions[version](mail.data(), mail.size(), everything, context));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(find_nothing)->Name("octets/find")->ArgsProduct({{4096, 65536, 1 << 20}, {0, 1, 2}});

// The yardstick: one memchr over the same octets, for one that is not there.
void memchr_nothing(benchmark::State& state) {
  const std::string mail = mail_of(static_cast<size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(std::memchr(mail.data(), '\1', mail.size()));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(memchr_nothing)->Name("octets/memchr")->Arg(65536);

// Eats one input the way server::Connection does; returns how much content came.
size_t drive(Session& session, std::string_view input) {
  size_t content = 0;
  for (;;) {
    switch (session.next(input)) {
      case Action::need_input:
      case Action::close:
        benchmark::DoNotOptimize(session.replies().data());
        session.replies().clear();
        return content;
      case Action::body:
        content += session.body().size();
        break;
      case Action::body_end:
        benchmark::DoNotOptimize(session.take_envelope());
        session.finish({250, "2.0.0", "Ok: queued as f6f326ce-2fca-4246-96ba-aab732d44ad0"});
        break;
      case Action::phase_mail:
        session.begin_transaction("f6f326ce-2fca-4246-96ba-aab732d44ad0", 1);
        session.proceed();
        break;
      case Action::refused:
      case Action::body_discard:
        break;
      default:
        session.proceed();
    }
  }
}

constexpr std::string_view envelope[] = {
    "MAIL FROM:<sender@example.org> SIZE=4096 BODY=8BITMIME\r\n",
    "RCPT TO:<receiver@example.org>\r\n", "DATA\r\n"};

Settings bench_settings() {
  return {.hostname = "mx.example.com",
          .lmtp = false,
          .normalize_bare_lf = false,
          .recipients = 1000,
          .commands = 1000,
          .errors = 20,
          .received_headers = 100,
          .starttls = false,
          .require_tls = false,
          .traceparent = false};
}

// A kept connection, a read for each command, content in reads of 64 KiB.
void session_message(benchmark::State& state) {
  const Settings settings = bench_settings();
  Session session(settings);
  session.set_origin("mx", "192.0.2.1", 4711);
  drive(session, {});
  drive(session, "EHLO client.example.org\r\n");
  const std::string mail = mail_of(static_cast<size_t>(state.range(0))) + ".\r\n";
  for (auto _ : state) {
    for (const std::string_view command : envelope) drive(session, command);
    for (size_t at = 0; at < mail.size(); at += 65536) {
      benchmark::DoNotOptimize(drive(session, std::string_view(mail).substr(at, 65536)));
    }
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(session_message)
    ->Name("session/message")
    ->Arg(0)
    ->Arg(4096)
    ->Arg(100 << 10)
    ->Arg(1 << 20);

// Every second line begins with a dot, and every dot is a piece.
void session_dots(benchmark::State& state) {
  std::string mail = "Subject: dots\r\n\r\n";
  while (mail.size() < 65536) mail += "..dot\r\nno dot, but something of a line to read\r\n";
  mail += ".\r\n";
  const Settings settings = bench_settings();
  Session session(settings);
  drive(session, {});
  for (auto _ : state) {
    for (const std::string_view command : envelope) drive(session, command);
    benchmark::DoNotOptimize(drive(session, mail));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(mail.size()));
}
BENCHMARK(session_dots)->Name("session/dots");

void session_chunk(benchmark::State& state) {
  const std::string mail = mail_of(1 << 20);
  const Settings settings = bench_settings();
  Session session(settings);
  drive(session, {});
  for (auto _ : state) {
    drive(session, envelope[0]);
    drive(session, envelope[1]);
    drive(session, "BDAT 1048576 LAST\r\n");
    benchmark::DoNotOptimize(drive(session, mail));
  }
  state.SetBytesProcessed(state.iterations() << 20);
}
BENCHMARK(session_chunk)->Name("session/chunk");

}  // namespace
}  // namespace lsmtpd::smtp
