// SPDX-License-Identifier: Apache-2.0
// Puts questions to the application, with the breaker in front: one a lane. [loop]
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "answer.hpp"
#include "http/exchange.hpp"
#include "http/multi.hpp"
#include "http_shared.hpp"

namespace filter_http {

namespace http = lsmtpd::http;

// An answer that counts, or the reason why there is none. A 204 is `kind` CONTINUE.
struct Outcome {
  Answer answer;
  std::string problem;  // empty: `answer` counts
};

class Asking {
 public:
  using Done = std::function<void(const Outcome&)>;

  Asking(const sdk::LaneHost& host, Shared& shared);
  ~Asking();  // questions under way get no answer

  // "": `done` comes exactly once, never from inside this function, unless it is cancelled; else
  // the reason why the question cannot be asked.
  std::string ask(lsmtpd_call id, std::string body, std::chrono::milliseconds timeout, Done done);
  void cancel(lsmtpd_call id);

 private:
  struct Open {
    lsmtpd_call id;
    std::unique_ptr<http::Exchange> exchange;
    sdk::Reservation memory;
    Done done;
  };
  void finished(CURL* easy, CURLcode result);
  std::unique_ptr<http::Exchange> exchange(std::string body,
                                           std::chrono::milliseconds timeout) const;
  Outcome outcome_of(const http::Exchange& exchange, CURLcode result) const;
  void note(const Outcome& outcome);

  const sdk::LaneHost& host_;
  Shared& shared_;
  const std::string user_agent_;
  http::Multi multi_;
  std::map<CURL*, Open> open_;
};

}  // namespace filter_http
