// SPDX-License-Identifier: Apache-2.0
#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace lsmtpd::json_spool {
namespace {

volatile std::sig_atomic_t asked_to_end = 0;
struct sigaction before_int, before_term;

void ask_to_end(int) {
  asked_to_end = 1;
}

std::string with_commas(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string time_left(std::uint64_t seconds) {
  if (seconds < 120) return std::to_string(seconds) + " s";
  if (seconds < 7200) return std::to_string(seconds / 60) + " min";
  return std::to_string(seconds / 3600) + " h " + std::to_string(seconds / 60 % 60) + " min";
}

}  // namespace

std::string progress_text(std::uint64_t done, std::uint64_t total, double seconds) {
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  std::string text = with_commas(done);
  if (total >= done) text += " of " + with_commas(total);
  text += ", " + with_commas(static_cast<std::uint64_t>(rate)) + " a second";
  if (total >= done && rate > 0) {
    const double left = static_cast<double>(total - done) / rate;
    text += ", " + time_left(static_cast<std::uint64_t>(left) + 1) + " left";
  }
  return text;
}

Progress::Progress(const sdk::Terminal& terminal, std::function<std::uint64_t()> total)
    : terminal_(terminal), total_of_(std::move(total)), shown_(::isatty(STDERR_FILENO) == 1) {}

void Progress::look() {
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  if (total_of_) total_ = total_of_();
  total_of_ = nullptr;
  next_ = Clock::now() + kEach;
  const double seconds = std::chrono::duration<double>(now - began_).count();
  terminal_.error("\r" + progress_text(done_, total_, seconds) + "\x1b[K");
  line_ = true;
}

void Progress::clear() {
  if (line_) terminal_.error("\r\x1b[K");
  line_ = false;
}

Interrupt::Interrupt() {
  asked_to_end = 0;
  struct sigaction action {};
  action.sa_handler = ask_to_end;
  ::sigaction(SIGINT, &action, &before_int);
  ::sigaction(SIGTERM, &action, &before_term);
}

Interrupt::~Interrupt() {
  ::sigaction(SIGINT, &before_int, nullptr);
  ::sigaction(SIGTERM, &before_term, nullptr);
}

bool Interrupt::asked() {
  return asked_to_end != 0;
}

}  // namespace lsmtpd::json_spool
