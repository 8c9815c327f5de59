// SPDX-License-Identifier: Apache-2.0
#include "app/option_checks.hpp"

#include "base/text.hpp"
#include "plugin/verdict.hpp"

namespace lsmtpd::app {

namespace {

constexpr uint64_t kBytesOfBucket = 24;  // docs/filter-rate.md

// Of entries that use the plugin `use`; null: this one does not, or the option is not written.
const config::OptionValue* option_of(const config::Plugin& entry, const Libraries& libraries,
                                     std::string_view use, const char* option) {
  const auto library = libraries.find(entry.name);
  const auto given = entry.options.find(option);
  if (library == libraries.end() || given == entry.options.end()) return nullptr;
  const bool uses = plugin::view(library->second->factory().descriptor->name) == use;
  return uses ? &given->second.value : nullptr;
}

}  // namespace

void check_size_filters(const config::Config& config, const Libraries& libraries,
                        std::vector<config::Diagnostic>& diagnostics) {
  const auto& limits = config.limits;
  if (!limits.given.has("message_size")) return;
  for (const auto& entry : config.plugins) {
    const auto* value = option_of(entry, libraries, "filter_size", "max");
    if (!value) continue;
    const auto* text = std::get_if<std::string>(&value->value);
    const auto* number = std::get_if<int64_t>(&value->value);
    const auto most = text     ? parse_size(*text)
                      : number ? Result<uint64_t>(static_cast<uint64_t>(*number))
                               : fail("checked before");
    if (!most || *most == limits.message_size) continue;
    const bool below = *most < limits.message_size;
    const std::string option = fmt::format("plugin.{}.options.max", entry.name);
    diagnostics.push_back(
        {true, value->position,
         fmt::format("{} ({}) is {} limits.message_size ({}), so {} has no effect{}", option,
                     format_size(*most), below ? "below" : "above",
                     format_size(limits.message_size), below ? "limits.message_size" : "it",
                     below ? " where this filter is used" : ""),
         "write one of them, or the same size twice"});
  }
}

void check_rate_tables(const config::Config& config, const Libraries& libraries,
                       std::vector<config::Diagnostic>& diagnostics) {
  uint64_t all = 0;
  for (const auto& entry : config.plugins) {
    const auto* value = option_of(entry, libraries, "filter_rate", "buckets");
    const auto* buckets = value ? std::get_if<int64_t>(&value->value) : nullptr;
    if (!buckets || *buckets < 0) continue;  // said already
    all += static_cast<uint64_t>(*buckets) * kBytesOfBucket;
    if (all <= config.limits.memory) continue;
    diagnostics.push_back(
        {false, value->position,
         fmt::format("plugin.{}.options.buckets: the tables of filter_rate take {} of "
                     "limits.memory, which is {}",
                     entry.name, format_size(all), format_size(config.limits.memory)),
         "lower buckets, or raise limits.memory"});
  }
}

}  // namespace lsmtpd::app
