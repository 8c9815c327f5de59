// SPDX-License-Identifier: Apache-2.0
// Finds the copies that IDs of the command line mean: whole ones, or beginnings that only one copy
// has. [main]
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "store.hpp"

namespace lsmtpd::json_spool {

class IdResolver {
 public:
  static constexpr std::size_t kShortest = 4;  // of a beginning: a slip must not find anything

  struct Found {
    std::string given;
    CopyKey key;
    std::string problem;   // "" or why there is none
    bool missing = false;  // there is none of that ID
  };

  IdResolver(Store& store, States states) : store_(store), states_(states) {}

  // In the order of `ids`; reads the names of the store once at most.
  std::vector<Found> resolve(const std::vector<std::string>& ids);

 private:
  Store& store_;
  const States states_;
};

// The IDs on a descriptor, up to `most` of them at a time: the first word of each line. An ID that
// is none comes too. Empty at the end.
class IdInput {
 public:
  explicit IdInput(int fd) : fd_(fd) {}
  std::vector<std::string> next(std::size_t most);

 private:
  bool fill();

  const int fd_;
  bool end_ = false;
  std::string text_;
};

}  // namespace lsmtpd::json_spool
