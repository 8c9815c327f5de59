// SPDX-License-Identifier: Apache-2.0
#include "id_resolver.hpp"

#include <unistd.h>

#include <cerrno>
#include <map>
#include <set>

#include "file_names.hpp"
#include "progress.hpp"

namespace lsmtpd::json_spool {
namespace {

constexpr std::size_t kMostNamed = 3;  // copies that an error names
constexpr std::size_t kLongestLine = 64 * 1024;

std::string several(const std::string& given, const std::vector<CopyKey>& found) {
  std::string text = "several messages begin with " + given + ":";
  for (std::size_t i = 0; i < found.size() && i < kMostNamed; ++i) text += " " + found[i].id;
  return text + (found.size() > kMostNamed ? " ..." : "");
}

}  // namespace

std::vector<IdResolver::Found> IdResolver::resolve(const std::vector<std::string>& ids) {
  std::vector<Found> all;
  std::map<std::string, std::vector<CopyKey>> beginnings;
  std::set<std::size_t> lengths;
  for (const std::string& id : ids) {
    Found& found = all.emplace_back(Found{id, {}, {}, true});
    if (!valid_id(id)) continue;
    for (const State state : kStates) {
      if (!found.missing || !states_.has(state) || !store_.has({state, id})) continue;
      found.key = {state, id};
      found.missing = false;
    }
    if (!found.missing || id.size() < kShortest) continue;
    beginnings.try_emplace(id);
    lengths.insert(id.size());
  }
  if (!beginnings.empty()) {
    const auto done = store_.each(states_, Store::Order::none, [&](const CopyKey& key) {
      for (const std::size_t length : lengths) {
        if (length > key.id.size()) break;
        const auto wanted = beginnings.find(key.id.substr(0, length));
        if (wanted != beginnings.end() && wanted->second.size() <= kMostNamed)
          wanted->second.push_back(key);
      }
      return true;
    });
    (void)done;  // then nothing is found
  }
  for (Found& found : all) {
    const auto begins = beginnings.find(found.given);
    if (begins != beginnings.end() && !begins->second.empty()) {
      found.missing = false;
      if (begins->second.size() > 1) found.problem = several(found.given, begins->second);
      found.key = begins->second.front();
    } else if (found.missing) {
      found.problem = "there is no message " + found.given;
    }
  }
  return all;
}

bool IdInput::fill() {
  char buffer[16 * 1024];
  ssize_t got = 0;
  do {
    got = ::read(fd_, buffer, sizeof(buffer));
  } while (got < 0 && errno == EINTR && !Interrupt::asked());
  if (got > 0) text_.append(buffer, static_cast<std::size_t>(got));
  end_ = got <= 0;
  return !end_;
}

std::vector<std::string> IdInput::next(std::size_t most) {
  std::vector<std::string> ids;
  while (ids.size() < most) {
    const std::size_t end = text_.find('\n');
    if (end == std::string::npos && text_.size() < kLongestLine && !end_) {
      if (!ids.empty()) break;  // rather those that came than a wait for more
      if (fill()) continue;
    }
    if (text_.empty()) break;
    const std::string line = text_.substr(0, end);
    text_.erase(0, end == std::string::npos ? end : end + 1);
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos) continue;
    ids.push_back(line.substr(first, line.find_first_of(" \t\r", first) - first));
  }
  return ids;
}

}  // namespace lsmtpd::json_spool
