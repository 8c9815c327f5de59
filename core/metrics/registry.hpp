// SPDX-License-Identifier: Apache-2.0
// The counters, gauges and histograms of the process, as Prometheus knows them: families with
// labels. It outlives every configuration, so that counters survive a reload: whoever asks for a
// series again gets the one that there is.
//
// Each worker has a slot of every series, which it alone writes, without locks and without sharing
// a cache line with another worker; snapshot() adds the slots up. Asking for a series takes a lock
// and allocates: at a start or a reload, never on a message's way. Any thread.
//
// Labels come from the configuration and from closed lists; never from clients. A series exists
// from the moment it is asked for, with 0.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "metrics/handles.hpp"

namespace lsmtpd::metrics {

enum class Type : uint8_t { counter, gauge, histogram };
// How a gauge's value is computed from the values of several slots.
enum class Combine : uint8_t { sum, least, most };

// A family as code names it: constants, in families.hpp.
struct Family {
  std::string_view name;  // "lsmtpd_messages_total"
  std::string_view help;
  Type type = Type::counter;
  std::span<const std::string_view> labels = {};
  std::span<const double> bounds = {};  // of a histogram, ascending, without infinity
  Combine combine = Combine::sum;
};

// The same with texts of its own: what a snapshot holds.
struct FamilyInfo {
  std::string name, help;
  Type type = Type::counter;
  std::vector<std::string> labels;
  std::vector<double> bounds;
  Combine combine = Combine::sum;
};

struct SeriesValue {
  std::vector<std::string> labels;     // values, in the order of the family's names
  double value = 0;                    // of a counter or gauge
  std::vector<uint64_t> buckets = {};  // of a histogram, not cumulative; the last one has no bound
  double sum = 0;
};

struct FamilyValues {
  FamilyInfo info;
  std::vector<SeriesValue> series;
};
using Snapshot = std::vector<FamilyValues>;  // by name

// The slot of a worker. kShared is for what no worker counts: other threads, by add_shared().
using Slot = uint32_t;
inline constexpr Slot kShared = 0;
constexpr Slot slot_of(uint32_t worker) {
  return worker + 1;
}

using LabelValues = std::span<const std::string_view>;

class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Counter counter(const Family& family, std::initializer_list<std::string_view> labels,
                  Slot slot = kShared);
  Gauge gauge(const Family& family, std::initializer_list<std::string_view> labels,
              Slot slot = kShared);
  Histogram histogram(const Family& family, std::initializer_list<std::string_view> labels,
                      Slot slot = kShared);

  // The cells of a series, or an error: the family is there with another type, other labels or
  // other bounds.
  struct Cells {
    Cell* cells;
    const double* bounds;
    uint32_t bound_count;
  };
  Result<Cells> cells(const Family& family, LabelValues labels, Slot slot);

  // `collector` is called by each snapshot() and sets gauges, or adds families of its own. It runs
  // on the caller's thread of snapshot(), and goes with remove_collector(), which waits for it.
  using Collector = std::function<void(Snapshot&)>;
  uint64_t add_collector(Collector collector);
  void remove_collector(uint64_t id);

  Snapshot snapshot() const;

 private:
  struct Arena;
  struct Series;
  struct Entry;
  Cell* cells_of(Entry& entry, Series& series, Slot slot);

  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::map<std::string, std::unique_ptr<Entry>, std::less<>> families_;
  std::vector<std::unique_ptr<Arena>> arenas_;  // by slot
  mutable std::mutex collectors_mutex_;
  std::map<uint64_t, Collector> collectors_;  // guarded by collectors_mutex_
  uint64_t next_collector_ = 1;               // the same
};

// Adds a family of one value to a snapshot, for collectors. `labels` as in Family.
void add_value(Snapshot& snapshot, const Family& family, std::vector<std::string> labels,
               double value);

}  // namespace lsmtpd::metrics
