// SPDX-License-Identifier: Apache-2.0
#include "config/sections.hpp"

#include <fmt/format.h>

namespace lsmtpd::config {

void read_section(Reader& reader, Section section, void* target, Given& given, Position where) {
  for (const Key& key : keys_of(section)) {
    if (key.type == Type::options) continue;
    if (key.required)
      reader.require(key.name, where, fmt::format("such as {} = {}", key.name, key.example));
    reader.read(key, target, given);
  }
}

}  // namespace lsmtpd::config
