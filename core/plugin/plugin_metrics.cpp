// SPDX-License-Identifier: Apache-2.0
#include "plugin/plugin_metrics.hpp"

#include <algorithm>
#include <vector>

#include "log/log.hpp"
#include "plugin/instance.hpp"
#include "plugin/verdict.hpp"

namespace lsmtpd::plugin {

namespace {

bool is_metric_name(std::string_view name) {
  const bool begins = !name.empty() && (name[0] < '0' || name[0] > '9');
  return begins && name.size() <= 64 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == name.npos;
}

const lsmtpd_metric_label& label_of(const lsmtpd_metric_info& info, uint32_t i) {
  const char* at = reinterpret_cast<const char*>(info.labels) + size_t{i} * info.label_stride;
  return *reinterpret_cast<const lsmtpd_metric_label*>(at);
}

Status check(const lsmtpd_metric_info& info) {
  if (info.size < sizeof(lsmtpd_metric_info)) return fail("its size is not set");
  if (info.type < LSMTPD_METRIC_COUNTER || info.type > LSMTPD_METRIC_HISTOGRAM)
    return fail("its type {} is none", info.type);
  if (!is_metric_name(view(info.name))) return fail("its name has other than a-z, 0-9 and _");
  if (info.type == LSMTPD_METRIC_COUNTER && !view(info.name).ends_with("_total"))
    return fail("a counter's name ends in _total");
  if (info.help.size == 0) return fail("it has no help text");
  if (info.combine > LSMTPD_COMBINE_MOST || (info.combine && info.type != LSMTPD_METRIC_GAUGE))
    return fail("its combine does not fit");
  if (info.label_count > LSMTPD_METRIC_LABELS) return fail("it has too many labels");
  if (info.label_count > 0 && (!info.labels || info.label_stride < sizeof(lsmtpd_metric_label)))
    return fail("its label_stride is not set");
  for (uint32_t i = 0; i < info.label_count; ++i) {
    const auto name = view(label_of(info, i).name);
    if (!is_metric_name(name) || name == "plugin" || name == "le")
      return fail("its label {} has a name that cannot be", i);
  }
  const double* end = info.bounds + info.bound_count;
  if ((info.bound_count > 0) != (info.type == LSMTPD_METRIC_HISTOGRAM) ||
      info.bound_count > LSMTPD_METRIC_BOUNDS ||
      std::adjacent_find(info.bounds, end, std::greater_equal<>()) != end)
    return fail("its bounds do not fit");
  return {};
}

metrics::Type type_of(uint32_t type) {
  return type == LSMTPD_METRIC_COUNTER ? metrics::Type::counter
         : type == LSMTPD_METRIC_GAUGE ? metrics::Type::gauge
                                       : metrics::Type::histogram;
}

lsmtpd_metric* declare(const lsmtpd_host* host, const lsmtpd_metric_info* info) {
  const auto& self = *static_cast<HostSelf*>(host->self);
  // A lane's host is told from the instance's by the slot: it has none.
  const auto made =
      info ? self.metrics->declare(*info, self.slot) : Result<lsmtpd_metric*>(fail("it is NULL"));
  if (made) return *made;
  log::error("metric_refused", {{"plugin", view(host->name)},
                                {"metric", info ? view(info->name) : std::string_view()},
                                {"why", made.error().message}});
  return nullptr;
}

}  // namespace

const lsmtpd_metrics_1 kMetricsTable = {.declare = declare,
                                        .count =
                                            [](lsmtpd_metric* metric, uint64_t amount) {
                                              if (metric) metric->counter.add_shared(amount);
                                            },
                                        .set =
                                            [](lsmtpd_metric* metric, double value) {
                                              if (metric) metric->gauge.set(value);
                                            },
                                        .add =
                                            [](lsmtpd_metric* metric, double amount) {
                                              if (metric && metric->adds)
                                                metric->gauge.add_shared(amount);
                                            },
                                        .observe =
                                            [](lsmtpd_metric* metric, double value) {
                                              if (metric) metric->histogram.observe_shared(value);
                                            }};

Result<lsmtpd_metric*> PluginMetrics::declare(const lsmtpd_metric_info& info, metrics::Slot slot) {
  if (auto good = check(info); !good) return tl::unexpected(good.error());
  const std::string full_name = "lsmtpd_" + std::string(view(info.name));
  std::vector<std::string_view> names{"plugin"}, values{name_};
  std::string key = full_name;
  for (uint32_t i = 0; i < info.label_count; ++i) {
    names.push_back(view(label_of(info, i).name));
    values.push_back(view(label_of(info, i).value));
    key.append(1, '\0').append(values.back());
  }
  const std::lock_guard lock(mutex_);
  if (!series_.contains(key) && series_.size() >= LSMTPD_METRIC_SERIES)
    return fail("the plugin has {} series already", LSMTPD_METRIC_SERIES);
  const metrics::Family family{.name = full_name,
                               .help = view(info.help),
                               .type = type_of(info.type),
                               .labels = names,
                               .bounds = {info.bounds, info.bound_count},
                               .combine = static_cast<metrics::Combine>(info.combine)};
  const auto cells = registry_.cells(family, values, slot);
  if (!cells) return tl::unexpected(cells.error());
  series_.insert(key);
  auto& made = made_[{key, slot}];
  made.type = info.type;
  made.adds = info.combine == LSMTPD_COMBINE_SUM;
  if (info.type == LSMTPD_METRIC_COUNTER) made.counter = metrics::Counter(cells->cells);
  if (info.type == LSMTPD_METRIC_GAUGE) made.gauge = metrics::Gauge(cells->cells);
  if (info.type == LSMTPD_METRIC_HISTOGRAM)
    made.histogram = metrics::Histogram(cells->cells, cells->bounds, cells->bound_count);
  return &made;
}

}  // namespace lsmtpd::plugin
