// SPDX-License-Identifier: Apache-2.0
// A message on its way through the chain: a small value of shared, constant parts. Copying it costs
// a few reference counts; a filter's edit makes a new part; the old one lives as long as its
// readers.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "message/body.hpp"
#include "message/envelope.hpp"

namespace lsmtpd::message {

using Annotations = std::map<std::string, std::string, std::less<>>;

struct Message {
  std::shared_ptr<const Envelope> envelope;
  std::shared_ptr<const Body> body;
  std::shared_ptr<const std::string> prefix;  // header fields that filters put first; may be null
  uint64_t skip =
      0;  // bytes of the body that are left out: the header, where `prefix` took its place
  std::shared_ptr<const Annotations> annotations;  // may be null

  // The content that an output sees: the prefix, then the body without its skipped octets. Like the
  // functions of Body, but over both.
  uint64_t size() const { return prefix_size() + body->size() - skip; }
  bool in_memory() const { return !body->spilled(); }
  std::string_view peek(uint64_t offset) const;
  int64_t read(uint64_t offset, char* buffer, uint64_t size) const;

 private:
  uint64_t prefix_size() const { return prefix ? prefix->size() : 0; }
};

}  // namespace lsmtpd::message
