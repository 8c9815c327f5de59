// SPDX-License-Identifier: Apache-2.0
// lsmtpd SDK: Call, a question of the host with its one answer.
#pragma once

#include <vector>

#include "base.hpp"

namespace lsmtpd::sdk {

// A question of the host that waits for its answer. Move-only; answer it once, from any thread,
// before the lane is closed. The destructor answers "tempfail" if the plugin did not, so that no
// path through a plugin leaves a client waiting.
class Call {
 public:
  Call() noexcept = default;
  Call(const lsmtpd_host* host, lsmtpd_call id) noexcept : host_(host), id_(id) {}
  Call(Call&& other) noexcept
      : host_(std::exchange(other.host_, nullptr)), id_(std::exchange(other.id_, 0)) {}
  Call& operator=(Call&& other) noexcept {
    if (this != &other) {
      drop();
      host_ = std::exchange(other.host_, nullptr);
      id_ = std::exchange(other.id_, 0);
    }
    return *this;
  }
  ~Call() { drop(); }

  // The id that cancel() names. 0 after the answer.
  lsmtpd_call id() const noexcept { return id_; }
  explicit operator bool() const noexcept { return id_ != 0; }

  // Filter: go on, with the edits that were made.
  void proceed() noexcept { answer(LSMTPD_CONTINUE, 0, {}, {}, {}); }
  // Filter: go on with the edits, and skip the filters that are left.
  void accept() noexcept { answer(LSMTPD_ACCEPT, 0, {}, {}, {}); }
  // Output: the message is durable; `detail` says where, for the log.
  void stored(std::string_view detail = {}) noexcept { answer(LSMTPD_STORED, 0, {}, {}, detail); }
  // Refused for good. The client reads `text`; `code` is a 5xx (0: the default), `enhanced` an RFC
  // 3463 code of its class; `detail` is for the log.
  void reject(std::string_view text, uint32_t code = 0, std::string_view enhanced = {},
              std::string_view detail = {}) noexcept {
    answer(LSMTPD_REJECT, code, enhanced, text, detail);
  }
  // Auth: the credentials are right; `user` is the name of the user, where it is not the given one.
  void authenticated(std::string_view user = {}) noexcept {
    answer(LSMTPD_ACCEPT, 0, {}, {}, user);
  }
  // Auth: the credentials are wrong.
  void wrong_credentials(bool unknown_user) noexcept {
    answer(LSMTPD_REJECT, 0, {}, {}, {}, unknown_user ? LSMTPD_UNKNOWN_USER : 0u);
  }
  // Temporary failure: 4xx for the client, or the fallback of an output.
  void tempfail(std::string_view text = {}, uint32_t code = 0, std::string_view enhanced = {},
                std::string_view detail = {}) noexcept {
    answer(LSMTPD_TEMPFAIL, code, enhanced, text, detail);
  }
  // Output: tempfail, and the message was sent without an outcome: it may be stored.
  // `cause_passes`: LSMTPD_CAUSE_PASSES.
  void in_doubt(std::string_view text = {}, uint32_t code = 0, std::string_view enhanced = {},
                std::string_view detail = {}, bool cause_passes = false) noexcept {
    answer(LSMTPD_TEMPFAIL, code, enhanced, text, detail,
           LSMTPD_IN_DOUBT | (cause_passes ? LSMTPD_CAUSE_PASSES : 0u));
  }
  // Output: recipient by recipient, in the order of the envelope; see complete_recipients() in
  // host.h.
  void recipients(const std::vector<lsmtpd_verdict>& verdicts) noexcept {
    if (id_ == 0) return;
    const lsmtpd_host* host = host_;
    host->complete_recipients(host, release(), verdicts.data(), sizeof(lsmtpd_verdict),
                              static_cast<uint32_t>(verdicts.size()));
  }
  // Filter: 250 for the client, and the message goes nowhere; `detail` says why, for the log.
  void discard(std::string_view detail = {}) noexcept { answer(LSMTPD_DISCARD, 0, {}, {}, detail); }
  // Any verdict. An answer after the first does nothing.
  void complete(const lsmtpd_verdict& verdict) noexcept {
    if (id_ == 0) return;
    const lsmtpd_host* host = host_;
    host->complete(host, release(), &verdict);
  }

  // Releases this object from the duty to answer.
  lsmtpd_call release() noexcept {
    host_ = nullptr;
    return std::exchange(id_, 0);
  }

 private:
  void answer(uint32_t kind, uint32_t code, std::string_view enhanced, std::string_view text,
              std::string_view detail, uint32_t flags = 0) noexcept {
    const lsmtpd_verdict verdict = {sizeof(lsmtpd_verdict), kind,      code,       flags,
                                    str(enhanced),          str(text), str(detail)};
    complete(verdict);
  }
  void drop() noexcept {
    if (id_ == 0 || detail::Guard::park(host_, id_)) return;
    tempfail({}, 0, {}, "dropped by the plugin");
  }

  const lsmtpd_host* host_ = nullptr;
  lsmtpd_call id_ = 0;
};

}  // namespace lsmtpd::sdk
