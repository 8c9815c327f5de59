// SPDX-License-Identifier: Apache-2.0
// Makes an Image of entries. Of two equal entries the first one counts.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "image.hpp"
#include "pattern.hpp"

namespace lsmtpd::access {

class ImageBuilder {
 public:
  // `value` is a verdict as it is written, or "": the rule's. Returns the mistake, or "".
  std::string add(const Pattern& pattern, std::string_view value);

  // The image. `error` gets the reason where there is none: the keys take more than 4 GiB.
  std::string finish(std::string& error);

  uint64_t networks() const { return v4_.size() + v6_.size(); }
  uint64_t addresses() const { return addresses_; }
  uint64_t names() const { return names_; }
  uint64_t doubles() const { return doubles_; }  // after finish()

 private:
  template <class Number>
  struct Range {
    Number first, last;
    uint16_t value;
  };
  template <class Number>
  struct Flat {
    std::vector<Number> starts;
    std::vector<uint16_t> values;
  };
  template <class Number>
  Flat<Number> flatten(std::vector<Range<Number>>& ranges);
  std::vector<ImageSlot> hash_keys(HashKey key);

  std::vector<Range<uint32_t>> v4_;
  std::vector<Range<Ip6>> v6_;
  std::string keys_;
  uint64_t key_count_ = 0, addresses_ = 0, names_ = 0, doubles_ = 0;
  uint32_t labels_ = 0;
  std::map<std::string, uint16_t, std::less<>> numbers_{{"", 0}};
  std::vector<std::string> values_{""};
};

}  // namespace lsmtpd::access
