// SPDX-License-Identifier: Apache-2.0
#include "asking.hpp"

namespace filter_http {

namespace {

// An easy handle with its buffers and a connection with TLS, by libcurl's and OpenSSL's sizes.
constexpr uint64_t kTransferMemory = 64 << 10;
constexpr long kOk = 200, kNoContent = 204;

}  // namespace

Asking::Asking(const sdk::LaneHost& host, Shared& shared)
    : host_(host),
      shared_(shared),
      user_agent_("lsmtpd/" + std::string(host.version())),
      multi_(host, [this](CURL* easy, CURLcode result) { finished(easy, result); }) {}

Asking::~Asking() {
  for (const auto& [easy, open] : open_) {
    shared_.breaker.abandoned();
    multi_.remove(easy);
  }
}

std::string Asking::ask(lsmtpd_call id, std::string body, std::chrono::milliseconds timeout,
                        Done done) {
  if (open_.size() >= shared_.settings.max_questions) return "too many questions are under way";
  auto memory = host_.reserve(kTransferMemory + body.size() + shared_.settings.max_answer);
  if (!memory) return "there is no memory for the question";
  if (!shared_.breaker.admit(host_.now_ms()))
    return "the application failed too often; it is not asked for a while";
  auto made = exchange(std::move(body), timeout);
  CURL* const easy = made->easy();
  if (!multi_.add(easy)) {
    shared_.breaker.abandoned();
    return "libcurl takes no more questions";
  }
  open_.emplace(easy, Open{id, std::move(made), std::move(memory), std::move(done)});
  return {};
}

void Asking::cancel(lsmtpd_call id) {
  for (auto at = open_.begin(); at != open_.end(); ++at) {
    if (at->second.id != id) continue;
    shared_.breaker.abandoned();
    multi_.remove(at->first);
    open_.erase(at);
    return;
  }
}

void Asking::finished(CURL* easy, CURLcode result) {
  const auto at = open_.find(easy);
  if (at == open_.end()) return;
  Open open = std::move(at->second);
  open_.erase(at);
  const Outcome outcome = outcome_of(*open.exchange, result);
  multi_.remove(easy);
  open.exchange = nullptr;
  open.memory.release();
  note(outcome);
  open.done(outcome);
}

std::unique_ptr<http::Exchange> Asking::exchange(std::string body,
                                                 std::chrono::milliseconds timeout) const {
  const Settings& settings = shared_.settings;
  auto made = std::make_unique<http::Exchange>(settings.peer, settings.url, settings.max_answer,
                                               settings.max_answer, timeout, user_agent_);
  made->header("Content-Type: application/json");
  made->header("Accept: application/json");
  if (!settings.token.empty()) made->header("Authorization: Bearer " + settings.token);
  made->body(std::move(body));
  return made;
}

Outcome Asking::outcome_of(const http::Exchange& exchange, CURLcode result) const {
  Outcome outcome;
  if (result != CURLE_OK) {
    outcome.problem = exchange.problem(result);
    return outcome;
  }
  const long status = exchange.status();
  if (status == kNoContent) {
    outcome.answer.kind = LSMTPD_CONTINUE;
  } else if (status != kOk) {
    outcome.problem = "HTTP " + std::to_string(status);
  } else {
    const std::string wrong = parse_answer(exchange.answer(), outcome.answer);
    if (!wrong.empty()) outcome.problem = "the answer is wrong: " + wrong;
  }
  return outcome;
}

// One line when an outage begins, and one when it is over, unless that repeats itself.
void Asking::note(const Outcome& outcome) {
  if (outcome.problem.empty()) {
    shared_.breaker.succeeded();
    if (shared_.outage.answered())
      host_.info("the application answers again", {{"url", shared_.settings.url}});
    return;
  }
  if (const auto left_out = shared_.outage.failed(host_.now_ms()))
    host_.warn(
        "the application gives no answer that counts",
        {{"url", shared_.settings.url}, {"error", outcome.problem}, {"left_out", *left_out}});
  if (shared_.breaker.failed(host_.now_ms()) && shared_.outage.said())
    host_.warn("the application failed too often and is not asked for a while",
               {{"url", shared_.settings.url},
                {"error", outcome.problem},
                {"pause_ms", shared_.settings.breaker_pause.count()}});
}

}  // namespace filter_http
