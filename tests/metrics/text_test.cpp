// SPDX-License-Identifier: Apache-2.0
// tests/integration/test_admin.py reads a daemon's metrics with Prometheus's own parsers.
#include "metrics/prometheus_text.hpp"

#include <gtest/gtest.h>

#include <array>

namespace lsmtpd::metrics {
namespace {

constexpr std::array<std::string_view, 2> kLabels{"a", "b"};
constexpr std::array kBounds{0.001, 2.5};

TEST(Text, LabelValuesAndHelpAreEscaped) {
  Registry registry;
  const Family family{"x_total", "A \\ and\na line.", Type::counter, kLabels};
  registry.counter(family, {"q\"uote", "b\\ack\nline"}).add(3);
  EXPECT_EQ(to_text(registry.snapshot()),
            "# HELP x_total A \\\\ and\\na line.\n"
            "# TYPE x_total counter\n"
            "x_total{a=\"q\\\"uote\",b=\"b\\\\ack\\nline\"} 3\n");
}

TEST(Text, BucketsAreCumulativeAndTheLastOneIsTheCount) {
  Registry registry;
  const Family family{"t_seconds", "Time.", Type::histogram, {}, kBounds};
  const auto time = registry.histogram(family, {}, slot_of(0));
  for (const double value : {0.0009765625, 1.0, 2.0, 9.5}) time.observe(value);
  EXPECT_EQ(to_text(registry.snapshot()),
            "# HELP t_seconds Time.\n"
            "# TYPE t_seconds histogram\n"
            "t_seconds_bucket{le=\"0.001\"} 1\n"
            "t_seconds_bucket{le=\"2.5\"} 3\n"
            "t_seconds_bucket{le=\"+Inf\"} 4\n"
            "t_seconds_sum 12.5009765625\n"
            "t_seconds_count 4\n");
}

TEST(Text, FamilyWithoutLabelsHasNoBraces) {
  Registry registry;
  registry.gauge({"g", "G.", Type::gauge}, {}).set(-1.25);
  EXPECT_EQ(to_text(registry.snapshot()), "# HELP g G.\n# TYPE g gauge\ng -1.25\n");
}

}  // namespace
}  // namespace lsmtpd::metrics
