// SPDX-License-Identifier: Apache-2.0
#include "metrics/registry.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/invariant.hpp"

namespace lsmtpd::metrics {

namespace {

// Cells in one block of a slot: whole cache lines, which no other slot has a part of.
constexpr size_t kBlockCells = 512;
constexpr size_t kLine = 64;

struct alignas(kLine) Block {
  Cell cells[kBlockCells];
};

// A gauge that a slot has not set yet.
const uint64_t kUnset = std::bit_cast<uint64_t>(std::numeric_limits<double>::quiet_NaN());

FamilyInfo info_of(const Family& family) {
  return {std::string(family.name),
          std::string(family.help),
          family.type,
          {family.labels.begin(), family.labels.end()},
          {family.bounds.begin(), family.bounds.end()},
          family.combine};
}

bool is_same(const FamilyInfo& info, const Family& family) {
  return info.type == family.type && info.combine == family.combine &&
         std::equal(info.labels.begin(), info.labels.end(), family.labels.begin(),
                    family.labels.end()) &&
         std::equal(info.bounds.begin(), info.bounds.end(), family.bounds.begin(),
                    family.bounds.end());
}

size_t cells_per_series(const FamilyInfo& info) {
  return info.type == Type::histogram ? info.bounds.size() + 2 : 1;
}

double combine(Combine how, double a, double b) {
  return how == Combine::sum ? a + b : how == Combine::least ? std::min(a, b) : std::max(a, b);
}

}  // namespace

struct Registry::Arena {
  std::vector<std::unique_ptr<Block>> blocks;
  size_t left = 0;
  Cell* take(size_t count) {
    if (left < count) {
      blocks.push_back(std::make_unique<Block>());
      left = kBlockCells;
    }
    Cell* cells = &blocks.back()->cells[kBlockCells - left];
    left -= count;
    return cells;
  }
};

struct Registry::Series {
  std::vector<Cell*> slots;  // null: that slot has none yet
};

struct Registry::Entry {
  FamilyInfo info;
  std::map<std::vector<std::string>, Series> series;
};

Registry::Registry() = default;
Registry::~Registry() = default;

Result<Registry::Cells> Registry::cells(const Family& family, LabelValues labels, Slot slot) {
  if (labels.size() != family.labels.size())
    return fail("{} has {} labels, not {}", family.name, family.labels.size(), labels.size());
  if (family.bounds.size() + 2 > kBlockCells) return fail("{} has too many bounds", family.name);
  const std::lock_guard lock(mutex_);
  auto& entry = families_[std::string(family.name)];
  if (!entry) {
    entry = std::make_unique<Entry>();
    entry->info = info_of(family);
  } else if (!is_same(entry->info, family)) {
    return fail("{} is there with another type, other labels or other bounds", family.name);
  }
  Series& series = entry->series[{labels.begin(), labels.end()}];
  return Cells{cells_of(*entry, series, slot), entry->info.bounds.data(),
               static_cast<uint32_t>(entry->info.bounds.size())};
}

Cell* Registry::cells_of(Entry& entry, Series& series, Slot slot) {
  if (series.slots.size() <= slot) series.slots.resize(slot + 1);
  if (series.slots[slot]) return series.slots[slot];
  if (arenas_.size() <= slot) arenas_.resize(slot + 1);
  if (!arenas_[slot]) arenas_[slot] = std::make_unique<Arena>();
  Cell* cells = arenas_[slot]->take(cells_per_series(entry.info));
  // A sum begins with 0; of the least and the most only those count that were set.
  if (entry.info.type == Type::gauge && entry.info.combine != Combine::sum) cells->store(kUnset);
  return series.slots[slot] = cells;
}

Counter Registry::counter(const Family& family, std::initializer_list<std::string_view> labels,
                          Slot slot) {
  const auto found = cells(family, {labels.begin(), labels.size()}, slot);
  return LSMTPD_INVARIANT(found && family.type == Type::counter) ? Counter(found->cells)
                                                                 : Counter();
}

Gauge Registry::gauge(const Family& family, std::initializer_list<std::string_view> labels,
                      Slot slot) {
  const auto found = cells(family, {labels.begin(), labels.size()}, slot);
  return LSMTPD_INVARIANT(found && family.type == Type::gauge) ? Gauge(found->cells) : Gauge();
}

Histogram Registry::histogram(const Family& family, std::initializer_list<std::string_view> labels,
                              Slot slot) {
  const auto found = cells(family, {labels.begin(), labels.size()}, slot);
  if (!LSMTPD_INVARIANT(found && family.type == Type::histogram)) return {};
  return {found->cells, found->bounds, found->bound_count};
}

uint64_t Registry::add_collector(Collector collector) {
  const std::lock_guard lock(collectors_mutex_);
  collectors_.emplace(next_collector_, std::move(collector));
  return next_collector_++;
}

void Registry::remove_collector(uint64_t id) {
  const std::lock_guard lock(collectors_mutex_);
  collectors_.erase(id);
}

namespace {

SeriesValue value_of(const FamilyInfo& info, const std::vector<std::string>& labels,
                     const std::vector<Cell*>& slots) {
  SeriesValue out{.labels = labels};
  if (info.type == Type::histogram) out.buckets.resize(info.bounds.size() + 1);
  bool any = false;
  for (const Cell* cells : slots) {
    if (!cells) continue;
    if (info.type == Type::histogram) {
      for (size_t i = 0; i < out.buckets.size(); ++i)
        out.buckets[i] += cells[i].load(std::memory_order_relaxed);
      out.sum += std::bit_cast<double>(cells[out.buckets.size()].load(std::memory_order_relaxed));
      continue;
    }
    const uint64_t bits = cells->load(std::memory_order_relaxed);
    const double one =
        info.type == Type::counter ? static_cast<double>(bits) : std::bit_cast<double>(bits);
    if (std::isnan(one)) continue;
    out.value = any ? combine(info.combine, out.value, one) : one;
    any = true;
  }
  return out;
}

}  // namespace

Snapshot Registry::snapshot() const {
  Snapshot all;
  {
    const std::lock_guard lock(mutex_);
    all.reserve(families_.size());
    for (const auto& [name, entry] : families_) {
      auto& family = all.emplace_back(FamilyValues{entry->info, {}});
      family.series.reserve(entry->series.size());
      for (const auto& [labels, series] : entry->series)
        family.series.push_back(value_of(entry->info, labels, series.slots));
    }
  }
  {
    const std::lock_guard lock(collectors_mutex_);
    for (const auto& [id, collect] : collectors_) collect(all);
  }
  std::stable_sort(all.begin(), all.end(), [](const FamilyValues& a, const FamilyValues& b) {
    return a.info.name < b.info.name;
  });
  return all;
}

void add_value(Snapshot& snapshot, const Family& family, std::vector<std::string> labels,
               double value) {
  auto found = std::find_if(snapshot.begin(), snapshot.end(),
                            [&](const FamilyValues& f) { return f.info.name == family.name; });
  if (found == snapshot.end()) {
    snapshot.push_back({info_of(family), {}});
    found = snapshot.end() - 1;
  }
  found->series.push_back({.labels = std::move(labels), .value = value});
}

}  // namespace lsmtpd::metrics
