// SPDX-License-Identifier: Apache-2.0
#include "chooser.hpp"

#include <unistd.h>

#include "id_resolver.hpp"
#include "progress.hpp"

namespace lsmtpd::json_spool {
namespace {

constexpr std::size_t kIdsAtOnce = 1024;  // of those on standard input

}  // namespace

void Chooser::each(const Step& step, const std::function<void()>& looked) {
  if (line_.selects()) return each_selected(step, looked);
  if (!line_.ids.empty()) each_named(line_.ids, step, false);
  if (!line_.ids_from_input) return;
  IdInput input(STDIN_FILENO);
  for (auto ids = input.next(kIdsAtOnce); !ids.empty() && !Interrupt::asked();
       ids = input.next(kIdsAtOnce)) {
    for (std::size_t i = 0; i < ids.size(); ++i) looked();
    each_named(ids, step, true);
  }
}

void Chooser::each_selected(const Step& step, const std::function<void()>& looked) {
  const std::uint64_t most = line_.selection.limit;
  const bool in_order = line_.action == Action::ls || line_.action == Action::move ||
                        line_.action == Action::import || most > 0;
  std::uint64_t taken = 0;
  const auto visit = [&](const CopyKey& key) {
    if (Interrupt::asked()) return false;
    looked();
    if (line_.selection.any() && !matches(key)) return true;
    if (step(key)) ++taken;
    return most == 0 || taken < most;
  };
  const auto order = in_order ? Store::Order::oldest_first : Store::Order::none;
  if (const auto done = store_.each(line_.states, order, visit); !done) error_(done.error());
}

bool Chooser::matches(const CopyKey& key) const {
  const auto detail =
      line_.selection.wants_header() ? Store::Detail::header : Store::Detail::envelope;
  const auto entry = store_.read(key, detail);
  return entry && line_.selection.matches(*entry, now_ns_);
}

// `many`: what is gone meanwhile is no error.
void Chooser::each_named(const std::vector<std::string>& ids, const Step& step, bool many) {
  for (const auto& found : IdResolver(store_, line_.states).resolve(ids)) {
    if (Interrupt::asked()) return;
    if (many && found.missing) {
      ++gone_;
    } else if (!found.problem.empty()) {
      error_(found.problem);
    } else if (!step(found.key)) {
      if (many) {
        ++gone_;
      } else {
        error_("there is no message " + found.given);
      }
    }
  }
}

std::uint64_t Chooser::total(Store& store, const CommandLine& line) {
  std::uint64_t total = 0;
  for (const State state : kStates)
    total += line.selects() && line.states.has(state) ? store.count(state) : 0;
  return total;
}

}  // namespace lsmtpd::json_spool
