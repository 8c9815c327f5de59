// SPDX-License-Identifier: Apache-2.0
// A run of the load client, phase by phase.
#include <algorithm>
#include <cstdio>

#include "client.hpp"

namespace lsmtpd::bench {
namespace {

constexpr std::size_t kOpeningAtOnce = 500;
constexpr std::uint64_t kFailures = 1000;  // after so many no new message is begun

void say(const char* line) {
  std::puts(line);
  std::fflush(stdout);
}

void wait_for_line() {
  for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar()) {
  }
}

}  // namespace

bool Client::gave_up() const {
  return tally_.failures() > kFailures || !missing_.empty();
}

bool Client::exhausted() const {
  if (gave_up()) return true;
  return options_.messages > 0 ? taken_ == options_.messages : Clock::now() >= stop_;
}

bool Client::take() {
  if (exhausted()) return false;
  ++taken_;
  return true;
}

int Client::run() {
  bool whole = !options_.kept || connect_all();
  if (missing_.empty()) {
    if (options_.step) {
      say("ready");
      wait_for_line();
    }
    whole = whole && measure();
  }
  if (!missing_.empty()) {
    std::fprintf(stderr, "smtp_load: the server does not offer %s\n", missing_.c_str());
    return 3;
  }
  moments_.close();
  say(tally_.json(options_).c_str());
  if (options_.step) wait_for_line();
  if (options_.kept && whole) whole = hang_up_all();
  return whole && tally_.failures() == 0 ? 0 : 1;
}

bool Client::connect_all() {
  return turn_until([this] {
    while (opened_ < links_.size() && opening_ < kOpeningAtOnce) open(opened_, Clock::now());
    return opening_ == 0 || !missing_.empty();
  });
}

bool Client::measure() {
  const auto seconds = [](double count) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(count));
  };
  const Clock::time_point now = Clock::now();
  const Clock::time_point counted = now + seconds(options_.warm_up);
  stop_ = counted + seconds(options_.seconds);
  if (options_.rate > 0) {
    due_ = drawing_since_ = now;
    draw_next();
  }
  for (std::size_t place = 0; place < links_.size(); ++place) {
    if (!options_.kept) {
      follow(place);
    } else if (links_[place] != nullptr) {
      links_[place]->dialogue.begin(Clock::now());
      flush(place);
    }
  }
  if (options_.warm_up > 0 && !turn_until([&] { return Clock::now() >= counted || open_ == 0; })) {
    return false;
  }
  tally_.begin(options_.warm_up > 0 ? Clock::now() : now);
  if (options_.step) say("measuring");
  const bool whole = turn_until([this] {
    // Kept connections that broke are not opened again.
    const bool none_left = options_.kept && open_ == 0;
    return none_left || (exhausted() && due_ == Clock::time_point::max() &&
                         std::all_of(links_.begin(), links_.end(), [this](const auto& link) {
                           return link == nullptr || (options_.kept && link->dialogue.idle());
                         }));
  });
  tally_.end(heard_, stop_);
  return whole;
}

bool Client::hang_up_all() {
  for (std::size_t place = 0; place < links_.size(); ++place) {
    if (links_[place] == nullptr) continue;
    links_[place]->dialogue.hang_up();
    flush(place);
  }
  return turn_until([this] { return open_ == 0; });
}

bool Client::turn_until(const std::function<bool()>& done) {
  heard_ = Clock::now();
  while (!done()) {
    turn();
    if (std::chrono::duration<double>(Clock::now() - heard_).count() < options_.patience) continue;
    for (const auto& link : links_) {
      if (link == nullptr || link->dialogue.idle()) continue;
      tally_.failed(std::string("no reply for too long to ") + link->dialogue.waits_for());
    }
    return false;
  }
  return true;
}

}  // namespace lsmtpd::bench
