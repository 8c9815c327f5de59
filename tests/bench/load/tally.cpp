// SPDX-License-Identifier: Apache-2.0
#include "tally.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "../yardstick.hpp"

namespace lsmtpd::bench {
namespace {

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f) {
      out += c;
    } else {
      out += c == '\n' ? "\\n" : c == '\r' ? "" : "?";
    }
  }
  return out + '"';
}

}  // namespace

void Tally::delivered(Clock::time_point began, Clock::time_point sent, Clock::time_point replied) {
  reply_ms_.push_back(milliseconds(replied - sent));
  message_ms_.push_back(milliseconds(replied - began));
}

void Tally::failed(std::string_view problem) {
  constexpr std::size_t kShown = 5;
  ++failures_;
  if (problems_.size() < kShown) problems_.emplace_back(problem);
}

void Tally::begin(Clock::time_point now) {
  begin_ = end_ = now;
  reply_ms_.clear();
  message_ms_.clear();
}

std::string Tally::json(const Options& options) {
  std::sort(reply_ms_.begin(), reply_ms_.end());
  std::sort(message_ms_.begin(), message_ms_.end());
  const double seconds = std::chrono::duration<double>(end_ - begin_).count();
  const auto delivered = static_cast<double>(reply_ms_.size());
  const double mean =
      std::accumulate(message_ms_.begin(), message_ms_.end(), 0.0) / std::max(delivered, 1.0);
  char text[896];
  std::snprintf(text, sizeof(text),
                "{\"messages\": %zu, \"seconds\": %.6f, \"rate\": %.3f, \"octets_a_message\": %zu, "
                "\"reply_p50_ms\": %.4f, \"reply_p99_ms\": %.4f, \"message_p50_ms\": %.4f, "
                "\"message_p99_ms\": %.4f, \"message_max_ms\": %.4f, \"message_mean_ms\": %.4f, "
                "\"seconds_after_the_last\": %.4f, \"client_cpu_seconds\": %.6f, "
                "\"failures\": %llu, \"problems\": [",
                reply_ms_.size(), seconds, seconds > 0 ? delivered / seconds : 0.0, options.size,
                percentile(reply_ms_, 0.5), percentile(reply_ms_, 0.99),
                percentile(message_ms_, 0.5), percentile(message_ms_, 0.99),
                percentile(message_ms_, 1), mean,
                std::max(0.0, std::chrono::duration<double>(end_ - stop_).count()), cpu_seconds(),
                static_cast<unsigned long long>(failures_));
  std::string line = text;
  for (const std::string& problem : problems_) {
    if (line.back() != '[') line += ", ";
    line += json_string(problem);
  }
  return line + "]}";
}

}  // namespace lsmtpd::bench
