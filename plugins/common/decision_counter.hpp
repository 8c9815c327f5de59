// SPDX-License-Identifier: Apache-2.0
// lsmtpd_filter_decisions_total{verdict, dry_run}: what a filter decided, where it was asked. With
// dry_run it is the verdict that would have been given. Made with a lane; a lane's loop only.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

#include <array>
#include <initializer_list>
#include <string_view>

namespace lsmtpd::common {

enum class Decided : uint8_t {
  proceed,
  accept,
  reject,
  tempfail,
  discard,
  error,  // there was no answer that counts; on_error decides
};

class DecisionCounter {
 public:
  // `possible`: what this filter can decide; each has its series from the start.
  DecisionCounter(const sdk::Host& host, bool dry_run, std::initializer_list<Decided> possible) {
    for (const Decided each : possible)
      counters_[index(each)] =
          host.counter("filter_decisions_total",
                       "Decisions of filters, by verdict; with dry_run those that would have been "
                       "given.",
                       {{"verdict", kWords[index(each)]}, {"dry_run", dry_run ? "true" : "false"}});
  }

  void add(Decided what) const { counters_[index(what)].add(); }

 private:
  static constexpr std::array<std::string_view, 6> kWords = {"continue", "accept",  "reject",
                                                             "tempfail", "discard", "error"};
  static constexpr size_t index(Decided what) { return static_cast<size_t>(what); }

  std::array<sdk::Counter, kWords.size()> counters_;
};

}  // namespace lsmtpd::common
