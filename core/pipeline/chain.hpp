// SPDX-License-Identifier: Apache-2.0
// One chain as one worker sees it: the lanes of its steps, in order, and its routes. Const once it
// is made. [loop]
//
// A chain is part of a generation of the configuration (server/generation.hpp). Each chain run,
// delivery and session holds a shared_ptr to the one that it began with, which keeps the lanes open
// and the Replay there.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadlines.hpp"
#include "pipeline/route_table.hpp"
#include "plugin/lane.hpp"

namespace lsmtpd::pipeline {

class Replay;

struct OutputStep {
  plugin::Lane* lane = nullptr;
  plugin::Lane* fallback = nullptr;  // may be null
  Replay* replay =
      nullptr;  // the fallback's, shared by all workers; null where there is no fallback
};

// The last part of a message's way, for some of its recipients: filters, then outputs.
struct Route {
  std::string name;  // empty: the chain's own outputs, which have no filters of their own
  std::vector<plugin::Lane*> filters;     // lsmtpd.filter/1, in order
  std::vector<plugin::Lane*> admissions;  // filters with lsmtpd.admission/1
  std::vector<OutputStep> outputs;

  // Returns what the route can take now: the smallest size limit of all, and ready only if every
  // filter is, and every output or its fallback.
  // `limited_by`, where it is given, becomes the lane whose size limit that is, or null.
  plugin::Admission admission(const plugin::Lane** limited_by = nullptr) const;
  // The same, added to that of the chain's filters; `smallest` is the lane of the limit in `all`.
  void add_to(plugin::Admission& all, const plugin::Lane*& smallest) const;
};

struct Chain {
  std::string name;
  std::vector<plugin::Lane*> filters;          // lsmtpd.filter/1, in order
  std::vector<plugin::Lane*> session_filters;  // lsmtpd.session_filter/1, in order
  std::vector<plugin::Lane*> admissions;       // filters with lsmtpd.admission/1
  // The first is the chain's own; those of [[chain.NAME.route]] follow in order.
  std::vector<Route> routes{1};
  std::shared_ptr<const RouteTable> table;  // which of them a recipient takes; null: the first
  bool defer_other_routes = false;          // an SMTP transaction has recipients of one route only
  uint64_t deadline_ms = 0;                 // timeouts.chain
  Deadlines* deadlines = nullptr;

  Route& own() { return routes.front(); }
  const Route& own() const { return routes.front(); }

  // The place of a recipient's route among `routes`; nothing: the recipient is refused.
  std::optional<size_t> route_of(std::string_view address) const;

  // Returns what the chain can take now: ready only if every filter is, and some route. The size
  // limit is that of the filters, or of the route that takes the largest messages.
  // `limited_by`: see Route::admission().
  plugin::Admission admission(const plugin::Lane** limited_by = nullptr) const;

 private:
  void add_any_route(plugin::Admission& all, const plugin::Lane*& smallest) const;
};

// Returns the output's own admission; not ready if too many of its calls are stuck.
plugin::Admission readiness(plugin::Lane& output);

// A pointer that keeps nothing: `chain` outlives everybody who gets it.
inline std::shared_ptr<const Chain> borrowed(const Chain& chain) {
  return {std::shared_ptr<const void>(), &chain};
}

}  // namespace lsmtpd::pipeline
