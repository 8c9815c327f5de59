// SPDX-License-Identifier: Apache-2.0
#include "header_edits.hpp"

#include <algorithm>

namespace filter_http {

namespace sdk = lsmtpd::sdk;

namespace {

const std::string kNoMemory = "no memory for the header fields";

// The first field of the name gets the value; where there is none, it is added.
bool change(const sdk::FilterMessage& message, const sdk::Headers& headers, const Pair& pair) {
  const uint64_t found = headers.find(pair.first);
  return found == headers.size() ? message.prepend_header(field(pair))
                                 : message.change_header(found, field(pair));
}

bool remove(const sdk::FilterMessage& message, const sdk::Headers& headers,
            const std::string& name) {
  for (uint64_t at = headers.find(name); at < headers.size(); at = headers.find(name, at + 1)) {
    if (!message.remove_header(at)) return false;
  }
  return true;
}

}  // namespace

std::string edit_header(const sdk::FilterMessage& message, const Answer& answer) {
  if (!answer.remove.empty() || !answer.change.empty()) {
    const sdk::Headers headers = message.headers();
    if (!headers) return "cannot read the header";
    for (const auto& name : answer.remove)
      if (!remove(message, headers, name)) return kNoMemory;
    for (const auto& pair : answer.change)
      if (!change(message, headers, pair)) return kNoMemory;
  }
  std::string added;
  for (const auto& pair : answer.add) added += field(pair);
  return added.empty() || message.prepend_header(added) ? "" : kNoMemory;
}

}  // namespace filter_http
