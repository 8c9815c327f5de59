// SPDX-License-Identifier: Apache-2.0
// Goes through the messages that a command line means: IDs, IDs on standard input, or a selection.
// Ends early when the user interrupts. [main]
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "store.hpp"

namespace lsmtpd::json_spool {

class Chooser {
 public:
  // False: there is no such message (any more).
  using Step = std::function<bool(const CopyKey&)>;
  using Error = std::function<void(const std::string&)>;

  Chooser(Store& store, const CommandLine& line, std::int64_t now_ns, Error error)
      : store_(store), line_(line), now_ns_(now_ns), error_(std::move(error)) {}

  // `looked` comes for each message that is looked at, chosen or not.
  void each(const Step& step, const std::function<void()>& looked);

  // How many of the IDs on standard input there are not: others may have taken them meanwhile.
  std::uint64_t gone() const { return gone_; }

  // How many messages each() looks at; 0: not known.
  static std::uint64_t total(Store& store, const CommandLine& line);

 private:
  void each_selected(const Step& step, const std::function<void()>& looked);
  void each_named(const std::vector<std::string>& ids, const Step& step, bool many);
  bool matches(const CopyKey& key) const;

  Store& store_;
  const CommandLine& line_;
  const std::int64_t now_ns_;
  Error error_;
  std::uint64_t gone_ = 0;
};

}  // namespace lsmtpd::json_spool
