// SPDX-License-Identifier: Apache-2.0
// The session filters of a chain, asked one after the other about one event of one connection.
// [loop]
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "message/envelope.hpp"
#include "pipeline/chain.hpp"
#include "smtp/reply.hpp"

namespace lsmtpd::pipeline {

class SessionFilters {
 public:
  // What the filters decided: go on, or this reply.
  struct Result {
    std::optional<smtp::Reply> refusal;
    std::string detail;  // for the log
  };
  using Finished = std::function<void(Result)>;

  // `session` names the connection to the plugins.
  SessionFilters(const Chain& chain, uint64_t session);
  ~SessionFilters();  // abandons the call under way, and tells the plugins that the connection is
                      // gone
  SessionFilters(const SessionFilters&) = delete;
  SessionFilters& operator=(const SessionFilters&) = delete;

  // The result, or nothing: then `finished` gets it later. One event at a time; `envelope` is
  // copied where it must live. `phase` is LSMTPD_PHASE_...
  std::optional<Result> run(uint32_t phase, uint64_t declared_size,
                            const message::Envelope& envelope, Finished finished);

 private:
  std::optional<Result> go_on();
  std::optional<Result> take(plugin::Verdict verdict);
  void answered(plugin::Verdict verdict);
  void overdue();

  const Chain& chain_;
  const uint64_t session_;
  uint32_t phase_ = 0;
  uint64_t declared_size_ = 0;
  message::Envelope envelope_;  // only while a call is under way
  const message::Envelope* asked_ = nullptr;
  Finished finished_;
  size_t next_ = 0;
  lsmtpd_call call_ = 0;
  Deadlines::Entry deadline_;
};

}  // namespace lsmtpd::pipeline
