// SPDX-License-Identifier: Apache-2.0
// The session filters of a chain, asked one after the other about one event of one connection.
// [loop]
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "message/envelope.hpp"
#include "message/message.hpp"
#include "message/phase.hpp"
#include "pipeline/chain.hpp"
#include "pipeline/decisions.hpp"
#include "plugin/pending_call.hpp"
#include "smtp/reply.hpp"

namespace lsmtpd::pipeline {

class SessionFilters {
 public:
  // The decision of the filters: go on, or this reply.
  struct Result {
    std::optional<smtp::Reply> refusal;
    std::string detail;  // for the log
  };
  using Finished = std::function<void(Result)>;

  // `session` names the connection to the plugins.
  SessionFilters(std::shared_ptr<const Chain> chain, uint64_t session);
  ~SessionFilters();  // abandons the call under way, and tells the plugins that the connection is
                      // gone
  SessionFilters(const SessionFilters&) = delete;
  SessionFilters& operator=(const SessionFilters&) = delete;

  // Another chain with the same session filters. Not while they are asked.
  void set_chain(std::shared_ptr<const Chain> chain) { chain_ = std::move(chain); }

  // The result, or nothing: then `finished` gets it later. One event at a time.
  std::optional<Result> run(message::Phase phase, uint64_t declared_size,
                            std::shared_ptr<const message::Envelope> envelope, Finished finished);

  // Abandons the call under way; `finished` does not come.
  void cancel();
  message::Phase phase() const { return phase_; }  // that was asked last

  // A transaction of the session ended: after an accepted MAIL, once.
  void transaction_ended(const std::string& id, message::TransactionEnd how);

  // The session's annotations, which belong to each of its messages. May be null.
  const std::shared_ptr<const message::Annotations>& annotations() const { return annotations_; }

 private:
  std::optional<Result> go_on();
  std::optional<Result> take(CallEnd ended, plugin::Completion completion);
  void answered(CallEnd ended, plugin::Completion completion);
  void overdue();

  std::shared_ptr<const Chain> chain_;
  const uint64_t session_;
  message::Phase phase_ = message::Phase::connect;
  uint64_t declared_size_ = 0;
  std::shared_ptr<const message::Envelope> envelope_;  // only while filters are asked
  std::shared_ptr<const message::Annotations> annotations_;
  Finished finished_;
  size_t next_ = 0;
  plugin::PendingCall call_;
};

}  // namespace lsmtpd::pipeline
