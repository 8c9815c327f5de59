// SPDX-License-Identifier: Apache-2.0
// lsmtpd SDK: Counter, Gauge and Histogram, the metrics of a plugin. Made once, by the host of an
// instance or a lane; used from any thread:
//
//     sent_ = host.counter("sent_total", "Messages that were sent.");
//     ...
//     sent_.add();
//
// One that was not made, or that the host refused, counts nothing. Valid until the instance is
// destroyed.
#pragma once

#include <initializer_list>
#include <string_view>

#include "base.hpp"

namespace lsmtpd::sdk {

struct MetricLabel {
  std::string_view name;
  std::string_view value;
};

enum class Combine : uint32_t {
  sum = LSMTPD_COMBINE_SUM,
  least = LSMTPD_COMBINE_LEAST,
  most = LSMTPD_COMBINE_MOST
};

class Metric {
 public:
  Metric() noexcept = default;
  Metric(const lsmtpd_metrics_1* table, lsmtpd_metric* raw) noexcept : table_(table), raw_(raw) {}
  explicit operator bool() const noexcept { return raw_ != nullptr; }

 protected:
  const lsmtpd_metrics_1* table_ = nullptr;
  lsmtpd_metric* raw_ = nullptr;
};

class Counter : public Metric {
 public:
  using Metric::Metric;
  void add(uint64_t amount = 1) const noexcept {
    if (raw_ != nullptr) table_->count(raw_, amount);
  }
};

class Gauge : public Metric {
 public:
  using Metric::Metric;
  void set(double value) const noexcept {
    if (raw_ != nullptr) table_->set(raw_, value);
  }
  void add(double amount) const noexcept {
    if (raw_ != nullptr) table_->add(raw_, amount);
  }
};

class Histogram : public Metric {
 public:
  using Metric::Metric;
  void observe(double value) const noexcept {
    if (raw_ != nullptr) table_->observe(raw_, value);
  }
};

}  // namespace lsmtpd::sdk
